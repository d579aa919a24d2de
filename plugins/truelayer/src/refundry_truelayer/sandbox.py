"""TrueLayer's side, for the sandbox: the inverse of the mapping in `refundry_truelayer.connector`."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, no_webhook, part, unknown_call
from refundry.signing import encode_base64url
from refundry.times import from_iso, to_iso
from refundry.writing import currency_of, filled, iso_of, minor_of
from refundry_truelayer.connector import KEY_SET, REFUND_EVENTS, SENT_HEADER, TrueLayer

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KEY_ID = "00000000-0000-4000-8000-000000000007"
PAGE_SIZE = 10
EVENT_OF = {word: kind for kind, word in REFUND_EVENTS.items()}


def _error(status_code: int, title: str) -> Response:
    facts = {
        "type": f"https://docs.truelayer.com/docs/error-types#{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status_code,
        "trace_id": "refundrysandbox7",
    }
    return json_response(facts, status_code, {"Content-Type": "application/problem+json"})


class TrueLayerSandbox(ConnectorSandbox[TrueLayer]):
    """TrueLayer, as docs.truelayer.com describes its answers and webhooks."""

    settings = {
        "client_id": "sandbox-refundry-000007",
        "client_secret": "refundry-sandbox-client-secret",
        "merchant_account_id": "00000000-0000-4000-8000-0000000000a7",
        "webhook_url": "https://shop.example.com/payments/webhooks/truelayer",
    }
    refund_ids = "00000000-0000-4000-8000-0000r{:07}"
    payment_ids = "00000000-0000-4000-8000-0000p{:07}"
    # The words that webhooks say.
    lives = {"settles": ("executed",), "fails": ("failed",), "returned": ("executed", "failed")}
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "error", "updated_at", "processed_at"}
    currency = "GBP"
    errors = {
        AuthenticationError: _error(401, "Unauthenticated"),
        RefundNotFound: _error(404, "Not Found"),
        RateLimited: _error(429, "Too Many Requests"),
        ProcessorUnavailable: _error(503, "Service Unavailable"),
        RefundryError: _error(400, "Invalid Parameters"),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        if call.base == "api":
            book.check_token(call)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "connect", "token":
                form, own = call.form(), self.connector
                if (form.get("client_id"), form.get("client_secret")) != (own.client_id, own.client_secret):
                    return json_response({"error": "invalid_client"}, 400)
                return book.oauth_token(scope="payments")
            case "GET", ".well-known", "jwks":
                return json_response({"keys": [public_key()]})
            case "GET", "v3", "payments", payment, "refunds", refund_id:
                refund = book.refund(refund_id)
                if refund.connector_transaction_id != payment:
                    raise RefundNotFound("the payment has no such refund in the sandbox")
                return self.render_refund(refund)
            case "GET", "v3", "payments", payment, "refunds":
                found = book.listed(connector_transaction_id=payment)
                return json_response({"items": [_refund(refund) for refund in found]})
            case "GET", "v3", "merchant-accounts", account, "transactions":
                if account != self.connector.merchant_account_id:
                    raise RefundNotFound("no such merchant account in the sandbox")
                return _render_transactions(call.params, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(_refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        if word not in EVENT_OF:
            raise no_webhook()
        facts = {
            "type": EVENT_OF[word],
            "event_version": 1,
            "event_id": moment.nonce,
            "refund_id": refund.connector_refund_id,
            "payment_id": refund.connector_transaction_id,
            **_outcome(refund),
        }
        body, address = encode_json(facts), self.connector.webhook_url
        headers = {SENT_HEADER: to_iso(moment.now), "Content-Type": "application/json"}
        key_set = f"{self.connector.base_urls['webhooks'][self.connector.environment]}{KEY_SET}"
        head = {"alg": "ES512", "kid": KEY_ID, "tl_version": "2", "tl_headers": ",".join(headers), "jku": key_set}
        told = "".join(f"{name}: {value}\n" for name, value in headers.items())
        payload = f"POST {urlsplit(address).path}\n{told}".encode() + body
        headers["Tl-Signature"] = _signature(encode_base64url(encode_json(head)), payload)
        return Event(url=address, headers=headers, body=body, received_at=moment.now)


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.connector_refund_id,
        "amount_in_minor": minor_of(refund),
        "currency": currency_of(refund),
        "reference": "refundry sandbox",
        "status": refund.connector_status,
        "created_at": iso_of(refund.created_at, "microseconds"),
        "metadata": {},
        **_outcome(refund),
    }


def _outcome(refund: Refund) -> dict[str, Any]:
    facts = {
        "executed_at": iso_of(refund.processed_at, "microseconds"),
        "failed_at": iso_of(refund.updated_at, "microseconds"),
        "failure_reason": refund.error.code if refund.error else None,
    }
    return filled(facts)


def _render_transactions(params: dict[str, str], book: Book) -> Response:
    # Both ends count.
    until = from_iso(params["to"]) + timedelta(seconds=1)
    found = book.listed(since=from_iso(params["from"]), until=until)
    start = int(params.get("cursor", "0"))
    shown, more = part(found, PAGE_SIZE, skip=start)
    paging = {"next_cursor": str(start + PAGE_SIZE)} if more else {}
    return json_response({"items": [_transaction(refund) for refund in shown], "pagination": paging})


def _transaction(refund: Refund) -> dict[str, Any]:
    return {
        "type": "refund",
        "id": f"transaction-of-{refund.connector_refund_id}",
        "refund_id": refund.connector_refund_id,
        "payment_id": refund.connector_transaction_id,
        **{name: _refund(refund)[name] for name in ("currency", "amount_in_minor", "created_at")},
        "status": "executed" if refund.connector_status in ("executed", "failed") else "pending",
    }


@cache
def _key() -> EllipticCurvePrivateKey:
    # The key that the sandbox signs webhooks with: anyone may know it.
    from cryptography.hazmat.primitives.asymmetric.ec import SECP521R1, derive_private_key

    return derive_private_key(int.from_bytes(hashlib.sha512(b"refundry sandbox").digest(), "big"), SECP521R1())


def public_key() -> dict[str, str]:
    """The public half of the sandbox's key, as a JSON Web Key (RFC 7517)."""
    numbers = _key().public_key().public_numbers()
    x, y = (encode_base64url(value.to_bytes(66, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "alg": "ES512", "use": "sig", "kid": KEY_ID, "crv": "P-521", "x": x, "y": y}


def _signature(head: str, payload: bytes) -> str:
    # ES512 (RFC 7518, section 3.4), of a JWS that leaves its payload out.
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA512

    signed = _key().sign(f"{head}.{encode_base64url(payload)}".encode(), ECDSA(SHA512()))
    r, s = decode_dss_signature(signed)
    return f"{head}..{encode_base64url(r.to_bytes(66, 'big') + s.to_bytes(66, 'big'))}"
