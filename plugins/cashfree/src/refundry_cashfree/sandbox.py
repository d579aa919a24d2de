"""Cashfree's side, for the sandbox: the inverse of the mapping in `refundry_cashfree.connector`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import hmac_base64
from refundry.times import from_iso
from refundry.writing import currency_of, decimal_of
from refundry_cashfree.connector import Cashfree

INDIA = timezone(timedelta(hours=5, minutes=30))


def _error(status_code: int, code: str, kind: str, headers: dict[str, str] | None = None) -> Response:
    body = {"message": "refused by the sandbox", "code": code, "type": kind}
    return json_response(body, status_code, {"x-request-id": "refundry-sandbox", **(headers or {})})


class CashfreeSandbox(ConnectorSandbox[Cashfree]):
    """Cashfree, as cashfree.com/docs/api-reference/payments describes its answers."""

    settings = {"client_id": "TESTrefundrysandbox01", "client_secret": "cfsk_refundry_sandbox_made_up"}
    refund_ids = "71155{:05}"
    payment_ids = "order_sandbox_{}"
    lives = {
        "settles": ("PENDING", "SUCCESS"),
        "fails": ("PENDING", "FAILED"),
        "held": ("ONHOLD",),
        "cancelled": ("ONHOLD", "CANCELLED"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "refund_reason",
        "processed_at",
        "acquirer_reference_number",
    }
    currency = "INR"
    errors = {
        AuthenticationError: _error(401, "request_failed", "authentication_error"),
        RefundNotFound: _error(404, "refund_not_found", "invalid_request_error"),
        RateLimited: _error(429, "request_failed", "rate_limit_error", {"x-ratelimit-retry": "2"}),
        ProcessorUnavailable: _error(502, "bank_processing_failure", "bad_gateway_error"),
        RefundryError: _error(400, "request_invalid", "invalid_request_error"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("x-client-id", self.connector.client_id)
        call.check_header("x-client-secret", self.connector.client_secret)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "orders", order, "refunds", refund_id:
                return self.render_refund(_find(book, order, refund_id))
            case "GET", "orders", order, "refunds":
                return _answer([_refund(refund) for refund in book.listed(connector_transaction_id=order)])
            case "POST", "recon":
                return _render_ledger(call.json(), book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _answer(_refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        facts = _refund(refund)
        # Numbers in events, text in answers.
        ids = {name: _number(facts[name]) for name in ("cf_refund_id", "cf_payment_id")}
        envelope = {"event_time": _time(moment.now), "type": "REFUND_STATUS_WEBHOOK"}
        body = encode_json({"data": {"refund": {**facts, **ids}}, **envelope})
        sent = str(int(moment.now.timestamp() * 1000))
        signature = hmac_base64(self.connector.client_secret.encode(), sent.encode() + body)
        headers = {"x-webhook-signature": signature, "x-webhook-timestamp": sent, "x-webhook-version": "2025-01-01"}
        return json_event(body, moment, headers)


def _find(book: Book, order: str, refund_id: str) -> Refund:
    for refund in book.listed(connector_transaction_id=order):
        if refund.merchant_refund_id == refund_id:
            return refund
    raise RefundNotFound("no such refund of this order in the sandbox")


def _refund(refund: Refund) -> dict[str, Any]:
    error = refund.error
    return {
        "entity": "refund",
        "cf_payment_id": refund.metadata.get("cf_payment_id"),
        "cf_refund_id": refund.connector_refund_id,
        "refund_id": refund.merchant_refund_id,
        "order_id": refund.connector_transaction_id,
        "refund_amount": decimal_of(refund),
        "refund_currency": currency_of(refund),
        "refund_note": refund.refund_reason,
        "refund_status": refund.connector_status,
        "status_description": error.message if error else None,
        "refund_arn": refund.acquirer_reference_number,
        "refund_charge": 0,
        "refund_type": "MERCHANT_INITIATED",
        "refund_mode": "STANDARD",
        "refund_splits": [],
        "metadata": None,
        "created_at": _time(refund.created_at),
        "processed_at": _time(refund.processed_at),
    }


def _render_ledger(asked: dict[str, Any], book: Book) -> Response:
    since, until = (from_iso(asked["filters"][name]) for name in ("start_date", "end_date"))
    start, limit = int(asked["pagination"]["cursor"] or 0), asked["pagination"]["limit"]
    refunds = book.listed(since=since, until=until)
    rows = [_row(refund) for refund in refunds[start : start + limit]]
    following = str(start + limit) if start + limit < len(refunds) else None
    return _answer({"cursor": following, "limit": limit, "data": rows})


def _row(refund: Refund) -> dict[str, Any]:
    facts = _refund(refund)
    same = ("order_id", "refund_id", "refund_arn", "refund_note", "cf_payment_id")
    return {
        "entity": "recon",
        "event_id": refund.connector_refund_id,
        "event_type": "REFUND",
        "sale_type": "DEBIT",
        "event_status": facts["refund_status"],
        "event_amount": facts["refund_amount"],
        "event_currency": facts["refund_currency"],
        "event_time": facts["created_at"],
        "refund_processed_at": facts["processed_at"],
        **{name: facts[name] for name in same},
    }


def _number(text: str | None) -> int | str | None:
    return int(text) if text and re.fullmatch(r"[1-9][0-9]{0,17}", text) else text


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(INDIA).isoformat(timespec="seconds") if moment else None


def _answer(value: object) -> Response:
    return Response(200, {"Content-Type": "application/json", "x-request-id": "refundry-sandbox"}, encode_json(value))
