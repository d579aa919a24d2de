"""Paystack's side, for the sandbox: the inverse of the mapping in `refundry_paystack.connector`."""

from __future__ import annotations

from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import currency_of, iso_of, minor_of
from refundry_paystack.connector import Paystack, hundredths


def _error(status_code: int, kind: str, message: str, **facts: str) -> Response:
    meta = {"nextStep": "Ensure that what is sent is right."}
    return json_response({"status": False, "message": message, "meta": meta, "type": kind, **facts}, status_code)


class PaystackSandbox(ConnectorSandbox[Paystack]):
    """Paystack, as paystack.com/docs/api/refund describes its answers; a payment's reference is its id here."""

    settings = {"secret_key": "sk_test_RefundrySandboxKeyNotARealOne"}
    refund_ids = "61{:05}"
    payment_ids = "4100{:06}"
    lives = {
        "settles": ("pending", "processing", "processed"),
        "fails": ("pending", "processing", "failed"),
        "held": ("pending", "needs-attention", "processing", "processed"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "refund_reason",
        "updated_at",
        "acquirer_reference_number",
    }
    currency = "NGN"
    errors = {
        AuthenticationError: _error(401, "api_error", "Invalid key"),
        RefundNotFound: _error(404, "api_error", "Entity not found"),
        RateLimited: _error(429, "api_error", "Please wait a few minutes and try again."),
        ProcessorUnavailable: _error(503, "api_error", "Internal error"),
        RefundryError: _error(400, "validation_error", "Invalid parameters", code="invalid_params"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", f"Bearer {self.connector.secret_key}")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "refund", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "refund":
                return _render_list(call, book)
            case "GET", "transaction", "verify", reference:
                payment = {"id": _number(reference), "domain": "test", "status": "reversed", "reference": reference}
                return json_response({"status": True, "message": "Verification successful", "data": payment})
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response({"status": True, "message": "Refund retrieved", "data": _refund(refund)})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word, amount = refund.connector_status or "", _amount(refund)
        facts = {
            "status": word,
            "transaction_reference": refund.connector_transaction_id,
            "refund_reference": None if word == "pending" else f"TRF_{refund.connector_refund_id}",
            "amount": str(amount) if word == "processed" else amount,
            "currency": currency_of(refund),
            "processor": "instant-transfer",
            "domain": "test",
            **({"id": refund.connector_refund_id} if word == "needs-attention" else {}),
        }
        body = encode_json({"event": f"refund.{word}", "data": facts})
        signature = hmac_hex(self.connector.secret_key.encode(), body, "sha512")
        return json_event(body, moment, {"X-Paystack-Signature": signature})


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": _number(refund.connector_refund_id),
        "transaction": _number(refund.connector_transaction_id),
        "dispute": None,
        "settlement": None,
        "domain": "test",
        "amount": _amount(refund),
        "currency": currency_of(refund),
        "status": refund.connector_status,
        "refunded_at": iso_of(refund.processed_at, "milliseconds"),
        "customer_note": refund.refund_reason,
        "merchant_note": None,
        "reason": refund.error.message if refund.error else None,
        "bank_reference": refund.acquirer_reference_number,
        "createdAt": iso_of(refund.created_at, "milliseconds"),
        "updatedAt": iso_of(refund.updated_at, "milliseconds"),
    }


def _render_list(call: Call, book: Book) -> Response:
    payment = call.params.get("transaction")
    refunds = book.listed(since=call.time("from"), until=call.time("to"), connector_transaction_id=payment)
    number, size = int(call.params["page"]), int(call.params["perPage"])
    skipped = (number - 1) * size
    shown, _ = part(refunds, size, skip=skipped)
    counts = {"total": len(refunds), "skipped": skipped, "perPage": str(size), "page": number}
    meta = {**counts, "pageCount": -(-len(refunds) // size)}
    data = [_refund(refund) for refund in shown]
    return json_response({"status": True, "message": "Refunds retrieved", "data": data, "meta": meta})


def _amount(refund: Refund) -> int | None:
    return minor_of(refund, hundredths(currency_of(refund)))


def _number(text: str | None) -> int | str | None:
    return int(text) if text and text.isascii() and text.isdigit() and text[0] != "0" else text
