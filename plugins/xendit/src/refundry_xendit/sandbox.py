"""Xendit's side, for the sandbox: the inverse of the mapping in `refundry_xendit.connector`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from refundry.auth import basic_credentials
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
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, no_webhook, part, unknown_call
from refundry.times import to_iso
from refundry.writing import currency_of, iso_of
from refundry_xendit.connector import V3, V3_PAYMENT, Xendit

BUSINESS = "5a4db0c5a4db0c5a4db0c5a4"
EVENTS = {"SUCCEEDED": "refund.succeeded", "FAILED": "refund.failed"}


def _error(status_code: int, code: str) -> Response:
    return json_response({"error_code": code, "message": "The request failed"}, status_code)


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
    errors = {
        AuthenticationError: _error(401, "INVALID_API_KEY"),
        RefundNotFound: _error(404, "DATA_NOT_FOUND"),
        RateLimited: _error(429, "RATE_LIMIT_EXCEEDED"),
        ProcessorUnavailable: _error(503, "CHANNEL_UNAVAILABLE"),
        RefundryError: _error(400, "API_VALIDATION_ERROR"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", basic_credentials(self.connector.api_key, ""))

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
        return json_response(_refund(refund))

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        answer, wait = super().render_error(error), getattr(error, "retry_after", None)
        return attrs.evolve(answer, headers={"Rate-Limit-Reset": f"{wait.total_seconds():.2f}"}) if wait else answer

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        if word not in EVENTS:
            raise no_webhook()
        business = self.connector.for_user_id or BUSINESS
        envelope = {"event": EVENTS[word], "business_id": business, "created": to_iso(moment.now)}
        headers = {"X-Callback-Token": self.connector.callback_token.every()[0]}
        return json_event({**envelope, "data": _refund(refund)}, moment, headers)


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
        "currency": currency_of(refund),
        "channel_code": "CARDS",
        "country": "ID",
        "failure_code": refund.error.code if refund.error else None,
        "refund_fee_amount": None,
        "created": iso_of(refund.created_at),
        "updated": iso_of(refund.updated_at),
        "metadata": None,
    }


def _render_list(params: dict[str, str], book: Book) -> Response:
    listed = book.listed(connector_transaction_id=params.get("payment_request_id") or params.get("invoice_id"))
    refunds = [refund for refund in listed if not _is_v3(refund)]
    shown, more = part(refunds, params["limit"], after=params.get("after_id"))
    return json_response({"data": [_listed(refund) for refund in shown], "has_more": more})


def _number(amount: Decimal) -> int | Decimal:
    return int(amount) if amount == amount.to_integral_value() else amount
