"""Razorpay's side, for the sandbox: the inverse of the mapping in `refundry_razorpay.connector`."""

from __future__ import annotations

from typing import Any

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import currency_of, minor_of, unix_of
from refundry_razorpay.connector import Razorpay

EVENTS = {"pending": "refund.created", "failed": "refund.failed"}


def _error(status_code: int, code: str, description: str) -> Response:
    facts = {"code": code, "description": description, "source": "NA", "step": "NA", "reason": "NA", "metadata": {}}
    return json_response({"error": facts}, status_code)


class RazorpaySandbox(ConnectorSandbox[Razorpay]):
    """Razorpay, as razorpay.com/docs/api/refunds describes its answers."""

    settings = {
        "key_id": "rzp_test_RefundrySandbox",
        "key_secret": "RefundrySandboxKeySecret",
        "webhook_secret": "refundry-sandbox-webhook-secret",
    }
    lives = {"settles": ("pending", "processed"), "fails": ("pending", "failed"), "returned": ("processed", "failed")}
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "acquirer_reference_number",
    }
    currency = "INR"
    errors = {
        AuthenticationError: _error(401, "BAD_REQUEST_ERROR", "The api key provided is invalid"),
        RefundNotFound: _error(400, "BAD_REQUEST_ERROR", "The id provided does not exist"),
        RateLimited: _error(429, "BAD_REQUEST_ERROR", "Too many requests"),
        ProcessorUnavailable: _error(502, "GATEWAY_ERROR", "The gateway did not answer"),
        RefundryError: _error(400, "BAD_REQUEST_ERROR", "The requested URL was not found on the server."),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", basic_credentials(self.connector.key_id, self.connector.key_secret))

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v1", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "v1", "refunds":
                return _render_list(call, book, None)
            case "GET", "v1", "payments", payment_id, "refunds":
                return _render_list(call, book, payment_id)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        kind = EVENTS.get(refund.connector_status or "", "refund.processed")
        payment = {"id": refund.connector_transaction_id, "entity": "payment", "captured": True}
        payload = {"refund": {"entity": _refund(refund)}, "payment": {"entity": payment}}
        facts = {"account_id": "acc_RefundrySandbx", "created_at": int(moment.now.timestamp())}
        body = encode_json({"entity": "event", "event": kind, "contains": [*payload], "payload": payload, **facts})
        signature = hmac_hex(self.connector.webhook_secret.every()[0].encode(), body)
        headers = {"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": moment.nonce}
        return json_event(body, moment, headers)


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.connector_refund_id,
        "entity": "refund",
        "amount": minor_of(refund),
        "currency": currency_of(refund),
        "payment_id": refund.connector_transaction_id,
        "notes": [],
        "receipt": refund.merchant_refund_id,
        "acquirer_data": {"arn": refund.acquirer_reference_number},
        "created_at": unix_of(refund.created_at),
        "batch_id": None,
        "status": refund.connector_status,
        "speed_processed": "normal",
        "speed_requested": "normal",
    }


def _render_list(call: Call, book: Book, payment_id: str | None) -> Response:
    refunds = book.listed(since=call.time("from"), until=call.time("to"), connector_transaction_id=payment_id)
    shown, _ = part(refunds, call.params["count"], skip=call.params["skip"])
    items = [_refund(refund) for refund in shown]
    return json_response({"entity": "collection", "count": len(items), "items": items})
