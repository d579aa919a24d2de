"""Checkout.com's side, for the sandbox: the inverse of the mapping in `refundry_checkout.connector`."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import FAILED, PENDING, SUCCEEDED, Refund
from refundry.money import to_minor
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.times import to_iso
from refundry_checkout.connector import EXPONENTS, REFUND_EVENTS, Checkout

TOKEN_LIFETIME = timedelta(hours=1)
EVENT_OF = dict(zip((SUCCEEDED, FAILED, PENDING), REFUND_EVENTS, strict=True))
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

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        scheme, _, credential = call.header("Authorization").partition(" ")
        if call.base == "auth":
            pair = f"{self.connector.client_id}:{self.connector.client_secret}"
            accepted = (scheme, credential) == ("Basic", b64encode(pair.encode()).decode())
        else:
            accepted = scheme == "Bearer" and (
                credential == self.connector.secret_key or book.accepts_token(credential)
            )
        if not accepted:
            raise AuthenticationError("the credentials are wrong", status_code=401)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "connect", "token":
                token, seconds = book.issue_token(TOKEN_LIFETIME), int(TOKEN_LIFETIME.total_seconds())
                return json_response({"access_token": token, "token_type": "Bearer", "expires_in": seconds})
            case "GET", "payments", payment:
                return json_response(_payment(payment, _refunds_of(payment, book)))
            case "GET", "payments", payment, "actions":
                return json_response([*map(_action, _refunds_of(payment, book)), CAPTURE])
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response([_action(refund)])

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        match error:
            case AuthenticationError():
                return _empty(401)
            case RefundNotFound():
                return _empty(404)
            case RateLimited():
                return _empty(429)
            case ProcessorUnavailable():
                return _empty(503)
            case _:
                body = {"error_type": "request_invalid", "error_codes": ["request_body_malformed"]}
                return json_response({"request_id": "refundry-sandbox", **body}, 422)

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
            "currency": refund.refund_amount.currency if refund.refund_amount else None,
            **_facts(refund),
        }
        body = encode_json({**envelope, "data": _present(data)})
        key = self.connector.webhook_signature_key.candidates()[0]
        headers = {"Content-Type": "application/json", "Cko-Signature": hmac_hex(key.encode(), body)}
        if self.connector.webhook_authorization:
            headers["Authorization"] = self.connector.webhook_authorization
        return Event(headers=headers, body=body, received_at=moment.now)


def _refunds_of(payment: str, book: Book) -> list[Refund]:
    refunds = book.listed(connector_transaction_id=payment)
    if not refunds:
        raise RefundNotFound("no such payment in the sandbox")
    return refunds


def _payment(payment: str, refunds: list[Refund]) -> dict[str, Any]:
    currencies = [refund.refund_amount.currency for refund in refunds if refund.refund_amount]
    return {"id": payment, "currency": currencies[0] if currencies else None, "status": "Partially Refunded"}


def _action(refund: Refund) -> dict[str, Any]:
    approved = {SUCCEEDED: True, FAILED: False, PENDING: None}.get(refund.status, refund.connector_status)
    return _present({"id": refund.connector_refund_id, "type": "Refund", "approved": approved, **_facts(refund)})


def _facts(refund: Refund) -> dict[str, Any]:
    amount, arn, error = refund.refund_amount, refund.acquirer_reference_number, refund.error
    succeeded = refund.status is SUCCEEDED
    return {
        "reference": refund.merchant_refund_id,
        "amount": to_minor(amount, EXPONENTS) if amount else None,
        "processed_on": to_iso(refund.processed_at) if refund.processed_at else None,
        "response_code": "10000" if succeeded else error and error.code,
        "response_summary": "Approved" if succeeded else error and error.message,
        "processing": {"acquirer_reference_number": arn} if arn else None,
    }


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _empty(status_code: int) -> Response:
    return Response(status_code, {"Cko-Request-Id": "refundry-sandbox"})
