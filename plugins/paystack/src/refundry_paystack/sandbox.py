"""Paystack's side, for the sandbox: the inverse of the mapping in `refundry_paystack.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry_paystack.connector import Paystack, hundredths


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

    @hookimpl
    def check_call(self, call: Call) -> None:
        if call.header("Authorization") != f"Bearer {self.connector.secret_key}":
            raise AuthenticationError("the key is not the sandbox's", status_code=401)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "refund", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "refund":
                return _render_list(call.params, book)
            case "GET", "transaction", "verify", reference:
                payment = {"id": _number(reference), "domain": "test", "status": "reversed", "reference": reference}
                return json_response({"status": True, "message": "Verification successful", "data": payment})
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response({"status": True, "message": "Refund retrieved", "data": _refund(refund)})

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        match error:
            case AuthenticationError():
                return _error(401, "api_error", "Invalid key")
            case RefundNotFound():
                return _error(404, "api_error", "Entity not found")
            case RateLimited():
                return _error(429, "api_error", "Please wait a few minutes and try again.")
            case ProcessorUnavailable():
                return _error(503, "api_error", "Internal error")
            case _:
                return _error(400, "validation_error", "Invalid parameters", code="invalid_params")

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word, amount = refund.connector_status or "", _amount(refund)
        facts = {
            "status": word,
            "transaction_reference": refund.connector_transaction_id,
            "refund_reference": None if word == "pending" else f"TRF_{refund.connector_refund_id}",
            "amount": str(amount) if word == "processed" else amount,
            "currency": refund.refund_amount.currency if refund.refund_amount else None,
            "processor": "instant-transfer",
            "domain": "test",
            **({"id": refund.connector_refund_id} if word == "needs-attention" else {}),
        }
        body = encode_json({"event": f"refund.{word}", "data": facts})
        signature = hmac_hex(self.connector.secret_key.encode(), body, "sha512")
        headers = {"Content-Type": "application/json", "X-Paystack-Signature": signature}
        return Event(headers=headers, body=body, received_at=moment.now)


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": _number(refund.connector_refund_id),
        "transaction": _number(refund.connector_transaction_id),
        "dispute": None,
        "settlement": None,
        "domain": "test",
        "amount": _amount(refund),
        "currency": refund.refund_amount.currency if refund.refund_amount else None,
        "status": refund.connector_status,
        "refunded_at": _time(refund.processed_at),
        "customer_note": refund.refund_reason,
        "merchant_note": None,
        "reason": refund.error.message if refund.error else None,
        "bank_reference": refund.acquirer_reference_number,
        "createdAt": _time(refund.created_at),
        "updatedAt": _time(refund.updated_at),
    }


def _render_list(params: dict[str, str], book: Book) -> Response:
    since, until = params.get("from"), params.get("to")
    refunds = book.listed(
        since=datetime.fromisoformat(since) if since else None,
        until=datetime.fromisoformat(until) if until else None,
        connector_transaction_id=params.get("transaction"),
    )
    number, size = int(params.get("page", "1")), int(params.get("perPage", "50"))
    skipped = (number - 1) * size
    shown = [_refund(refund) for refund in refunds[skipped : skipped + size]]
    counts = {"total": len(refunds), "skipped": skipped, "perPage": str(size), "page": number}
    meta = {**counts, "pageCount": -(-len(refunds) // size)}
    return json_response({"status": True, "message": "Refunds retrieved", "data": shown, "meta": meta})


def _error(status_code: int, kind: str, message: str, **facts: str) -> Response:
    meta = {"nextStep": "Ensure that what is sent is right."}
    return json_response({"status": False, "message": message, "meta": meta, "type": kind, **facts}, status_code)


def _amount(refund: Refund) -> int | None:
    amount = refund.refund_amount
    return to_minor(amount, hundredths(amount.currency)) if amount else None


def _number(text: str | None) -> int | str | None:
    return int(text) if text and text.isascii() and text.isdigit() and text[0] != "0" else text


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment else None
