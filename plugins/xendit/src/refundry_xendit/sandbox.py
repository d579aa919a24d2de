"""Xendit's side, for the sandbox: the inverse of the mapping in `refundry_xendit.connector`."""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal
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
from refundry.http import Event, Moment, Response
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.times import to_iso
from refundry_xendit.connector import V3, V3_PAYMENT, Xendit

BUSINESS = "5a4db0c5a4db0c5a4db0c5a4"
JSON = {"Content-Type": "application/json"}
EVENTS = {"SUCCEEDED": "refund.succeeded", "FAILED": "refund.failed"}


class XenditSandbox(ConnectorSandbox[Xendit]):
    """Xendit, as docs.xendit.co/apidocs describes its refunds of both generations."""

    settings = {"api_key": "xnd_development_RefundrySandbox", "callback_token": "RefundrySandboxVerificationToken"}
    refund_ids = "rfd-5a4db0c5-0000-4000-8000-{:012}"
    payment_ids = "pr-5a4db0c5-0000-4000-8000-{:012}"
    # Most begin as PENDING, of which no webhook tells.
    lives = {"settles": ("SUCCEEDED",), "fails": ("FAILED",)}
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
        "updated_at",
    }
    currency = "IDR"

    @hookimpl
    def check_call(self, call: Call) -> None:
        key = base64.b64encode(f"{self.connector.api_key}:".encode()).decode()
        if call.header("Authorization") != f"Basic {key}":
            raise AuthenticationError("the API key is not the sandbox's", status_code=401)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v3", "refunds", refund_id:
                return self.render_refund(_v3_refund(refund_id, call, book))
            case "GET", "refunds", refund_id:
                refund = book.refund(refund_id)
                if _is_v3(refund):
                    raise RefundNotFound("it is a refund of version 3")
                return self.render_refund(refund)
            case "GET", "refunds":
                return _render_list(call.params, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return Response(200, JSON, _encode(_refund(refund)))

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        match error:
            case AuthenticationError():
                return _error(401, "INVALID_API_KEY")
            case RefundNotFound():
                return _error(404, "DATA_NOT_FOUND")
            case RateLimited():
                wait = error.retry_after
                headers = {"Rate-Limit-Reset": f"{wait.total_seconds():.2f}"} if wait else {}
                return _error(429, "RATE_LIMIT_EXCEEDED", headers)
            case ProcessorUnavailable():
                return _error(503, "CHANNEL_UNAVAILABLE")
            case _:
                return _error(400, "API_VALIDATION_ERROR")

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        if word not in EVENTS:
            raise ConnectorError("Xendit sends no webhook for this status")
        business = self.connector.for_user_id or BUSINESS
        envelope = {"event": EVENTS[word], "business_id": business, "created": to_iso(moment.now)}
        body = _encode({**envelope, "data": _refund(refund)})
        headers = {**JSON, "X-Callback-Token": self.connector.callback_token.every()[0]}
        return Event(headers=headers, body=body, received_at=moment.now)


def _is_v3(refund: Refund) -> bool:
    return (refund.connector_transaction_id or "").startswith(V3_PAYMENT)


def _v3_refund(refund_id: str, call: Call, book: Book) -> Refund:
    if call.header("api-version") != V3:
        raise ConnectorError("the header api-version is missing or unknown")
    refund = book.refund(refund_id)
    if not _is_v3(refund):
        raise RefundNotFound("it is a refund of the older API")
    return refund


def _refund(refund: Refund) -> dict[str, Any]:
    facts = {
        **_listed(refund),
        "status": refund.connector_status,
        "reason": refund.refund_reason,
        "payment_method_type": "CARD",
        "payment_id": None,
        "invoice_id": None,
    }
    if not _is_v3(refund):
        return facts
    payment, old_names = facts["payment_request_id"], {"id", "payment_request_id", "invoice_id"}
    shared = {name: value for name, value in facts.items() if name not in old_names}
    return {**shared, "refund_id": refund.connector_refund_id, "payment_id": payment, "business_id": BUSINESS}


def _listed(refund: Refund) -> dict[str, Any]:
    """A refund as it stands in a list: without its status."""
    amount = refund.refund_amount
    return {
        "id": refund.connector_refund_id,
        "payment_request_id": refund.connector_transaction_id,
        "reference_id": refund.merchant_refund_id,
        "amount": _number(amount.decimal) if amount else None,
        "currency": amount.currency if amount else None,
        "channel_code": "CARDS",
        "country": "ID",
        "failure_code": refund.error.code if refund.error else None,
        "refund_fee_amount": None,
        "created": to_iso(refund.created_at) if refund.created_at else None,
        "updated": to_iso(refund.updated_at) if refund.updated_at else None,
        "metadata": None,
    }


def _render_list(params: dict[str, str], book: Book) -> Response:
    listed = book.listed(connector_transaction_id=params.get("payment_request_id") or params.get("invoice_id"))
    refunds = [refund for refund in listed if not _is_v3(refund)]
    ids, after, size = [one.connector_refund_id for one in refunds], params.get("after_id"), int(params["limit"])
    start = ids.index(after) + 1 if after in ids else 0
    shown = [_listed(refund) for refund in refunds[start : start + size]]
    return Response(200, JSON, _encode({"data": shown, "has_more": start + size < len(refunds)}))


def _number(amount: Decimal) -> int | Decimal:
    return int(amount) if amount == amount.to_integral_value() else amount


def _encode(value: object) -> bytes:
    # Amounts are numbers, and a float would lose digits: a Decimal is marked, then stripped of its quotes.
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=lambda amount: f"\0{amount:f}\0")
    return re.sub(r'"\\u0000(.*?)\\u0000"', r"\1", text).encode()


def _error(status_code: int, code: str, headers: dict[str, str] | None = None) -> Response:
    return json_response({"error_code": code, "message": "The request failed"}, status_code, headers)
