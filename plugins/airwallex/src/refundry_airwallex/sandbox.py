"""Airwallex's side, for the sandbox: the inverse of the mapping in `refundry_airwallex.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.times import from_iso
from refundry_airwallex.connector import TOKEN_LIFETIME, Airwallex

EVENTS = {
    "RECEIVED": "refund.received",
    "CREATED": "refund.received",
    "ACCEPTED": "refund.accepted",
    "PROCESSING": "refund.processing",
    "SUCCEEDED": "refund.succeeded",
    "FAILED": "refund.failed",
}


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

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        connector = self.connector
        if call.segments[-1] == "login":
            if (call.header("x-client-id"), call.header("x-api-key")) != (connector.client_id, connector.api_key):
                raise AuthenticationError("the API key is not the sandbox's", code="credentials_invalid")
        elif not book.accepts_token(call.header("Authorization").removeprefix("Bearer ")):
            raise AuthenticationError("the access token is unknown or has expired", code="credentials_expired")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "api", "v1", "authentication", "login":
                expiry = _time(book.now + TOKEN_LIFETIME)
                return json_response({"token": book.issue_token(TOKEN_LIFETIME), "expires_at": expiry}, 201)
            case "GET", "api", "v1", "pa", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "api", "v1", "pa", "refunds":
                return _render_list(call.params, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_refund(refund))

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        match error:
            case AuthenticationError():
                return _error(401, error.code or "unauthorized", "Access was denied.")
            case RefundNotFound():
                return _error(404, "resource_not_found", "There is no such resource.")
            case RateLimited():
                return _error(429, "too_many_requests", "There were too many requests.")
            case ProcessorUnavailable():
                return _error(503, "service_unavailable", "The service is unavailable.")
            case _:
                return _error(400, "validation_error", "The request is invalid.")

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
        headers = {"Content-Type": "application/json", "x-timestamp": sent, "x-signature": signature}
        return Event(headers=headers, body=body, received_at=moment.now)


def _refund(refund: Refund) -> dict[str, Any]:
    amount, error = refund.refund_amount, refund.error
    shape = {
        "id": refund.connector_refund_id,
        "request_id": refund.merchant_refund_id,
        "payment_intent_id": refund.connector_transaction_id,
        "payment_attempt_id": "att_refundrysandbox",
        "amount": amount.decimal if amount else None,
        "currency": amount.currency if amount else None,
        "reason": refund.refund_reason,
        "status": refund.connector_status,
        "acquirer_reference_number": refund.acquirer_reference_number,
        "failure_details": {"code": error.code, "message": error.message} if error else None,
        "metadata": {},
        "created_at": _time(refund.created_at) if refund.created_at else None,
        "updated_at": _time(refund.updated_at) if refund.updated_at else None,
    }
    return {name: value for name, value in shape.items() if value is not None}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S%z")


def _render_list(params: dict[str, str], book: Book) -> Response:
    since, until = params.get("from_created_at"), params.get("to_created_at")
    refunds = book.listed(
        since=from_iso(since) if since else None,
        until=from_iso(until) if until else None,
        connector_transaction_id=params.get("payment_intent_id"),
    )
    number, size = int(params.get("page_num", "0")), int(params.get("page_size", "100"))
    shown = [_refund(refund) for refund in refunds[number * size : (number + 1) * size]]
    return json_response({"has_more": (number + 1) * size < len(refunds), "items": shown})


def _error(status_code: int, code: str, message: str) -> Response:
    return json_response({"code": code, "message": message, "trace_id": "refundrysandbox"}, status_code)
