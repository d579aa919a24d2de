"""dLocal's side, for the sandbox: the inverse of the mapping in `refundry_dlocal.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry_dlocal.connector import SCHEME, DLocal

CODES = {"PENDING": 100, "SUCCESS": 200, "REJECTED": 300, "CANCELLED": 400}


class DLocalSandbox(ConnectorSandbox[DLocal]):
    """dLocal, as docs.dlocal.com describes its answers and notifications."""

    settings = {
        "login": "refundrysandboxlogin",
        "trans_key": "RefundrySandboxTransKey",
        "secret_key": "RefundrySandboxSecretKey",
    }
    refund_ids = "REF-sandbox-{:08}"
    payment_ids = "D-sandbox-{:08}"
    lives = {
        "settles": ("PENDING", "SUCCESS"),
        "fails": ("PENDING", "REJECTED"),
        "cancelled": ("PENDING", "CANCELLED"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
    }
    currency = "BRL"

    @hookimpl
    def check_call(self, call: Call) -> None:
        connector, date = self.connector, call.header("X-Date")
        if (call.header("X-Login"), call.header("X-Trans-Key")) != (connector.login, connector.trans_key):
            raise AuthenticationError("the keys are not the sandbox's", code="3001")
        if call.header("Authorization") != self._authorization(date, call.body):
            raise AuthenticationError("the signature does not fit", code="3001")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_refund(refund))

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        match error:
            case AuthenticationError():
                return _error(403, 3001, "Invalid credentials.")
            case RefundNotFound():
                return _error(404, 4001, "Refund not found.")
            case RateLimited():
                return _error(429, 6000, "Too many requests.")
            case ProcessorUnavailable():
                return _error(500, 7000, "Internal error.")
            case _:
                return _error(400, 5001, "Invalid parameter.")

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        body, date = encode_json(_refund(refund)), _time(moment.now)
        headers = {"Content-Type": "application/json", "X-Date": date, "Authorization": self._authorization(date, body)}
        return Event(headers=headers, body=body, received_at=moment.now)

    def _authorization(self, date: str, body: bytes) -> str:
        signed = f"{self.connector.login}{date}".encode() + body
        return SCHEME + hmac_hex(self.connector.secret_key.encode(), signed)


def _refund(refund: Refund) -> dict[str, Any]:
    amount, error = refund.refund_amount, refund.error
    shape = {
        "id": refund.connector_refund_id,
        "payment_id": refund.connector_transaction_id,
        "order_refund_id": refund.merchant_refund_id,
        "notification_url": "https://shop.example.com/dlocal",
        "amount": amount.decimal if amount else None,
        "currency": amount.currency if amount else None,
        "status": refund.connector_status,
        "status_code": error.code if error else CODES.get(refund.connector_status or ""),
        "status_detail": error.message if error else None,
        "description": refund.refund_reason,
        "created_date": _time(refund.created_at) if refund.created_at else None,
    }
    return {name: value for name, value in shape.items() if value is not None}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000%z")


def _error(status_code: int, code: int, message: str) -> Response:
    return json_response({"code": code, "message": message}, status_code)
