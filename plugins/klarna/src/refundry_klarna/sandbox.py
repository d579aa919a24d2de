"""Klarna's side, for the sandbox: the inverse of the mapping in `refundry_klarna.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Response
from refundry.model import Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.times import from_iso, to_iso
from refundry.writing import currency_of, filled, iso_of, minor_of
from refundry_klarna.connector import REFUNDED, Klarna

SALE = {"type": "SALE", "amount": 100_000, "order_id": "5a11d000-0000-4000-8000-000000000000", "purchase_country": "SE"}


def _error(status_code: int, code: str, message: str) -> Response:
    body = {"error_code": code, "error_messages": [message], "correlation_id": "refundry-sandbox"}
    return json_response(body, status_code)


class KlarnaSandbox(ConnectorSandbox[Klarna]):
    """Klarna, as docs.klarna.com describes its orders and settlements."""

    settings = {
        "username": "0f1e2d3c-0000-4000-8000-5a4db0c5a4db",
        "password": "klarna_test_api_refundrysandboxrefundrysandbox",
    }
    refund_ids = "7ef00d00-0000-4000-8000-{:012}"
    payment_ids = "0de70000-0000-4000-8000-{:012}"
    lives = {"settles": (REFUNDED,)}
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "merchant_refund_id", "refund_reason"}
    errors = {
        AuthenticationError: Response(401),
        RefundNotFound: _error(404, "NO_SUCH_ORDER", "The order cannot be found"),
        RateLimited: _error(429, "TOO_MANY_REQUESTS", "Too many requests"),
        ProcessorUnavailable: _error(503, "TEMPORARILY_UNAVAILABLE", "Temporarily unavailable"),
        RefundryError: _error(422, "UNPROCESSABLE_ENTITY", "The request is not valid"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        connector = self.connector
        pair = basic_credentials(connector.username or "", connector.password or "")
        if call.header("Authorization") not in (pair, f"Basic {connector.api_key}" if connector.api_key else pair):
            raise AuthenticationError("the credentials are not the sandbox's", status_code=401)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "ordermanagement", "v1", "orders", order_id:
                return json_response(_order(book.of_payment(order_id)))
            case "GET", "ordermanagement", "v1", "orders", order_id, "refunds", refund_id:
                found = [one for one in book.of_payment(order_id) if one.connector_refund_id == refund_id]
                return json_response(_refund(*found)) if found else _error(404, "NOT_FOUND", "No such refund")
            case "GET", "settlements", "v1", "payouts":
                return _page(call, "payouts", _payouts(call.params, book))
            case "GET", "settlements", "v1", "transactions":
                return _page(call, "transactions", _rows(call.params["payment_reference"], book))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_order([refund]))


def _order(refunds: list[Refund]) -> dict[str, Any]:
    amounts = [refund.refund_amount for refund in refunds if refund.refund_amount]
    total = sum(to_minor(amount) for amount in amounts)
    return {
        "order_id": refunds[0].connector_transaction_id,
        "status": "CAPTURED",
        "order_amount": total,
        "captured_amount": total,
        "refunded_amount": total,
        "remaining_authorized_amount": 0,
        "purchase_currency": amounts[0].currency if amounts else None,
        "captures": [{"capture_id": "ca97d000-0000-4000-8000-000000000000", "captured_amount": total}],
        "refunds": [_refund(refund) for refund in refunds],
    }


def _refund(refund: Refund) -> dict[str, Any]:
    return filled(
        {
            "refund_id": refund.connector_refund_id,
            "reference": refund.merchant_refund_id,
            "refunded_amount": minor_of(refund),
            "refunded_at": iso_of(refund.created_at) if refund.connector_status == REFUNDED else None,
            "description": refund.refund_reason,
            "order_lines": [],
        }
    )


def _paid(refund: Refund, book: Book) -> datetime:
    return refund.created_at or book.now


def _payouts(params: dict[str, str], book: Book) -> list[dict[str, Any]]:
    """One payout a day, made when the last refund of the day is."""
    since, until = from_iso(params["start_date"]), from_iso(params["end_date"])
    by_day: dict[str, dict[str, Any]] = {}
    for moment in sorted(_paid(refund, book) for refund in book.listed()):
        by_day[f"{moment:%Y%m%d}"] = {"payment_reference": f"{moment:%Y%m%d}", "payout_date": to_iso(moment)}
    return [payout for payout in by_day.values() if since <= from_iso(payout["payout_date"]) <= until]


def _rows(payout: str, book: Book) -> list[dict[str, Any]]:
    refunds = [refund for refund in book.listed() if f"{_paid(refund, book):%Y%m%d}" == payout]
    return [{"payment_reference": payout, **row} for row in (*map(_row, refunds), SALE)]


def _row(refund: Refund) -> dict[str, Any]:
    return {
        "type": "RETURN",
        "amount": minor_of(refund),
        "currency_code": currency_of(refund),
        "order_id": refund.connector_transaction_id,
        "refund_id": refund.connector_refund_id,
        "capture_id": "",
        "merchant_refund_reference": refund.merchant_refund_id,
        "purchase_country": "SE",
    }


def _page(call: Call, name: str, items: list[dict[str, Any]]) -> Response:
    size, offset = (int(call.params.get(key, default)) for key, default in (("size", "20"), ("offset", "0")))
    shown = items[offset : offset + size]
    pagination: dict[str, Any] = {"count": len(shown), "total": len(items), "offset": offset}
    if offset + size < len(items):
        pagination["next"] = f"{call.url.partition('?')[0]}?size={size}&offset={offset + size}"
    return json_response({name: shown, "pagination": pagination})
