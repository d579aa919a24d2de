"""CyberSource's side, for the sandbox: the inverse of the mapping in `refundry_cybersource.connector`."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json, parse_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import decode_base64, encode_base64url, hmac_base64, same, sha256_base64
from refundry.status import FAILED
from refundry.times import to_iso
from refundry.writing import iso_of
from refundry_cybersource.connector import CyberSource


def _error(status_code: int, reason: str, message: str) -> Response:
    body = {"status": "INVALID_REQUEST", "reason": reason, "message": message}
    return json_response(body, status_code, {"v-c-correlation-id": "refundry-sandbox"})


class CyberSourceSandbox(ConnectorSandbox[CyberSource]):
    """CyberSource, as its REST reference describes the answers of Transaction Details and Transaction Search."""

    settings = {
        "merchant_id": "refundry_sandbox",
        "key_id": "5a9d0c1e-0000-4000-8000-5245464e4452",
        "shared_secret": "cmVmdW5kcnkgc2FuZGJveCBzaGFyZWQgc2VjcmV0ISE=",
        "webhook_key": "cmVmdW5kcnkgc2FuZGJveCB3ZWJob29rIGtleSEhISE=",
    }
    refund_ids = "70{:020}"
    payment_ids = "71{:020}"
    lives = {
        "settles": ("PENDING", "TRANSMITTED"),
        "fails": ("PENDING", "DECLINED"),
        "returned": ("TRANSMITTED", "FAILED"),
        "held": ("PENDING_FUNDS",),
        "cancelled": ("PENDING", "VOIDED"),
    }
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "merchant_refund_id", "error"}
    currency = "USD"
    errors = {
        AuthenticationError: json_response({"response": {"rmsg": "Authentication Failed"}}, 401),
        RefundNotFound: _error(404, "NOT_FOUND", "The requested resource does not exist"),
        RateLimited: _error(429, "TOO_MANY_REQUESTS", "Too many requests"),
        ProcessorUnavailable: _error(502, "SYSTEM_ERROR", "Error - General system failure."),
        RefundryError: _error(400, "INVALID_DATA", "One or more fields in the request contains invalid data"),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        scheme, _, token = call.header("Authorization").partition(" ")
        try:
            genuine = scheme == "Bearer" and self._is_genuine(token, call, book)
        except (RefundryError, ValueError, LookupError, TypeError):
            genuine = False
        if not genuine:
            raise AuthenticationError("Authentication Failed", status_code=401)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "tss", "v2", "transactions", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "POST", "tss", "v2", "searches":
                return _render_search(call.json(), book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_transaction(refund, "submitTimeUTC"))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        sent = int(moment.now.timestamp() * 1000)
        envelope = {
            "notificationId": moment.nonce,
            "eventType": "payments.payments.updated",
            "productId": "alternativePaymentMethods",
            "organizationId": self.connector.merchant_id,
            "eventDate": to_iso(moment.now),
            "payload": {
                "id": refund.connector_refund_id,
                "reconciliationId": refund.connector_transaction_id,
                "status": refund.connector_status,
            },
        }
        body = encode_json(envelope)
        keys = self.connector.webhook_key
        key_id, key = next(iter((keys.by_id or {"sandbox-key": keys.unnamed[0]}).items()))
        signature = hmac_base64(decode_base64(key, "webhook_key"), f"{sent}.".encode() + body)
        return json_event(body, moment, {"v-c-signature": f"t={sent};keyId={key_id};sig={signature}"})

    def _is_genuine(self, token: str, call: Call, book: Book) -> bool:
        head, claims, signature = token.split(".")
        key = decode_base64(self.connector.shared_secret, "shared_secret")
        if not same(signature, encode_base64url(hmac.digest(key, f"{head}.{claims}".encode(), "sha256"))):
            return False
        said = _decoded(claims)
        expected = {
            "request-method": call.method,
            "request-host": urlsplit(call.url).netloc,
            "request-resource-path": call.target,
            "iss": self.connector.merchant_id,
            "v-c-jwt-version": "2",
            "v-c-merchant-id": self.connector.merchant_id,
        }
        if call.body:
            expected |= {"digest": sha256_base64(call.body), "digestAlgorithm": "SHA-256"}
        in_time = said["iat"] - _SKEW.total_seconds() <= book.now.timestamp() < said["exp"]
        return bool(in_time and _decoded(head)["kid"] == self.connector.key_id and expected.items() <= said.items())


_SKEW = timedelta(minutes=5)


def _decoded(part: str) -> Any:
    return parse_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _transaction(refund: Refund, time_name: str) -> dict[str, Any]:
    amount = refund.refund_amount
    return {
        "id": refund.connector_refund_id,
        "rootId": refund.connector_transaction_id,
        time_name: iso_of(refund.created_at),
        "applicationInformation": _outcome(refund),
        "clientReferenceInformation": {"code": refund.merchant_refund_id} if refund.merchant_refund_id else {},
        "orderInformation": {
            "amountDetails": {"totalAmount": f"{amount.decimal:f}", "currency": amount.currency} if amount else {}
        },
        **({"errorInformation": {"reason": refund.error.code}} if refund.error else {}),
    }


def _outcome(refund: Refund) -> dict[str, Any]:
    field, _, value = (refund.connector_status or "").partition("=")
    if field == "rCode":
        return {"applications": [{"name": "ics_credit", "rCode": value}]}
    if field == "reasonCode":
        return {"reasonCode": int(value), "applications": [{"name": "ics_credit", "reasonCode": value}]}
    if refund.status is FAILED:
        return {"status": refund.connector_status, "applications": [{"name": "ics_credit", "rCode": "0"}]}
    service = {"name": "ics_credit", "reasonCode": "100", "rCode": "1", "rFlag": "SOK"}
    return {"status": refund.connector_status, "reasonCode": 100, "applications": [service]}


def _render_search(search: Mapping[str, Any], book: Book) -> Response:
    since, until = (
        datetime.fromtimestamp(int(text) / 1000, UTC)
        for text in re.findall(r"submitTimeUtc:\[(\d+) TO (\d+)\}", search["query"])[0]
    )
    refunds = sorted(book.listed(since=since, until=until), key=lambda one: one.connector_refund_id or "")
    offset = search["offset"]
    shown = [_transaction(refund, "submitTimeUtc") for refund in refunds[offset : offset + search["limit"]]]
    facts = {**search, "totalCount": len(refunds), "count": len(shown)}
    return json_response({**facts, **({"_embedded": {"transactionSummaries": shown}} if shown else {})}, 201)
