"""Stripe's side, for the sandbox: the inverse of the mapping in `refundry_stripe.connector`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from refundry.errors import AuthenticationError, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry_stripe.connector import EXPONENTS, Stripe


class StripeSandbox(ConnectorSandbox[Stripe]):
    """Stripe, as docs.stripe.com/api/refunds describes its answers."""

    settings = {"api_key": "sk_test_refundry_sandbox", "webhook_secret": "whsec_refundry_sandbox"}
    refund_ids = "re_3Sandbox{:05}"
    payment_ids = "pi_3Sandbox{:05}"
    lives = {
        "settles": ("pending", "succeeded"),
        "fails": ("pending", "failed"),
        "returned": ("succeeded", "failed"),
        "held": ("requires_action",),
        "cancelled": ("requires_action", "canceled"),
    }

    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
        "acquirer_reference_number",
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        if call.header("Authorization") != f"Bearer {self.connector.api_key}":
            raise AuthenticationError("Invalid API Key provided: sk_test_***", status_code=401)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v1", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "v1", "refunds":
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
                return _error(401, {"message": "Invalid API Key provided: sk_test_***"})
            case RefundNotFound():
                facts = {"code": "resource_missing", "param": "id", "message": "No such refund"}
                return _error(404, facts)
            case RateLimited():
                return _error(429, {"code": "rate_limit", "message": "Too many requests"})
            case _:
                return _error(400, {"message": "Unrecognized request URL"})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        sent = int(moment.now.timestamp())
        kind = "refund.failed" if refund.connector_status == "failed" else "refund.updated"
        envelope = {"id": f"evt_{moment.nonce}", "object": "event", "type": kind, "created": sent, "livemode": False}
        body = encode_json({**envelope, "data": {"object": _refund(refund)}})
        secret = self.connector.webhook_secret.candidates()[0]
        signature = hmac_hex(secret.encode(), f"{sent}.".encode() + body)
        headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={sent},v1={signature}"}
        return Event(headers=headers, body=body, received_at=moment.now)


def _refund(refund: Refund) -> dict[str, Any]:
    amount = refund.refund_amount
    arn = refund.acquirer_reference_number
    reference = {"reference": arn, "reference_status": "available", "reference_type": "acquirer_reference_number"}
    return {
        "id": refund.connector_refund_id,
        "object": "refund",
        "amount": to_minor(amount, EXPONENTS) if amount else None,
        "currency": amount.currency.lower() if amount else None,
        "payment_intent": refund.connector_transaction_id,
        "charge": None,
        "created": int(refund.created_at.timestamp()) if refund.created_at else None,
        "destination_details": {"type": "card", "card": {"type": "refund", **(reference if arn else {})}},
        "failure_reason": refund.error.code if refund.error else None,
        "metadata": {"order_id": refund.merchant_refund_id} if refund.merchant_refund_id else {},
        "reason": refund.refund_reason,
        "status": refund.connector_status,
    }


def _render_list(params: dict[str, str], book: Book) -> Response:
    since, until = params.get("created[gte]"), params.get("created[lt]")
    refunds = book.listed(
        since=datetime.fromtimestamp(int(since), UTC) if since else None,
        until=datetime.fromtimestamp(int(until), UTC) if until else None,
        connector_transaction_id=params.get("payment_intent") or params.get("charge"),
    )
    after = params.get("starting_after")
    ids = [refund.connector_refund_id for refund in refunds]
    start = ids.index(after) + 1 if after in ids else 0
    size = int(params.get("limit", "10"))
    shown = [_refund(refund) for refund in refunds[start : start + size]]
    return json_response(
        {"object": "list", "url": "/v1/refunds", "has_more": start + size < len(refunds), "data": shown}
    )


def _error(status_code: int, facts: dict[str, str]) -> Response:
    body = {"error": {"type": "invalid_request_error", **facts}}
    return json_response(body, status_code, {"Request-Id": "req_refundry_sandbox"})
