"""dLocal's side, for the sandbox: the inverse of the mapping in `refundry_dlocal.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import currency_of, decimal_of, filled
from refundry_dlocal.connector import SCHEME, DLocal

CODES = {"PENDING": 100, "SUCCESS": 200, "REJECTED": 300, "CANCELLED": 400}


def _error(status_code: int, code: int, message: str) -> Response:
    return json_response({"code": code, "message": message}, status_code)


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
    errors = {
        AuthenticationError: _error(403, 3001, "Invalid credentials."),
        RefundNotFound: _error(404, 4001, "Refund not found."),
        RateLimited: _error(429, 6000, "Too many requests."),
        ProcessorUnavailable: _error(500, 7000, "Internal error."),
        RefundryError: _error(400, 5001, "Invalid parameter."),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        connector, date = self.connector, call.header("X-Date")
        if (call.header("X-Login"), call.header("X-Trans-Key")) != (connector.login, connector.trans_key):
            raise AuthenticationError("the keys are not the sandbox's", code="3001")
        call.check_header("Authorization", self._authorization(date, call.body))

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
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        body, date = encode_json(_refund(refund)), _time(moment.now)
        return json_event(body, moment, {"X-Date": date, "Authorization": self._authorization(date, body)})

    def _authorization(self, date: str, body: bytes) -> str:
        signed = f"{self.connector.login}{date}".encode() + body
        return SCHEME + hmac_hex(self.connector.secret_key.encode(), signed)


def _refund(refund: Refund) -> dict[str, Any]:
    error = refund.error
    shape = {
        "id": refund.connector_refund_id,
        "payment_id": refund.connector_transaction_id,
        "order_refund_id": refund.merchant_refund_id,
        "notification_url": "https://shop.example.com/dlocal",
        "amount": decimal_of(refund),
        "currency": currency_of(refund),
        "status": refund.connector_status,
        "status_code": error.code if error else CODES.get(refund.connector_status or ""),
        "status_detail": error.message if error else None,
        "description": refund.refund_reason,
        "created_date": _time(refund.created_at) if refund.created_at else None,
    }
    return filled(shape)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000%z")
