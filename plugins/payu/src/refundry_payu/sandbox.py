"""PayU's side, for the sandbox: the inverse of the mapping in `refundry_payu.connector`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry_payu.connector import BY_PAYMENT, BY_REQUEST, NOTHING_KNOWN, PATH, REFUND_ACTION, PayU


def _action(refund: Refund) -> dict[str, Any]:
    amount = refund.refund_amount
    return {
        "mihpayid": refund.connector_transaction_id,
        "bank_ref_num": None,
        "request_id": refund.connector_refund_id,
        "amt": f"{amount.decimal:f}" if amount else None,
        "mode": "CC",
        "action": REFUND_ACTION,
        "token": refund.merchant_refund_id,
        "status": refund.connector_status,
        "bank_arn": refund.acquirer_reference_number,
        "refund_mode": "Back to Source",
    }


def _render(asked: str, refunds: Sequence[Refund]) -> Response:
    found: object = {refund.connector_refund_id: _action(refund) for refund in refunds} or NOTHING_KNOWN
    count = 1 if refunds else 0
    message = f"{count} out of 1 Transactions Fetched Successfully"
    return json_response({"status": count, "msg": message, "transaction_details": {asked: found}})


class PayUSandbox(ConnectorSandbox[PayU]):
    """PayU India, as docs.payu.in describes its answers."""

    settings = {"key": "RfndrY", "salt": "RefundrySandboxSaltOfThirtyTwo01"}
    refund_ids = "1312{:05}"
    payment_ids = "170255{:05}"
    lives = {
        "settles": ("queued", "in_progress", "success"),
        "fails": ("queued", "failure"),
        "held": ("od_hit",),
    }
    expressible = (ConnectorSandbox.expressible - {"created_at"}) | {
        "connector_transaction_id",
        "merchant_refund_id",
        "acquirer_reference_number",
    }
    currency = "INR"
    errors = {
        AuthenticationError: json_response({"status": 0, "msg": "Invalid Hash."}),
        RefundNotFound: _render("0", []),
        RateLimited: json_response({"message": "Too many requests"}, 429),
        ProcessorUnavailable: json_response({"message": "Service unavailable"}, 503),
        RefundryError: json_response({"status": 0, "msg": "Parameter missing"}),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        form = call.form()
        if (form.get("key"), form.get("hash")) != (self.connector.key, self.connector.hash_of(form)):
            raise AuthenticationError("the hash is not the sandbox's")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        form = call.form()
        if (call.method, call.path, call.params.get("form")) != ("POST", PATH, "2"):
            raise unknown_call()
        asked = form.get("var1", "")
        match form.get("command"), form.get("var2"):
            case command, "payuid" if command == BY_PAYMENT:
                return _render(asked, book.listed(connector_transaction_id=asked))
            case command, None if command == BY_REQUEST:
                return self.render_refund(book.refund(asked))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _render(refund.connector_refund_id or "", [refund])

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        facts = {"key": self.connector.key, "merchantTxnId": "order-1", "remark": None}
        body = encode_json({**_action(refund), **facts})
        return json_event(body, moment)
