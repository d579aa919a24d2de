"""Global Payments' side, for the sandbox: the inverse of the mapping in `refundry_globalpay.connector`."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.writing import iso_of
from refundry_globalpay.connector import APPROVED, GlobalPay

TOKEN_LIFETIME = timedelta(hours=1)
DEAD_TOKEN, WRONG_APP = "NOT_AUTHENTICATED", "ACTION_NOT_AUTHORIZED"


def _error(status_code: int, kind: str, code: str, text: str) -> Response:
    facts = {"error_code": kind, "detailed_error_code": code, "detailed_error_description": text}
    return json_response(facts, status_code)


class GlobalPaySandbox(ConnectorSandbox[GlobalPay]):
    """Global Payments, as its SDKs read its answers."""

    settings = {"app_id": "RefundrySandboxApp", "app_key": "RefundrySandboxAppKey"}
    refund_ids = "TRN_RefundrySandboxRefund{:06}"
    payment_ids = "TRN_RefundrySandboxSale{:06}"
    lives = {
        "settles": ("INITIATED", "CAPTURED", "BATCHED", "FUNDED"),
        "fails": ("INITIATED", "DECLINED"),
        "returned": ("CAPTURED", "REJECTED"),
        "cancelled": ("CAPTURED", "REVERSED"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
        "updated_at",
        "acquirer_reference_number",
    }
    errors = {
        AuthenticationError: _error(401, DEAD_TOKEN, "40001", "The access token is not valid."),
        RefundNotFound: _error(404, "RESOURCE_NOT_FOUND", "40118", "There is no such transaction."),
        RateLimited: _error(429, "TOO_MANY_REQUESTS", "", "There were too many requests."),
        ProcessorUnavailable: _error(503, "SYSTEM_ERROR", "", "The system is not available."),
        RefundryError: _error(400, "INVALID_REQUEST_DATA", "", "The request is not valid."),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        if call.segments == ("accesstoken",):
            given = call.json()
            secret = hashlib.sha512(f"{given.get('nonce')}{self.connector.app_key}".encode()).hexdigest()
            if (given.get("app_id"), given.get("secret")) != (self.connector.app_id, secret):
                raise AuthenticationError("the app is not the sandbox's", code=WRONG_APP)
        else:
            book.check_token(call)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "accesstoken":
                return json_response(_token(book.issue_token(TOKEN_LIFETIME), self.connector.app_id))
            case "GET", *_, "transactions", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", *_, "transactions":
                return _render_list(call.params, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_refund(refund))

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        if error.code == WRONG_APP:
            return _error(403, WRONG_APP, "40004", "The app is not known.")
        return super().render_error(error)

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        body = encode_json(_refund(refund))
        signature = hashlib.sha512(body + self.connector.app_key.encode()).hexdigest()
        return json_event(body, moment, {"X-GP-Signature": signature})


def _refund(refund: Refund) -> dict[str, Any]:
    amount, error = refund.refund_amount, refund.error
    if error and error.code == APPROVED:
        raise ValueError("this code says that the issuer approved")
    if refund.connector_transaction_id == refund.connector_refund_id:
        raise ValueError("a transaction without a payment names itself")
    return {
        "id": refund.connector_refund_id,
        "time_created": iso_of(refund.created_at, "milliseconds") or "",
        "time_last_updated": iso_of(refund.updated_at, "milliseconds") or "",
        "status": refund.connector_status,
        "type": "REFUND",
        "channel": "CNP",
        "amount": str(to_minor(amount)) if amount else "",
        "currency": amount.currency if amount else "",
        "reference": refund.merchant_refund_id or "",
        "description": refund.refund_reason or "",
        "order_reference": "",
        "batch_id": "",
        "country": "",
        "parent_resource_id": refund.connector_transaction_id or refund.connector_refund_id,
        "payment_method": {
            "result": (error.code or "") if error else APPROVED,
            "message": (error.message or "") if error else "SUCCESS",
            "entry_mode": "ECOM",
            "card": {"brand": "VISA", "arn": refund.acquirer_reference_number or ""},
        },
        "action": {"type": "TRANSACTION_SINGLE", "result_code": "SUCCESS"},
    }


def _render_list(params: dict[str, str], book: Book) -> Response:
    first, last = (_midnight(params[name]) for name in ("from_time_created", "to_time_created"))
    refunds = book.listed(since=first, until=last + timedelta(days=1))[::-1]
    number, size = int(params["page"]), int(params["page_size"])
    shown, _ = part(refunds, size, skip=(number - 1) * size)
    items = [_refund(refund) for refund in shown]
    paging = {"page": number, "page_size": size, "order": "ASC", "order_by": "TIME_CREATED"}
    return json_response({"total_record_count": len(refunds), "transactions": items, "paging": paging})


def _token(token: str, app_id: str) -> dict[str, Any]:
    seconds = int(TOKEN_LIFETIME.total_seconds())
    accounts = [{"id": "TRA_RefundrySandbox", "name": "transaction_processing"}]
    facts = {"token": token, "type": "Bearer", "seconds_to_expire": seconds}
    return {**facts, "app_id": app_id, "scope": {"accounts": accounts}}


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
