"""Revolut's side, for the sandbox: the inverse of the mapping in `refundry_revolut.connector`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
)
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, no_webhook, unknown_call
from refundry.signing import hmac_hex
from refundry.times import from_iso
from refundry.writing import currency_of, iso_of, minor_of
from refundry_revolut.connector import FINAL, REFUND, Revolut

EVENTS = {
    "completed": "ORDER_COMPLETED",
    "failed": "ORDER_FAILED",
    "cancelled": "ORDER_CANCELLED",
    "declined": "ORDER_PAYMENT_DECLINED",
}
JUST_AFTER = timedelta(microseconds=1)


def _error(status_code: int, code: str) -> Response:
    return json_response({"code": code, "message": "The request failed", "timestamp": 1772442000000}, status_code)


class RevolutSandbox(ConnectorSandbox[Revolut]):
    """Revolut, as developer.revolut.com describes its orders."""

    settings = {
        "secret_key": "sk_RefundrySandboxMadeUp",
        "webhook_signing_secret": "wsk_RefundrySandboxMadeUp",
    }
    refund_ids = "5ef00d00-0000-4000-8000-{:012}"
    payment_ids = "0de70000-0000-4000-8000-{:012}"
    # Most begin as processing, of which no webhook tells.
    lives = {"settles": ("completed",), "fails": ("processing/declined",), "cancelled": ("cancelled",)}
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "refund_reason",
        "updated_at",
        "acquirer_reference_number",
        "error",
    }
    currency = "GBP"
    errors = {
        AuthenticationError: _error(401, "unauthenticated"),
        RefundNotFound: _error(404, "not_found"),
        RateLimited: _error(429, "too_many_requests"),
        ProcessorUnavailable: _error(500, "internal_server_error"),
        RefundryError: _error(400, "bad_request"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", f"Bearer {self.connector.secret_key}")
        if not call.header("Revolut-Api-Version"):
            raise ConnectorError("the header Revolut-Api-Version is missing")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "api", "orders":
                return _render_list(call.params, book)
            case "GET", "api", "orders", order_id:
                return self.render_refund(book.refund(order_id))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response({**_order(refund), "payments": [_payment(refund)]})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        kind = EVENTS.get((refund.connector_status or "").rpartition("/")[2])
        if kind is None:
            raise no_webhook()
        body = encode_json({"event": kind, "order_id": refund.connector_refund_id})
        timestamp = str(int(moment.now.timestamp() * 1000))
        key = self.connector.webhook_signing_secret.candidates()[0]
        signature = f"v1={hmac_hex(key.encode(), f'v1.{timestamp}.'.encode() + body)}"
        headers = {"Revolut-Request-Timestamp": timestamp, "Revolut-Signature": signature}
        return json_event(body, moment, headers)


def _order(refund: Refund) -> dict[str, Any]:
    """An order as it stands in a list: without its payments."""
    state = _states(refund)[0]
    return {
        "id": refund.connector_refund_id,
        "type": REFUND,
        "state": state,
        "created_at": iso_of(refund.created_at),
        "updated_at": iso_of(refund.updated_at),
        "description": refund.refund_reason,
        "amount": minor_of(refund),
        "currency": currency_of(refund),
        "capture_mode": "automatic",
        "merchant_order_data": {"reference": refund.merchant_refund_id},
        "related_order_id": refund.connector_transaction_id,
    }


def _payment(refund: Refund) -> dict[str, Any]:
    state, payment_state = _states(refund)
    default = state if state in FINAL else "refund_validated"
    error, reference = refund.error, refund.acquirer_reference_number
    return {
        "id": f"{refund.connector_refund_id}-payment",
        "state": payment_state or default,
        "decline_reason": error.code if error else None,
        "bank_message": error.message if error else None,
        "payment_method": {"type": "card", "arn": reference},
    }


def _states(refund: Refund) -> tuple[str, str]:
    state, _, payment_state = (refund.connector_status or "").partition("/")
    return state, payment_state


def _render_list(params: dict[str, str], book: Book) -> Response:
    since, until = (from_iso(params[name]) for name in ("from", "to"))
    refunds = book.listed(since=since, until=until + JUST_AFTER)
    return json_response({"orders": [_order(refund) for refund in refunds[: int(params["limit"])]]})
