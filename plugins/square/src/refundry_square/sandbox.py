"""Square's side, for the sandbox: the inverse of the mapping in `refundry_square.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_base64
from refundry.times import from_iso
from refundry_square.connector import Square


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

    @hookimpl
    def check_call(self, call: Call) -> None:
        if call.header("Authorization") != f"Bearer {self.connector.access_token}":
            raise AuthenticationError("the token is not the sandbox's", status_code=401)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v2", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "v2", "refunds":
                return _render_list(call.params, book)
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
    def render_error(self, error: RefundryError) -> Response:
        match error:
            case AuthenticationError():
                return _refusal(401, "AUTHENTICATION_ERROR", "UNAUTHORIZED", "This request could not be authorized.")
            case RefundNotFound():
                return _refusal(404, "INVALID_REQUEST_ERROR", "NOT_FOUND", "There is no such refund.")
            case RateLimited():
                return _refusal(429, "RATE_LIMIT_ERROR", "RATE_LIMITED", "There were too many requests.")
            case ProcessorUnavailable():
                return _refusal(503, "API_ERROR", "SERVICE_UNAVAILABLE", "The service is unavailable.")
            case _:
                return _refusal(400, "INVALID_REQUEST_ERROR", "BAD_REQUEST", "The request is invalid.")

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        connector = self.connector
        is_new = refund.connector_status == "PENDING"
        envelope = {
            "merchant_id": connector.merchant_id,
            "type": "refund.created" if is_new else "refund.updated",
            "event_id": moment.nonce,
            "created_at": _time(moment.now),
            "data": {"type": "refund", "id": refund.connector_refund_id, "object": {"refund": _refund(refund)}},
        }
        body = encode_json(envelope)
        key = connector.webhook_signature_key.every()[0]
        signature = hmac_base64(key.encode(), connector.webhook_url.encode() + body)
        headers = {"Content-Type": "application/json", "X-Square-HmacSha256-Signature": signature}
        return Event(url=connector.webhook_url, headers=headers, body=body, received_at=moment.now)


def _refund(refund: Refund) -> dict[str, Any]:
    amount = refund.refund_amount
    shape = {
        "id": refund.connector_refund_id,
        "status": refund.connector_status,
        "amount_money": {"amount": to_minor(amount), "currency": amount.currency} if amount else None,
        "payment_id": refund.connector_transaction_id,
        "order_id": "RefundrySandboxOrder",
        "location_id": "REFUNDRYLOCATION",
        "created_at": _time(refund.created_at) if refund.created_at else None,
        "updated_at": _time(refund.updated_at) if refund.updated_at else None,
        "reason": refund.refund_reason,
    }
    return {name: value for name, value in shape.items() if value is not None}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _render_list(params: dict[str, str], book: Book) -> Response:
    since, until = params.get("begin_time"), params.get("end_time")
    refunds = book.listed(since=from_iso(since) if since else None, until=from_iso(until) if until else None)
    start, size = int(params.get("cursor", "0")), int(params.get("limit", "100"))
    shown = [_refund(refund) for refund in refunds[start : start + size]]
    more = {"cursor": str(start + size)} if start + size < len(refunds) else {}
    return json_response({**({"refunds": shown} if shown else {}), **more})


def _render_payment(payment_id: str, book: Book) -> Response:
    ids = [refund.connector_refund_id for refund in book.listed(connector_transaction_id=payment_id)]
    if not ids:
        raise RefundNotFound("the sandbox knows a payment by its refunds alone")
    return json_response({"payment": {"id": payment_id, "status": "COMPLETED", "refund_ids": ids}})


def _error(category: str, code: str | None, detail: str | None) -> dict[str, str]:
    named = {"category": category, "code": code, "detail": detail}
    return {name: value for name, value in named.items() if value is not None}


def _refusal(status_code: int, category: str, code: str, detail: str) -> Response:
    return json_response({"errors": [_error(category, code, detail)]}, status_code)
