"""MultiSafepay's side, for the sandbox: the inverse of the mapping in `refundry_multisafepay.connector`."""

from __future__ import annotations

import base64
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import currency_of, filled, minor_of
from refundry_multisafepay.connector import MultiSafepay


def _error(status_code: int, code: int, text: str) -> Response:
    return json_response({"success": False, "data": {}, "error_code": code, "error_info": text}, status_code)


class MultiSafepaySandbox(ConnectorSandbox[MultiSafepay]):
    """MultiSafepay, as docs.multisafepay.com describes its answers and webhooks."""

    settings = {"api_key": "refundrysandboxwebsitekey000000000000001"}
    refund_ids = "50{:07}"
    payment_ids = "order-{:05}"
    lives = {
        "settles": ("initialized", "reserved", "completed"),
        "fails": ("reserved", "declined"),
        "cancelled": ("reserved", "void"),
        "held": ("uncleared", "completed"),
    }
    expressible = (ConnectorSandbox.expressible - {"created_at"}) | {"connector_transaction_id", "refund_reason"}
    errors = {
        AuthenticationError: json_response({"message": "Forbidden"}, 403),
        RefundNotFound: json_response({"message": "Not found"}, 404),
        RateLimited: json_response({"message": "Too Many Requests"}, 429),
        ProcessorUnavailable: _error(500, 1023, "Gateway is unavailable"),
        RefundryError: _error(400, 1001, "Invalid request"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        connector = self.connector
        if call.header("api_key") not in {connector.api_key, connector.account_api_key or connector.api_key}:
            raise AuthenticationError("the key is not the sandbox's")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "transactions", transaction_id:
                return self.render_refund(book.refund(transaction_id))
            case "GET", "transactions":
                return _render_list(call.params, book)
            case "GET", "orders", order_id:
                refunds = book.listed(connector_transaction_id=order_id)
                if not refunds:
                    return _error(404, 1006, "Invalid transaction ID")
                return json_response({"success": True, "data": _order(order_id, refunds)})
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response({"success": True, "data": _transaction(refund)})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        order_id, sent = refund.connector_transaction_id or "", int(moment.now.timestamp())
        body = encode_json(_order(order_id, [refund]))
        signature = hmac_hex(self.connector.api_key.encode(), f"{sent}:".encode() + body, "sha512")
        headers = {
            "Content-Type": "application/json",
            "Auth": base64.b64encode(f"{sent}:{signature}".encode()).decode(),
        }
        return Event(headers=headers, body=body, received_at=moment.now)


def _transaction(refund: Refund) -> dict[str, Any]:
    return {**_related(refund), "financial_status": refund.connector_status, "debit_credit": "D"}


def _order(order_id: str, refunds: list[Refund]) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "transaction_id": 400000001,
        "status": "completed",
        "financial_status": "completed",
        "reason": "",
        "reason_code": "",
        "related_transactions": [{**_related(refund), "reference_transaction_id": 400000001} for refund in refunds],
    }


def _related(refund: Refund) -> dict[str, Any]:
    facts = {
        "transaction_id": _number(refund.connector_refund_id or ""),
        "order_id": refund.connector_transaction_id,
        "type": "refund",
        "status": refund.connector_status,
        "amount": minor_of(refund),
        "currency": currency_of(refund),
        "description": refund.refund_reason,
    }
    return filled(facts)


def _number(transaction_id: str) -> int | str:
    is_number = transaction_id.isdecimal() and str(int(transaction_id)) == transaction_id
    return int(transaction_id) if is_number else transaction_id


def _render_list(params: dict[str, str], book: Book) -> Response:
    since, until = int(params["created_from"]), int(params["created_until"])
    refunds = [
        refund for refund in book.listed() if not refund.created_at or since <= refund.created_at.timestamp() < until
    ]
    start = int(params.get("after", "0"))
    items = refunds[start : start + int(params.get("limit", "100"))]
    cursor = {"after": str(start + len(items)), "before": None} if items else {"after": None, "before": None}
    data = [_transaction(refund) for refund in items]
    return json_response({"success": True, "data": data, "pager": {"after": None, "before": None, "cursor": cursor}})
