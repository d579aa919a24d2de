"""Worldpay's side, for the sandbox: the inverse of the mapping in `refundry_worldpay.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import attrs

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.status import FAILED
from refundry.times import from_iso, to_iso
from refundry.writing import iso_of
from refundry_worldpay.connector import MEDIA_TYPE, PAYMENTS, REFUND_EVENTS, REQUESTED, Worldpay


def _error(status_code: int, code: str) -> Response:
    return json_response({"errorName": code, "message": "The request was refused."}, status_code)


class WorldpaySandbox(ConnectorSandbox[Worldpay]):
    """Worldpay, as docs.worldpay.com describes its payments and events."""

    settings = {
        "username": "RefundrySandboxUser",
        "password": "RefundrySandboxPassword",
        "event_signature_secret": "5ef00d5ef00d5ef00d5ef00d5ef00d5ef00d5ef00d5ef00d5ef00d5ef00d5ef0",
    }
    refund_ids = "cmdSandbox{:08}"
    payment_ids = "paySandbox{:08}"
    # Queries end where the refund is handed on: webhooks alone say how it ends.
    lives = {"settles": ("refundRequested", "refunded"), "fails": ("refundRequested", "refundFailed")}
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "merchant_refund_id"}
    event_words = frozenset(REFUND_EVENTS)
    currency = "GBP"
    errors = {
        AuthenticationError: _error(401, "accessDenied"),
        RefundNotFound: _error(404, "paymentNotFound"),
        RateLimited: _error(429, "tooManyRequests"),
        ProcessorUnavailable: _error(500, "internalErrorOccurred"),
        RefundryError: _error(400, "bodyDoesNotMatchSchema"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", basic_credentials(self.connector.username, self.connector.password))

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "paymentQueries", "payments", payment_id:
                refunds = book.listed(connector_transaction_id=payment_id)
                return _payment(
                    payment_id, [attrs.evolve(one, created_at=one.created_at or book.now) for one in refunds]
                )
            case "GET", "paymentQueries", "payments":
                return _render_list(call.params, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _payment(refund.connector_transaction_id or "", [refund])

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        told = word if word in REFUND_EVENTS else "refundFailed" if refund.status is FAILED else "sentForRefund"
        amount = refund.refund_amount
        details: dict[str, Any] = {
            "classification": "payment",
            "downstreamReference": "2000000001",
            "transactionReference": refund.connector_transaction_id,
            "type": told,
            "date": to_iso(refund.created_at or moment.now)[:10],
            "amount": {"value": to_minor(amount), "currencyCode": amount.currency} if amount else None,
            "_links": {"payment": {"href": ""}},
        }
        if told != "refunded":
            details["reference"] = refund.merchant_refund_id
        if told == "refundFailed":
            details["refund"] = {"refusal": {"code": "5", "description": "Do not honor"}}
        stamp = moment.now.replace(tzinfo=None).isoformat(timespec="milliseconds")
        body = encode_json({"eventId": moment.nonce, "eventTimestamp": stamp, "eventDetails": details})
        secrets = self.connector.event_signature_secret
        key_id, secret = next(iter((secrets.by_id or {"1": secrets.unnamed[0]}).items()))
        headers = {"Content-Type": "application/json"}
        headers["Event-Signature"] = f"{key_id}/SHA256/{hmac_hex(bytes.fromhex(secret), body)}"
        return Event(headers=headers, body=body, received_at=moment.now)


def _payment(payment_id: str, refunds: list[Refund]) -> Response:
    if not refunds:
        raise RefundNotFound("the payment has no refund in the sandbox")
    events = [event for refund in refunds for event in _events(refund)]
    return _answer({**_summary(payment_id, refunds[-1]), "lastEvent": events[-1]["eventName"], "events": events})


def _summary(payment_id: str, refund: Refund) -> dict[str, Any]:
    amount = refund.refund_amount
    return {
        "timestamp": iso_of(refund.created_at),
        "paymentId": payment_id,
        "transactionReference": payment_id,  # the sandbox's merchant has no other
        "transactionType": "oneTime",
        "entity": "default",
        "value": {"currency": amount.currency, "amount": to_minor(amount)} if amount else None,
    }


def _events(refund: Refund) -> list[dict[str, Any]]:
    amount = refund.refund_amount
    time = iso_of(refund.created_at)
    request = {
        "eventName": REQUESTED,
        "timestamp": time,
        "type": "partialRefund",
        "refundReference": refund.merchant_refund_id,
        "value": {"currency": amount.currency, "amount": to_minor(amount)} if amount else None,
        "commandId": refund.connector_refund_id,
    }
    word = refund.connector_status
    if word == REQUESTED:
        return [request]
    told = "refundRequestSubmitted" if word in REFUND_EVENTS else word
    return [request, {"eventName": told, "timestamp": time, "commandId": refund.connector_refund_id}]


def _render_list(params: dict[str, str], book: Book) -> Response:
    reference, since, until = (params.get(name) for name in ("transactionReference", "startDate", "endDate"))
    refunds = book.listed(since=_time(since), until=_time(until), connector_transaction_id=reference)
    newest_first = {refund.connector_transaction_id or "": refund for refund in refunds}
    ids = list(newest_first)
    size, after = int(params.get("pageSize", "10")), params.get("paymentId")
    start = ids.index(after) + 1 if after in ids else 0
    shown = [_summary(payment_id, newest_first[payment_id]) for payment_id in ids[start : start + size]]
    links = {"self": {"href": f"{PAYMENTS}?{urlencode(params)}"}}
    if start + size < len(ids):
        links["next"] = {"href": f"{PAYMENTS}?{urlencode({**params, 'paymentId': ids[start + size - 1]})}"}
    return _answer({"_links": links, "_embedded": {"payments": shown}})


def _time(text: str | None) -> datetime | None:
    return from_iso(text) if text else None


def _answer(value: object) -> Response:
    return json_response(value, headers={"Content-Type": MEDIA_TYPE})
