"""Rapyd's side, for the sandbox: the inverse of the mapping in `refundry_rapyd.connector`."""

from __future__ import annotations

import base64
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import currency_of, decimal_of, unix_of
from refundry_rapyd.connector import NEWER, OLDER, Rapyd

KINDS = {
    "Completed": "REFUND_COMPLETED",
    "Error": "PAYMENT_REFUND_FAILED",
    "Rejected": "PAYMENT_REFUND_REJECTED",
}


def _error(status_code: int, code: str, message: str) -> Response:
    return json_response({"status": _status(code, "ERROR", message)}, status_code)


def _status(code: str, word: str, message: str) -> dict[str, str]:
    return {
        "error_code": code,
        "status": word,
        "message": message,
        "response_code": code,
        "operation_id": "00000000-0000-4000-8000-000000000007",
    }


class RapydSandbox(ConnectorSandbox[Rapyd]):
    """Rapyd, as docs.rapyd.net describes its answers and webhooks."""

    settings = {
        "access_key": "REFUNDRYSANDBOXKEY01",
        "secret_key": "refundrysandboxsecretrefundrysandboxsecret",
        "webhook_url": "https://shop.example.com/webhooks/rapyd",
    }
    refund_ids = "refund_refundrysandbox{:018}"
    payment_ids = "payment_refundrysandbox{:018}"
    lives = {
        "settles": ("Pending", "Completed"),
        "fails": ("Pending", "Rejected"),
        "cancelled": ("Pending", "Canceled"),
        "returned": ("Completed", "Canceled"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
        "updated_at",
    }
    errors = {
        AuthenticationError: _error(401, "UNAUTHENTICATED_API_CALL", "Invalid signature"),
        RefundNotFound: _error(400, "ERROR_GET_REFUND", "The refund was not found"),
        RateLimited: _error(429, "TOO_MANY_REQUESTS", "Too many requests"),
        ProcessorUnavailable: _error(500, "ERROR_PROCESSING_REQUEST", "The request could not be processed"),
        RefundryError: _error(400, "INVALID_FIELDS", "The request is not valid"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        head = f"{call.method.lower()}{call.target}{call.header('salt')}{call.header('timestamp')}"
        # Web servers may drop a header with an underscore in its name; the signature covers its value as well.
        key = call.header("access_key") or self.connector.access_key
        if key != self.connector.access_key or call.header("signature") != self._sign(head, call.body):
            raise AuthenticationError("the signature is not the sandbox's")

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
        return _success(_refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        seconds = int(moment.now.timestamp())
        facts = {
            "id": f"wh_{moment.nonce.replace('-', '')}",
            "type": KINDS.get(refund.connector_status or "", "PAYMENT_REFUND_UPDATED"),
            "data": _refund(refund),
            "status": "NEW",
            "created_at": seconds,
            "extended_timestamp": seconds * 1000,
        }
        body, salt, address = encode_json(facts), moment.nonce[:8], self.connector.webhook_url
        signature = self._sign(f"{address}{salt}{seconds}", body)
        headers = {"salt": salt, "timestamp": str(seconds), "signature": signature}
        return json_event(body, moment, headers, url=address)

    def _sign(self, head: str, body: bytes) -> str:
        key = self.connector.secret_key
        text = f"{head}{self.connector.access_key}{key}".encode() + body
        return base64.b64encode(hmac_hex(key.encode(), text).encode()).decode()


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.connector_refund_id,
        "amount": decimal_of(refund),
        "payment": refund.connector_transaction_id,
        "currency": currency_of(refund),
        "failure_reason": (refund.error.code if refund.error else None) or "",
        "metadata": {},
        "reason": refund.refund_reason or "",
        "status": refund.connector_status,
        "receipt_number": 0,
        "created_at": unix_of(refund.created_at),
        "updated_at": unix_of(refund.updated_at),
        "merchant_reference_id": refund.merchant_refund_id or "",
        "proportional_refund": True,
    }


def _render_list(params: dict[str, str], book: Book) -> Response:
    found = book.listed()
    ids = [refund.connector_refund_id for refund in found]
    if params.get(OLDER) in ids:
        found = found[ids.index(params[OLDER]) + 1 :]
    if params.get(NEWER) in ids:
        found = found[: ids.index(params[NEWER])]
    return _success([_refund(refund) for refund in found[: int(params.get("limit", "10"))]])


def _success(data: object) -> Response:
    return json_response({"status": _status("", "SUCCESS", ""), "data": data})
