"""Checkout.com's side, for the sandbox: the inverse of the mapping in `refundry_checkout.connector`."""

from __future__ import annotations

from typing import Any

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.status import FAILED, PENDING, SUCCEEDED, RefundStatus
from refundry.times import to_iso
from refundry.writing import currency_of, filled, iso_of, minor_of
from refundry_checkout.connector import EXPONENTS, REFUND_EVENTS, Checkout

EVENT_OF: dict[RefundStatus, str] = dict(zip((SUCCEEDED, FAILED, PENDING), REFUND_EVENTS, strict=True))
HEADERS = {"Cko-Request-Id": "refundry-sandbox"}
INVALID = {"request_id": "refundry-sandbox", "error_type": "request_invalid", "error_codes": ["request_body_malformed"]}
CAPTURE = {"id": "act_refundrysandboxcapture2345", "type": "Capture", "amount": 100_000, "approved": True}


class CheckoutSandbox(ConnectorSandbox[Checkout]):
    """Checkout.com, as checkout.com/docs describes a payment's actions."""

    settings = {
        "secret_key": "sk_sbox_refundrysandboxrefundrysan7",
        "client_id": "ack_refundrysandboxrefundrysa7",
        "client_secret": "refundry-sandbox-access-key-secret",
        "prefix": "refundry",
        "webhook_signature_key": "refundry-sandbox-signature-key",
    }
    refund_ids = "act_sandbox{:019}"
    payment_ids = "pay_sandbox{:019}"
    lives = {
        "settles": ("approved=absent", "approved=true"),
        "fails": ("approved=absent", "approved=false"),
    }
    expressible = (ConnectorSandbox.expressible - {"created_at"}) | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "processed_at",
        "acquirer_reference_number",
    }
    event_words = frozenset(REFUND_EVENTS)
    errors = {
        AuthenticationError: Response(401, HEADERS),
        RefundNotFound: Response(404, HEADERS),
        RateLimited: Response(429, HEADERS),
        ProcessorUnavailable: Response(503, HEADERS),
        RefundryError: json_response(INVALID, 422),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        connector = self.connector
        if call.base == "auth":
            expected = basic_credentials(connector.client_id or "", connector.client_secret or "")
            call.check_header("Authorization", expected)
        elif call.header("Authorization") != f"Bearer {connector.secret_key}":
            book.check_token(call)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "connect", "token":
                return book.oauth_token()
            case "GET", "payments", payment:
                return json_response(_payment(payment, book.of_payment(payment)))
            case "GET", "payments", payment, "actions":
                return json_response([*map(_action, book.of_payment(payment)), CAPTURE])
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response([_action(refund)])

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status
        envelope = {
            "id": f"evt_{moment.nonce}",
            "type": word if word in REFUND_EVENTS else EVENT_OF.get(refund.status, word),
            "created_on": to_iso(moment.now),
        }
        data = {
            "id": refund.connector_transaction_id,
            "action_id": refund.connector_refund_id,
            "currency": currency_of(refund),
            **_facts(refund),
        }
        body = encode_json({**envelope, "data": filled(data)})
        key = self.connector.webhook_signature_key.candidates()[0]
        headers = {"Cko-Signature": hmac_hex(key.encode(), body)}
        if self.connector.webhook_authorization:
            headers["Authorization"] = self.connector.webhook_authorization
        return json_event(body, moment, headers)


def _payment(payment: str, refunds: list[Refund]) -> dict[str, Any]:
    currencies = [refund.refund_amount.currency for refund in refunds if refund.refund_amount]
    return {"id": payment, "currency": currencies[0] if currencies else None, "status": "Partially Refunded"}


def _action(refund: Refund) -> dict[str, Any]:
    approved = {SUCCEEDED: True, FAILED: False, PENDING: None}.get(refund.status, refund.connector_status)
    return filled({"id": refund.connector_refund_id, "type": "Refund", "approved": approved, **_facts(refund)})


def _facts(refund: Refund) -> dict[str, Any]:
    arn, error = refund.acquirer_reference_number, refund.error
    succeeded = refund.status is SUCCEEDED
    return {
        "reference": refund.merchant_refund_id,
        "amount": minor_of(refund, EXPONENTS),
        "processed_on": iso_of(refund.processed_at),
        "response_code": "10000" if succeeded else error and error.code,
        "response_summary": "Approved" if succeeded else error and error.message,
        "processing": {"acquirer_reference_number": arn} if arn else None,
    }
