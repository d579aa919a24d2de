"""Square's side, for the sandbox: the inverse of the mapping in `refundry_square.connector`."""

from __future__ import annotations

from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.signing import hmac_base64
from refundry.times import to_iso
from refundry.writing import filled, iso_of
from refundry_square.connector import Square


def _error(category: str, code: str | None, detail: str | None) -> dict[str, str]:
    named = {"category": category, "code": code, "detail": detail}
    return filled(named)


def _refusal(status_code: int, category: str, code: str, detail: str) -> Response:
    return json_response({"errors": [_error(category, code, detail)]}, status_code)


class SquareSandbox(ConnectorSandbox[Square]):
    """Square, as developer.squareup.com/reference/square/refunds-api describes its answers."""

    settings = {
        "access_token": "RefundrySandboxAccessToken",
        "webhook_signature_key": "RefundrySandboxSignatureKey",
        "webhook_url": "https://shop.example.com/webhooks/square",
        "merchant_id": "REFUNDRYSANDBOX",
    }
    lives = {
        "settles": ("PENDING", "COMPLETED"),
        "fails": ("PENDING", "FAILED"),
        "returned": ("COMPLETED", "FAILED"),
        "cancelled": ("PENDING", "REJECTED"),
    }
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "refund_reason", "updated_at", "error"}
    currency = "USD"
    errors = {
        AuthenticationError: _refusal(
            401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "This request could not be authorized."
        ),
        RefundNotFound: _refusal(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "There is no such refund."),
        RateLimited: _refusal(429, "RATE_LIMIT_ERROR", "RATE_LIMITED", "There were too many requests."),
        ProcessorUnavailable: _refusal(503, "API_ERROR", "SERVICE_UNAVAILABLE", "The service is unavailable."),
        RefundryError: _refusal(400, "INVALID_REQUEST_ERROR", "BAD_REQUEST", "The request is invalid."),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", f"Bearer {self.connector.access_token}")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v2", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "v2", "refunds":
                return _render_list(call, book)
            case "GET", "v2", "payments", payment_id:
                return _render_payment(payment_id, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        error = refund.error
        failure = {"errors": [_error("REFUND_ERROR", error.code, error.message)]} if error else {}
        return json_response({"refund": _refund(refund), **failure})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        connector = self.connector
        is_new = refund.connector_status == "PENDING"
        envelope = {
            "merchant_id": connector.merchant_id,
            "type": "refund.created" if is_new else "refund.updated",
            "event_id": moment.nonce,
            "created_at": to_iso(moment.now, "milliseconds"),
            "data": {"type": "refund", "id": refund.connector_refund_id, "object": {"refund": _refund(refund)}},
        }
        body = encode_json(envelope)
        key = connector.webhook_signature_key.every()[0]
        signature = hmac_base64(key.encode(), connector.webhook_url.encode() + body)
        headers = {"X-Square-HmacSha256-Signature": signature}
        return json_event(body, moment, headers, url=connector.webhook_url)


def _refund(refund: Refund) -> dict[str, Any]:
    amount = refund.refund_amount
    shape = {
        "id": refund.connector_refund_id,
        "status": refund.connector_status,
        "amount_money": {"amount": to_minor(amount), "currency": amount.currency} if amount else None,
        "payment_id": refund.connector_transaction_id,
        "order_id": "RefundrySandboxOrder",
        "location_id": "REFUNDRYLOCATION",
        "created_at": iso_of(refund.created_at, "milliseconds"),
        "updated_at": iso_of(refund.updated_at, "milliseconds"),
        "reason": refund.refund_reason,
    }
    return filled(shape)


def _render_list(call: Call, book: Book) -> Response:
    refunds = book.listed(since=call.time("begin_time"), until=call.time("end_time"))
    start = int(call.params.get("cursor", "0"))
    shown, more = part(refunds, call.params["limit"], skip=start)
    items = [_refund(refund) for refund in shown]
    return json_response(filled({"refunds": items or None, "cursor": str(start + len(items)) if more else None}))


def _render_payment(payment_id: str, book: Book) -> Response:
    ids = [refund.connector_refund_id for refund in book.of_payment(payment_id)]
    return json_response({"payment": {"id": payment_id, "status": "COMPLETED", "refund_ids": ids}})
