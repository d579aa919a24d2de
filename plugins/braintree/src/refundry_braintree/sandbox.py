"""Braintree's side, for the sandbox: the inverse of the mapping in `refundry_braintree.connector`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Any

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_query
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, no_webhook, unknown_call
from refundry.signing import hmac_hex
from refundry.times import from_iso, to_iso
from refundry_braintree.connector import Braintree
from refundry_braintree.queries import GET, GLOBAL_ID, LIST, OF_PAYMENT

KINDS = {
    "FAILED": "refund_failed",
    "PROCESSOR_DECLINED": "refund_failed",
    "SETTLED": "transaction_settled",
    "SETTLEMENT_DECLINED": "transaction_settlement_declined",
}


def _error(word: str, message: str) -> Response:
    errors = [{"message": message, "extensions": {"errorClass": word}}]
    return json_response({"data": None, "errors": errors, "extensions": {"requestId": "refundry-sandbox"}})


class BraintreeSandbox(ConnectorSandbox[Braintree]):
    """Braintree, as the schema of its GraphQL API describes its answers."""

    settings = {"public_key": "refundrysandbox7", "private_key": "0123456789abcdef0123456789abcdef"}
    refund_ids = "cmVmdW5kX{:08}"
    payment_ids = "dHJhbnNhY3Rpb25f{:08}"
    # The words that webhooks say.
    lives = {
        "settles": ("SETTLED",),
        "fails": ("PROCESSOR_DECLINED",),
        "returned": ("SETTLED", "SETTLEMENT_DECLINED"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
        "updated_at",
        "processed_at",
    }
    errors = {
        AuthenticationError: _error("AUTHENTICATION", "Authentication failed"),
        RefundNotFound: _error("NOT_FOUND", "An object with this ID was not found"),
        RateLimited: _error("RESOURCE_LIMIT", "Too many requests"),
        ProcessorUnavailable: _error("SERVICE_AVAILABILITY", "The service is not available"),
        RefundryError: _error("VALIDATION", "The request is not valid"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", basic_credentials(self.connector.public_key, self.connector.private_key))

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        if (call.method, call.path) != ("POST", "/graphql"):
            raise unknown_call()
        asked = call.json()
        variables = asked["variables"]
        match asked["query"]:
            case query if query == GET:
                return self.render_refund(book.refund(variables["id"]))
            case query if query == GLOBAL_ID:
                return _data({"idFromLegacyId": _global_id(variables["id"], book)})
            case query if query == OF_PAYMENT:
                found = book.listed(connector_transaction_id=variables["id"])
                return _data({"node": {"refunds": [_node(refund) for refund in found]}})
            case query if query == LIST:
                return _render_list(variables, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _data({"node": _node(refund)})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        if word not in KINDS:
            raise no_webhook()
        facts = {
            "id": legacy_id(refund.connector_refund_id or ""),
            "status": word.lower(),
            "type": "credit",
            "order-id": refund.merchant_refund_id or "",
        }
        subject = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in facts.items())
        told = f"<kind>{KINDS[word]}</kind><timestamp>{to_iso(moment.now)}</timestamp>"
        document = f"<notification>{told}<subject><transaction>{subject}</transaction></subject></notification>"
        payload = base64.encodebytes(document.encode()).decode()
        key = hashlib.sha1(self.connector.private_key.encode()).digest()  # noqa: S324
        signature = f"{self.connector.public_key}|{hmac_hex(key, payload.encode(), 'sha1')}"
        body = encode_query({"bt_signature": signature, "bt_payload": payload}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Event(headers=headers, body=body, received_at=moment.now)


def legacy_id(refund_id: str) -> str:
    """The short id that the sandbox gives a refund beside its own."""
    return hashlib.sha256(refund_id.encode()).hexdigest()[:8]


def _global_id(short: str, book: Book) -> str:
    # As the schema says, it does not look whether there is such a refund.
    return next((one for one in book.refunds if short in (one, legacy_id(one))), f"cmVmdW5kX{short}")


def _node(refund: Refund) -> dict[str, Any]:
    amount, reason = refund.refund_amount, refund.refund_reason
    payment = refund.connector_transaction_id
    return {
        "__typename": "Refund",
        "id": refund.connector_refund_id,
        "createdAt": _time(refund.created_at),
        "amount": {"value": str(amount.decimal), "currencyCode": amount.currency} if amount else None,
        "orderId": refund.merchant_refund_id,
        "status": refund.connector_status,
        "refundedTransaction": {"id": payment} if payment else None,
        "details": {"reason": reason, "description": None} if reason else None,
        "statusHistory": _history(refund),
    }


def _history(refund: Refund) -> list[dict[str, Any]]:
    newest: dict[str, Any] = {"status": refund.connector_status, "timestamp": _time(refund.updated_at)}
    if refund.error:
        newest["processorResponse"] = {"legacyCode": refund.error.code, "message": refund.error.message}
    if not refund.processed_at:
        return [newest]
    return [newest, {"status": "SETTLED", "timestamp": _time(refund.processed_at)}]


def _time(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" if moment else None


def _render_list(variables: Mapping[str, Any], book: Book) -> Response:
    created = variables["input"]["createdAt"]
    since, until = from_iso(created["greaterThanOrEqualTo"]), from_iso(created["lessThanOrEqualTo"])
    start, size = int(variables["after"] or "0"), variables["first"]
    found = book.listed(since=since, until=until)
    edges = [{"node": _node(refund)} for refund in found[start : start + size]]
    paging = {"hasNextPage": start + size < len(found), "endCursor": str(start + size)}
    return _data({"search": {"refunds": {"pageInfo": paging, "edges": edges}}})


def _data(data: dict[str, Any]) -> Response:
    return json_response({"data": data, "extensions": {"requestId": "refundry-sandbox"}})
