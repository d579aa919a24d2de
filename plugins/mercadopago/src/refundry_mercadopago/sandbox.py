"""Mercado Pago's side, for the sandbox: the inverse of the mapping in `refundry_mercadopago.connector`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_query
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import decimal_of
from refundry_mercadopago.connector import MercadoPago

ZONE = timezone(timedelta(hours=-4))


def _error(
    status_code: int, kind: str, code: str | None, message: str, headers: dict[str, str] | None = None
) -> Response:
    cause = [{"code": code, "description": message, "data": None}] if code else []
    return json_response(
        {"message": message, "error": kind, "status": status_code, "cause": cause}, status_code, headers
    )


class MercadoPagoSandbox(ConnectorSandbox[MercadoPago]):
    """Mercado Pago, as mercadopago/openapi describes its answers."""

    settings = {"access_token": "TEST-refundry-sandbox-access-token", "webhook_secret": "refundry-sandbox-secret"}
    refund_ids = "10{:08}"
    payment_ids = "170{:08}"
    lives = {"settles": ("in_process", "approved"), "fails": ("in_process", "rejected"), "cancelled": ("cancelled",)}
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "refund_reason",
        "acquirer_reference_number",
    }
    currency = "BRL"
    errors = {
        AuthenticationError: _error(401, "unauthorized", "5", "The access token is missing or wrong"),
        RefundNotFound: _error(404, "not_found", "2032", "There is no such refund"),
        RateLimited: _error(429, "too_many_requests", None, "There were too many requests", {"Retry-After": "1"}),
        ProcessorUnavailable: _error(503, "unavailable", None, "The service is not available"),
        RefundryError: _error(400, "bad_request", "1", "The request is not valid"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", f"Bearer {self.connector.access_token}")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v1", "payments", "search":
                return self._render_search(call.params, book)
            case "GET", "v1", "payments", payment:
                return json_response(self._payment(payment, book.of_payment(payment)))
            case "GET", "v1", "payments", payment, "refunds":
                return json_response([self._refund(refund) for refund in book.of_payment(payment)])
            case "GET", "v1", "payments", payment, "refunds", refund_id:
                book.of_payment(payment)
                return self.render_refund(book.refund(refund_id))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(self._refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        payment, sent = refund.connector_transaction_id, int(moment.now.timestamp() * 1000)
        body = {
            "id": int(moment.nonce[-10:], 16),
            "live_mode": False,
            "type": "payment",
            "date_created": _time(moment.now),
            "user_id": 44444,
            "api_version": "v1",
            "action": "payment.updated",
            "data": {"id": payment},
        }
        headers = {"x-request-id": moment.nonce}
        secrets = self.connector.webhook_secret.every()
        if secrets:
            text = f"id:{payment};request-id:{moment.nonce};ts:{sent};"
            headers["x-signature"] = f"ts={sent},v1={hmac_hex(secrets[0].encode(), text.encode())}"
        address = self.connector.webhook_url or "https://merchant.example/webhooks"
        url = f"{address}?{encode_query({'data.id': payment, 'type': 'payment'})}"
        return json_event(body, moment, headers, url=url)

    def _render_search(self, params: dict[str, str], book: Book) -> Response:
        first, last = (datetime.fromisoformat(params[name]) for name in ("begin_date", "end_date"))
        found = book.listed(since=first, until=last)
        payments = list(dict.fromkeys(refund.connector_transaction_id or "" for refund in found))
        offset, limit = int(params["offset"]), int(params["limit"])
        results = [
            self._payment(payment, [refund for refund in found if refund.connector_transaction_id == payment])
            for payment in payments[offset : offset + limit]
        ]
        paging = {"total": len(payments), "limit": limit, "offset": offset}
        return json_response({"paging": paging, "results": results})

    def _payment(self, payment: str, refunds: list[Refund]) -> dict[str, Any]:
        amounts = [refund.refund_amount for refund in refunds if refund.refund_amount]
        return {
            "id": _number(payment),
            "status": "approved",
            "status_detail": "partially_refunded",
            "currency_id": amounts[0].currency if amounts else None,
            "transaction_amount_refunded": sum(amount.decimal for amount in amounts),
            "refunds": [self._refund(refund) for refund in refunds],
        }

    def _refund(self, refund: Refund) -> dict[str, Any]:
        own_id = refund.merchant_refund_id
        return {
            "id": _number(refund.connector_refund_id),
            "payment_id": _number(refund.connector_transaction_id),
            "amount": decimal_of(refund),
            "metadata": {self.connector.metadata_key: own_id} if own_id else {},
            "source": {"id": "44444", "name": "Refundry Sandbox", "type": "collector"},
            "date_created": _time(refund.created_at),
            "unique_sequence_number": refund.acquirer_reference_number,
            "refund_mode": "standard",
            "adjustment_amount": 0,
            "status": refund.connector_status,
            "reason": refund.refund_reason,
            "labels": [],
            "partition_details": [],
        }


def _number(identifier: str | None) -> int | str | None:
    """Mercado Pago's identifiers are whole numbers; others are left as they are."""
    digits = identifier or ""
    return int(digits) if digits.isascii() and digits.isdigit() and str(int(digits)) == digits else identifier


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(ZONE).isoformat(timespec="milliseconds") if moment else None
