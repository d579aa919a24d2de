"""TrueLayer's side, for the sandbox: the inverse of the mapping in `refundry_truelayer.connector`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
)
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import encode_base64url
from refundry.times import from_iso, to_iso
from refundry.writing import currency_of, minor_of
from refundry_truelayer.connector import KEY_SET, REFUND_EVENTS, TrueLayer
from refundry_truelayer.sandbox_key import KEY_ID, public_key, sign
from refundry_truelayer.webhooks import SENT_HEADER

PAGE_SIZE = 10
UNKNOWN_CLIENT = "invalid_client"
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
        if call.base == "webhooks":
            return
        if call.base == "auth":
            form, own = call.form(), self.connector
            if (form.get("client_id"), form.get("client_secret")) != (own.client_id, own.client_secret):
                raise AuthenticationError("the client is not the sandbox's", code=UNKNOWN_CLIENT)
        else:
            book.check_token(call)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "connect", "token":
                return book.oauth_token(scope="payments")
            case "GET", ".well-known", "jwks":
                return json_response({"keys": [public_key()]})
            case "GET", "v3", "payments", payment, "refunds", refund_id:
                return self.render_refund(_of_payment(book.refund(refund_id), payment))
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
    def render_error(self, error: RefundryError) -> Response:
        if error.code == UNKNOWN_CLIENT:
            return json_response({"error": UNKNOWN_CLIENT}, 400)
        return super().render_error(error)

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        if word not in EVENT_OF:
            raise ConnectorError("TrueLayer sends no webhook that says this")
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
        head = encode_base64url(
            encode_json(
                {
                    "alg": "ES512",
                    "kid": KEY_ID,
                    "tl_version": "2",
                    "tl_headers": ",".join(headers),
                    "jku": f"{self.connector.base_urls['webhooks'][self.connector.environment]}{KEY_SET}",
                }
            )
        )
        told = "".join(f"{name}: {value}\n" for name, value in headers.items())
        payload = f"POST {urlsplit(address).path}\n{told}".encode() + body
        headers["Tl-Signature"] = f"{head}..{sign(f'{head}.{encode_base64url(payload)}'.encode())}"
        return Event(url=address, headers=headers, body=body, received_at=moment.now)


def _of_payment(refund: Refund, payment: str) -> Refund:
    if refund.connector_transaction_id != payment:
        raise RefundNotFound("the payment has no such refund in the sandbox")
    return refund


def _refund(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.connector_refund_id,
        "amount_in_minor": minor_of(refund),
        "currency": currency_of(refund),
        "reference": "refundry sandbox",
        "status": refund.connector_status,
        "created_at": _time(refund.created_at),
        "metadata": {},
        **_outcome(refund),
    }


def _outcome(refund: Refund) -> dict[str, str]:
    facts = {
        "executed_at": _time(refund.processed_at),
        "failed_at": _time(refund.updated_at),
        "failure_reason": refund.error.code if refund.error else None,
    }
    return {name: value for name, value in facts.items() if value}


def _time(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" if moment else None


def _render_transactions(params: dict[str, str], book: Book) -> Response:
    # Both ends count.
    until = from_iso(params["to"]) + timedelta(seconds=1)
    found = book.listed(since=from_iso(params["from"]), until=until)
    start = int(params.get("cursor", "0"))
    end = start + PAGE_SIZE
    paging = {"next_cursor": str(end)} if end < len(found) else {}
    return json_response({"items": [_transaction(refund) for refund in found[start:end]], "pagination": paging})


def _transaction(refund: Refund) -> dict[str, Any]:
    status = "executed" if refund.connector_status in ("executed", "failed") else "pending"
    return {
        "type": "refund",
        "id": f"transaction-of-{refund.connector_refund_id}",
        "refund_id": refund.connector_refund_id,
        "payment_id": refund.connector_transaction_id,
        **{name: _refund(refund)[name] for name in ("currency", "amount_in_minor", "created_at")},
        "status": status,
    }
