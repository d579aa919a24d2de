"""Novalnet's side, for the sandbox: the inverse of the mapping in `refundry_novalnet.connector`."""

from __future__ import annotations

import base64
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.reading import Fields
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.writing import currency_of, filled, minor_of
from refundry_novalnet.connector import Novalnet, checksum

SUCCESS = {"status": "SUCCESS", "status_code": 100, "status_text": "Successful"}


def _failure(code: int, text: str) -> Response:
    return json_response({"result": {"status": "FAILURE", "status_code": code, "status_text": text}})


class NovalnetSandbox(ConnectorSandbox[Novalnet]):
    """Novalnet, as sandboxdeveloper.novalnet.com describes its answers and webhooks."""

    settings = {"payment_access_key": "0f5e1d2c3b4a59687786a5b4c3d2e1f0"}
    refund_ids = "1400000000{:07}"
    payment_ids = "1500000000{:07}"
    lives = {
        "settles": ("PENDING", "CONFIRMED"),
        "fails": ("PENDING", "FAILURE"),
        "held": ("ON_HOLD",),
        "cancelled": ("PENDING", "DEACTIVATED"),
    }
    expressible = ConnectorSandbox.expressible - {"created_at"}
    errors = {
        AuthenticationError: _failure(1007, "Authentication Failed"),
        RefundNotFound: _failure(200010, "Transaction not found for the given reference"),
        RateLimited: Response(429),
        ProcessorUnavailable: Response(503),
        RefundryError: _failure(1005, "API Action not supported"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        key = base64.b64encode(self.connector.payment_access_key.encode()).decode()
        call.check_header("X-NN-Access-Key", key)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "transaction", "details":
                return self.render_refund(book.refund(Fields(call.json()).text("transaction", "tid")))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response({"result": SUCCESS, "transaction": _booking(refund), "custom": {"lang": "EN"}})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        payment = {
            "tid": refund.connector_transaction_id or self.payment_ids.format(1),
            "payment_type": "CREDITCARD",
            "status": refund.connector_status,
            "amount": minor_of(refund),
            "currency": currency_of(refund),
            "refund": _booking(refund),
        }
        covered = (refund.connector_refund_id, "TRANSACTION_REFUND", "SUCCESS", payment["amount"], payment["currency"])
        parts = ["" if part is None else str(part) for part in covered]
        event = {
            "type": "TRANSACTION_REFUND",
            "checksum": checksum(parts, self.connector.payment_access_key),
            "tid": refund.connector_refund_id,
            "parent_tid": payment["tid"],
        }
        body = encode_json({"event": event, "result": SUCCESS, "transaction": payment})
        return json_event(body, moment)


def _booking(refund: Refund) -> dict[str, Any]:
    shape = {
        "tid": refund.connector_refund_id,
        "payment_type": "CREDITCARD_BOOKBACK",
        "status": refund.connector_status,
        "amount": minor_of(refund),
        "currency": currency_of(refund),
        "test_mode": 1,
    }
    return filled(shape)
