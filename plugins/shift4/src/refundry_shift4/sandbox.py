"""Shift4's side, for the sandbox: the inverse of the mapping in `refundry_shift4.connector`."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry_shift4.connector import Shift4


class Shift4Sandbox(ConnectorSandbox[Shift4]):
    """Shift4, as dev.shift4.com/docs/api describes its answers."""

    settings = {"api_key": "pr_test_RefundrySandboxMadeUp"}
    lives = {"settles": ("pending", "successful"), "fails": ("pending", "failed")}
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "merchant_refund_id", "refund_reason"}
    refund_ids = "re_sandbox{:05}"
    payment_ids = "char_sandbox{:05}"

    @hookimpl
    def check_call(self, call: Call) -> None:
        expected = base64.b64encode(f"{self.connector.api_key}:".encode()).decode()
        if call.header("Authorization") != f"Basic {expected}":
            raise AuthenticationError("the key is not the sandbox's", status_code=401)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "refunds":
                return self._render_list(call.params, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(self._refund(refund))

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        match error:
            case AuthenticationError():
                return _error(401, "invalid_request", "Provided API key is invalid")
            case RefundNotFound():
                return _error(404, "invalid_request", "Requested Refund does not exist")
            case RateLimited():
                return _error(429, "rate_limit_error", "Too many requests")
            case ProcessorUnavailable():
                return _error(503, "gateway_error", "The gateway could not answer")
            case _:
                return _error(400, "invalid_request", "The request is not valid")

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        envelope = {
            "id": f"event_{moment.nonce.replace('-', '')}",
            "created": int(moment.now.timestamp()),
            "objectType": "event",
            "type": "REFUND_UPDATED",
            "data": self._refund(refund),
        }
        headers = {"Content-Type": "application/json"}
        return Event(headers=headers, body=encode_json(envelope), received_at=moment.now)

    def _refund(self, refund: Refund) -> dict[str, Any]:
        amount, own_id = refund.refund_amount, refund.merchant_refund_id
        return {
            "id": refund.connector_refund_id,
            "created": int(refund.created_at.timestamp()) if refund.created_at else None,
            "objectType": "refund",
            "amount": to_minor(amount) if amount else None,
            "currency": amount.currency if amount else None,
            "charge": refund.connector_transaction_id,
            "reason": refund.refund_reason,
            "status": refund.connector_status,
            "metadata": {self.connector.metadata_key: own_id} if own_id else {},
        }

    def _render_list(self, params: dict[str, str], book: Book) -> Response:
        since, until = params.get("created[gte]"), params.get("created[lt]")
        refunds = book.listed(
            since=datetime.fromtimestamp(int(since), UTC) if since else None,
            until=datetime.fromtimestamp(int(until), UTC) if until else None,
            connector_transaction_id=params.get("chargeId"),
        )
        after, size = params.get("startingAfterId"), int(params.get("limit", "10"))
        ids = [refund.connector_refund_id for refund in refunds]
        start = ids.index(after) + 1 if after in ids else 0
        shown = [self._refund(refund) for refund in refunds[start : start + size]]
        return json_response({"list": shown, "hasMore": start + size < len(refunds)})


def _error(status_code: int, kind: str, message: str) -> Response:
    return json_response({"error": {"type": kind, "message": message}}, status_code)
