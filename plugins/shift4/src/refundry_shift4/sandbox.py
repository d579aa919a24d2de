"""Shift4's side, for the sandbox: the inverse of the mapping in `refundry_shift4.connector`."""

from __future__ import annotations

from typing import Any

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.writing import currency_of, minor_of, unix_of
from refundry_shift4.connector import Shift4


def _error(status_code: int, kind: str, message: str) -> Response:
    return json_response({"error": {"type": kind, "message": message}}, status_code)


class Shift4Sandbox(ConnectorSandbox[Shift4]):
    """Shift4, as dev.shift4.com/docs/api describes its answers."""

    settings = {"api_key": "pr_test_RefundrySandboxMadeUp"}
    refund_ids = "re_sandbox{:05}"
    payment_ids = "char_sandbox{:05}"
    lives = {"settles": ("pending", "successful"), "fails": ("pending", "failed")}
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "merchant_refund_id", "refund_reason"}
    errors = {
        AuthenticationError: _error(401, "invalid_request", "Provided API key is invalid"),
        RefundNotFound: _error(404, "invalid_request", "Requested Refund does not exist"),
        RateLimited: _error(429, "rate_limit_error", "Too many requests"),
        ProcessorUnavailable: _error(503, "gateway_error", "The gateway could not answer"),
        RefundryError: _error(400, "invalid_request", "The request is not valid"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", basic_credentials(self.connector.api_key, ""))

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "refunds":
                return self._render_list(call, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(self._refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        envelope = {
            "id": f"event_{moment.nonce.replace('-', '')}",
            "created": int(moment.now.timestamp()),
            "objectType": "event",
            "type": "REFUND_UPDATED",
            "data": self._refund(refund),
        }
        return json_event(envelope, moment)

    def _refund(self, refund: Refund) -> dict[str, Any]:
        own_id = refund.merchant_refund_id
        return {
            "id": refund.connector_refund_id,
            "created": unix_of(refund.created_at),
            "objectType": "refund",
            "amount": minor_of(refund),
            "currency": currency_of(refund),
            "charge": refund.connector_transaction_id,
            "reason": refund.refund_reason,
            "status": refund.connector_status,
            "metadata": {self.connector.metadata_key: own_id} if own_id else {},
        }

    def _render_list(self, call: Call, book: Book) -> Response:
        refunds = book.listed(
            since=call.time("created[gte]"),
            until=call.time("created[lt]"),
            connector_transaction_id=call.params.get("chargeId"),
        )
        shown, more = part(refunds, call.params["limit"], after=call.params.get("startingAfterId"))
        return json_response({"list": [self._refund(refund) for refund in shown], "hasMore": more})
