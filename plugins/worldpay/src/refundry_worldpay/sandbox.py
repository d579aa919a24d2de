"""Worldpay's side, for the sandbox: the inverse of the mapping in `refundry_worldpay.connector`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import attrs

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.signing import hmac_hex
from refundry.status import FAILED
from refundry.times import to_iso
from refundry.writing import currency_of, iso_of, minor_of
from refundry_worldpay.connector import MEDIA_TYPE, PAYMENTS, REFUND_EVENTS, Worldpay
from refundry_worldpay.payments import REQUESTED


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
                refunds = book.of_payment(payment_id)
                return _payment([attrs.evolve(one, created_at=one.created_at or book.now) for one in refunds])
            case "GET", "paymentQueries", "payments":
                return _render_list(call, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _payment([refund])

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        told = word if word in REFUND_EVENTS else "refundFailed" if refund.status is FAILED else "sentForRefund"
        details: dict[str, Any] = {
            "classification": "payment",
            "downstreamReference": "2000000001",
            "transactionReference": refund.connector_transaction_id,
            "type": told,
            "date": to_iso(refund.created_at or moment.now)[:10],
            "amount": {"value": minor_of(refund), "currencyCode": currency_of(refund)},
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
        headers = {"Event-Signature": f"{key_id}/SHA256/{hmac_hex(bytes.fromhex(secret), body)}"}
        return json_event(body, moment, headers)


def _payment(refunds: list[Refund]) -> Response:
    events = [event for refund in refunds for event in _events(refund)]
    return _answer({**_summary(refunds[-1]), "lastEvent": events[-1]["eventName"], "events": events})


def _summary(refund: Refund) -> dict[str, Any]:
    payment_id = refund.connector_transaction_id
    return {
        "timestamp": iso_of(refund.created_at),
        "paymentId": payment_id,
        "transactionReference": payment_id,  # the sandbox's merchant has no other
        "transactionType": "oneTime",
        "entity": "default",
        "value": _value(refund),
    }


def _value(refund: Refund) -> dict[str, Any] | None:
    return {"currency": currency_of(refund), "amount": minor_of(refund)} if refund.refund_amount else None


def _events(refund: Refund) -> list[dict[str, Any]]:
    time = iso_of(refund.created_at)
    request = {
        "eventName": REQUESTED,
        "timestamp": time,
        "type": "partialRefund",
        "refundReference": refund.merchant_refund_id,
        "value": _value(refund),
        "commandId": refund.connector_refund_id,
    }
    word = refund.connector_status
    if word == REQUESTED:
        return [request]
    told = "refundRequestSubmitted" if word in REFUND_EVENTS else word
    return [request, {"eventName": told, "timestamp": time, "commandId": refund.connector_refund_id}]


def _render_list(call: Call, book: Book) -> Response:
    reference = call.params.get("transactionReference")
    since, until = call.time("startDate"), call.time("endDate")
    refunds = book.listed(since=since, until=until, connector_transaction_id=reference)
    payments = list({refund.connector_transaction_id: refund for refund in refunds}.values())
    ids, after = [payment.connector_transaction_id for payment in payments], call.params.get("paymentId")
    skip = ids.index(after) + 1 if after in ids else 0
    shown, more = part(payments, call.params.get("pageSize", 10), skip=skip)
    links = {"self": {"href": f"{PAYMENTS}?{urlencode(call.params)}"}}
    if more:
        following = {**call.params, "paymentId": shown[-1].connector_transaction_id}
        links["next"] = {"href": f"{PAYMENTS}?{urlencode(following)}"}
    return _answer({"_links": links, "_embedded": {"payments": [_summary(payment) for payment in shown]}})


def _answer(value: object) -> Response:
    return json_response(value, headers={"Content-Type": MEDIA_TYPE})
