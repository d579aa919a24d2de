"""Stripe's side, for the sandbox: the inverse of the mapping in `refundry_stripe.connector`."""

from __future__ import annotations

from typing import Any

from refundry.errors import AuthenticationError, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import currency_of, minor_of, unix_of
from refundry_stripe.connector import EXPONENTS, Stripe


def _error(status_code: int, **facts: str) -> Response:
    body = {"error": {"type": "invalid_request_error", **facts}}
    return json_response(body, status_code, {"Request-Id": "req_refundry_sandbox"})


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

    errors = {
        AuthenticationError: _error(401, message="Invalid API Key provided: sk_test_***"),
        RefundNotFound: _error(404, code="resource_missing", param="id", message="No such refund"),
        RateLimited: _error(429, code="rate_limit", message="Too many requests"),
        RefundryError: _error(400, message="Unrecognized request URL"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", f"Bearer {self.connector.api_key}")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v1", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "v1", "refunds":
                return _render_list(call, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        sent = int(moment.now.timestamp())
        kind = "refund.failed" if refund.connector_status == "failed" else "refund.updated"
        envelope = {"id": f"evt_{moment.nonce}", "object": "event", "type": kind, "created": sent, "livemode": False}
        body = encode_json({**envelope, "data": {"object": _refund(refund)}})
        secret = self.connector.webhook_secret.candidates()[0]
        signature = hmac_hex(secret.encode(), f"{sent}.".encode() + body)
        return json_event(body, moment, {"Stripe-Signature": f"t={sent},v1={signature}"})


def _refund(refund: Refund) -> dict[str, Any]:
    currency = currency_of(refund)
    arn = refund.acquirer_reference_number
    reference = {"reference": arn, "reference_status": "available", "reference_type": "acquirer_reference_number"}
    return {
        "id": refund.connector_refund_id,
        "object": "refund",
        "amount": minor_of(refund, EXPONENTS),
        "currency": currency.lower() if currency else None,
        "payment_intent": refund.connector_transaction_id,
        "charge": None,
        "created": unix_of(refund.created_at),
        "destination_details": {"type": "card", "card": {"type": "refund", **(reference if arn else {})}},
        "failure_reason": refund.error.code if refund.error else None,
        "metadata": {"order_id": refund.merchant_refund_id} if refund.merchant_refund_id else {},
        "reason": refund.refund_reason,
        "status": refund.connector_status,
    }


def _render_list(call: Call, book: Book) -> Response:
    refunds = book.listed(
        since=call.time("created[gte]"),
        until=call.time("created[lt]"),
        connector_transaction_id=call.params.get("payment_intent") or call.params.get("charge"),
    )
    shown, more = part(refunds, call.params["limit"], after=call.params.get("starting_after"))
    facts = {"object": "list", "url": "/v1/refunds", "has_more": more}
    return json_response({**facts, "data": [_refund(refund) for refund in shown]})
