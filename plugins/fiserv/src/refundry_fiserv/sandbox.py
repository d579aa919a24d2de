"""Fiserv's side, for the sandbox: the inverse of the mapping in `refundry_fiserv.connector`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Response
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_base64
from refundry.times import from_unix
from refundry.writing import filled, iso_of
from refundry_fiserv.connector import Fiserv

CLOCK_TOLERANCE = timedelta(minutes=5)


def _error(status_code: int, kind: str, code: str | None, message: str) -> Response:
    details = {"transactionProcessingDetails": {"apiTraceId": "refundrysandboxtrace"}}
    error = filled({"type": kind, "code": code, "message": message})
    return json_response({"gatewayResponse": details, "error": [error]}, status_code)


class FiservSandbox(ConnectorSandbox[Fiserv]):
    """Fiserv's Commerce Hub, as Fiserv/Commerce-Hub describes its inquiry."""

    settings = {
        "api_key": "RefundrySandboxApiKey",
        "api_secret": "RefundrySandboxApiSecret",
        "merchant_id": "RefundrySandboxMID",
        "terminal_id": "10000001",
    }
    refund_ids = "refundrysandboxrefund{:011}"
    payment_ids = "refundrysandboxcharge{:011}"
    lives = {
        "settles": ("AUTHORIZED", "CAPTURED"),
        "fails": ("AUTHORIZED", "DECLINED"),
        "cancelled": ("CAPTURED", "VOIDED"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "acquirer_reference_number",
    }
    currency = "USD"
    errors = {
        AuthenticationError: _error(401, "APIM", None, "The API key or the signature is not valid."),
        RefundNotFound: _error(400, "GATEWAY", "801", "There is no such transaction."),
        RateLimited: _error(429, "APIM", None, "There were too many requests."),
        ProcessorUnavailable: _error(503, "GATEWAY", None, "The service is not available."),
        RefundryError: _error(404, "APIM", None, "There is no such resource."),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        nonce, sent = call.header("Client-Request-Id"), call.header("Timestamp")
        signed = f"{self.connector.api_key}{nonce}{sent}".encode() + call.body
        signature = hmac_base64(self.connector.api_secret.encode(), signed)
        if (call.header("Api-Key"), call.header("Authorization")) != (self.connector.api_key, signature):
            raise AuthenticationError("the key or the signature is not the sandbox's")
        if abs(from_unix(sent, per_second=1000) - book.now) > CLOCK_TOLERANCE:
            raise AuthenticationError("the clock is wrong")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "payments", "v1", "transaction-inquiry":
                return _inquire(call.json()["referenceTransactionDetails"], book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response([_refund(refund)], 201)


def _inquire(reference: dict[str, str], book: Book) -> Response:
    if "referenceTransactionId" in reference:
        return json_response([_refund(book.refund(reference["referenceTransactionId"]))], 201)
    own_id = reference.get("referenceMerchantTransactionId")
    found = [_refund(refund) for refund in book.listed() if own_id and refund.merchant_refund_id == own_id]
    return json_response(found, 201)


def _refund(refund: Refund) -> dict[str, Any]:
    amount, error = refund.refund_amount, refund.error
    payment = {"referenceTransactionId": refund.connector_transaction_id}
    return {
        "gatewayResponse": {
            "transactionType": "REFUND",
            "transactionState": refund.connector_status,
            "transactionOrigin": "ECOM",
            "transactionProcessingDetails": {
                "transactionTimestamp": iso_of(refund.created_at),
                "apiTraceId": "refundrysandboxtrace",
                "transactionId": refund.connector_refund_id,
            },
            "gatewayTransactionId": "refundrysandboxgateway",
        },
        "paymentReceipt": {
            "approvedAmount": {"total": amount.decimal, "currency": amount.currency} if amount else None,
            "processorResponseDetails": {
                "approvalStatus": "DECLINED" if error else "APPROVED",
                "referenceNumber": refund.acquirer_reference_number,
                "hostResponseCode": error.code if error else "00",
                "hostResponseMessage": error.message if error else "APPROVAL",
            },
        },
        "transactionDetails": {"captureFlag": True, "merchantTransactionId": refund.merchant_refund_id},
        "referenceTransactionDetails": payment if refund.connector_transaction_id else None,
        "error": [{"type": "HOST", "code": error.code, "message": error.message}] if error else None,
    }
