"""Airwallex's side, for the sandbox: the inverse of the mapping in `refundry_airwallex.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import currency_of, decimal_of, filled
from refundry_airwallex.connector import TOKEN_LIFETIME, Airwallex

EVENTS = {
    "RECEIVED": "refund.received",
    "CREATED": "refund.received",
    "ACCEPTED": "refund.accepted",
    "PROCESSING": "refund.processing",
    "SUCCEEDED": "refund.succeeded",
    "FAILED": "refund.failed",
}


def _error(status_code: int, code: str, message: str) -> Response:
    return json_response({"code": code, "message": message, "trace_id": "refundrysandbox"}, status_code)


class AirwallexSandbox(ConnectorSandbox[Airwallex]):
    """Airwallex, as airwallex.com/docs describes its answers and webhooks."""

    settings = {
        "client_id": "refundry_sandbox_client",
        "api_key": "refundrysandboxapikey0001",
        "webhook_secret": "whsec_refundry_sandbox",
        "account_id": "acct_refundrysandbox",
    }
    refund_ids = "rfd_sandbox{:016}"
    payment_ids = "int_sandbox{:016}"
    lives = {
        "settles": ("RECEIVED", "ACCEPTED", "SETTLED"),
        "fails": ("RECEIVED", "ACCEPTED", "FAILED"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
        "updated_at",
        "acquirer_reference_number",
    }
    currency = "AUD"

    errors = {
        AuthenticationError: _error(401, "credentials_invalid", "Access was denied."),
        RefundNotFound: _error(404, "resource_not_found", "There is no such resource."),
        RateLimited: _error(429, "too_many_requests", "There were too many requests."),
        ProcessorUnavailable: _error(503, "service_unavailable", "The service is unavailable."),
        RefundryError: _error(400, "validation_error", "The request is invalid."),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        connector = self.connector
        if call.segments[-1] == "login":
            call.check_header("x-client-id", connector.client_id)
            call.check_header("x-api-key", connector.api_key)
        else:
            book.check_token(call)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "api", "v1", "authentication", "login":
                expiry = _time(book.now + TOKEN_LIFETIME)
                return json_response({"token": book.issue_token(TOKEN_LIFETIME), "expires_at": expiry}, 201)
            case "GET", "api", "v1", "pa", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "api", "v1", "pa", "refunds":
                return _render_list(call, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        envelope = {
            "id": f"evt_{moment.nonce}",
            "name": EVENTS.get(refund.connector_status or "", "refund.settled"),
            "account_id": self.connector.account_id,
            "created_at": _time(moment.now),
            "data": {"object": _refund(refund)},
        }
        body, sent = encode_json(envelope), str(int(moment.now.timestamp() * 1000))
        signature = hmac_hex(self.connector.webhook_secret.every()[0].encode(), sent.encode() + body)
        return json_event(body, moment, {"x-timestamp": sent, "x-signature": signature})


def _refund(refund: Refund) -> dict[str, Any]:
    error = refund.error
    shape = {
        "id": refund.connector_refund_id,
        "request_id": refund.merchant_refund_id,
        "payment_intent_id": refund.connector_transaction_id,
        "payment_attempt_id": "att_refundrysandbox",
        "amount": decimal_of(refund),
        "currency": currency_of(refund),
        "reason": refund.refund_reason,
        "status": refund.connector_status,
        "acquirer_reference_number": refund.acquirer_reference_number,
        "failure_details": {"code": error.code, "message": error.message} if error else None,
        "metadata": {},
        "created_at": _time(refund.created_at) if refund.created_at else None,
        "updated_at": _time(refund.updated_at) if refund.updated_at else None,
    }
    return filled(shape)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S%z")


def _render_list(call: Call, book: Book) -> Response:
    refunds = book.listed(
        since=call.time("from_created_at"),
        until=call.time("to_created_at"),
        connector_transaction_id=call.params.get("payment_intent_id"),
    )
    number, size = int(call.params["page_num"]), int(call.params["page_size"])
    shown, more = part(refunds, size, skip=number * size)
    return json_response({"has_more": more, "items": [_refund(refund) for refund in shown]})
