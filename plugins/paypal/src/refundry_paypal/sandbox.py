"""PayPal's side, for the sandbox: the inverse of the mapping in `refundry_paypal.connector`."""

from __future__ import annotations

import base64
import zlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Money, Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, part, unknown_call
from refundry.times import to_iso
from refundry.writing import filled, iso_of
from refundry_paypal.connector import CERTIFICATES, REFUND_CODE, PayPal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_TOKEN_LIFETIME = timedelta(hours=9)
_SCOPE = "https://uri.paypal.com/services/payments/refund https://uri.paypal.com/services/reporting/search/read"
_CERTIFICATE = "CERT-00000000-00000000-refundry"
_LETTERS = {"COMPLETED": "S", "PENDING": "P", "FAILED": "D", "CANCELLED": "D"}
_EVENTS = {"PENDING": "PAYMENT.REFUND.PENDING", "FAILED": "PAYMENT.REFUND.FAILED"}


def _error(status_code: int, name: str, issue: str | None = None) -> Response:
    debug_id = "refundrysandbox"
    details = [{"issue": issue, "description": "As the sandbox of Refundry says it."}] if issue else []
    body = {"name": name, "message": "As the sandbox of Refundry says it.", "debug_id": debug_id, "details": details}
    return json_response(body, status_code, {"Paypal-Debug-Id": debug_id})


class PayPalSandbox(ConnectorSandbox[PayPal]):
    """PayPal, as developer.paypal.com describes its answers and webhooks."""

    settings = {
        "client_id": "AXrefundrysandboxclient",
        "client_secret": "EXrefundrysandboxsecret",
        "webhook_id": "7RE12345FU678901N",
    }
    refund_ids = "1SANDBOX{:09}"
    payment_ids = "2SANDBOX{:09}"
    lives = {"settles": ("PENDING", "COMPLETED"), "fails": ("PENDING", "FAILED"), "cancelled": ("PENDING", "CANCELLED")}
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
        "updated_at",
        "acquirer_reference_number",
    }
    event_words = frozenset({"event:PAYMENT.REFUND.PENDING", "event:PAYMENT.REFUND.FAILED"})
    errors = {
        AuthenticationError: _error(401, "AUTHENTICATION_FAILURE", "INVALID_ACCOUNT_STATUS"),
        RefundNotFound: _error(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"),
        RateLimited: _error(429, "RATE_LIMIT_REACHED"),
        ProcessorUnavailable: _error(500, "INTERNAL_SERVER_ERROR"),
        RefundryError: _error(400, "INVALID_REQUEST", "INVALID_PARAMETER_VALUE"),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        if call.segments != ("v1", "oauth2", "token") and not _path(call).startswith(CERTIFICATES):
            book.check_token(call)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "v1", "oauth2", "token":
                app = basic_credentials(self.connector.client_id, self.connector.client_secret)
                if call.header("Authorization") != app:
                    refusal = {"error": "invalid_client", "error_description": "Client Authentication failed"}
                    return json_response(refusal, 401)
                return book.oauth_token(_TOKEN_LIFETIME, scope=_SCOPE)
            case "GET", "v2", "payments", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "v1", "reporting", "transactions":
                return _render_list(call, book)
            case "GET", *_ if _path(call) == CERTIFICATES + _CERTIFICATE:
                return Response(200, {"Content-Type": "application/x-pem-file"}, _identity()[1])
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(self._refund(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        told = word.removeprefix("event:") if word in self.event_words else _EVENTS.get(word)
        sent = to_iso(moment.now.replace(microsecond=0))
        envelope = {"id": f"WH-{moment.nonce}", "event_version": "1.0", "create_time": sent, "resource_version": "2.0"}
        kind = {"resource_type": "refund", "event_type": told or "PAYMENT.CAPTURE.REFUNDED"}
        body = encode_json({**envelope, **kind, "resource": self._refund(refund)})
        webhook = self.connector.webhook_id.candidates()[0]
        signature = _sign(f"{moment.nonce}|{sent}|{webhook}|{zlib.crc32(body)}".encode())
        headers = {
            "Paypal-Transmission-Id": moment.nonce,
            "Paypal-Transmission-Time": sent,
            "Paypal-Transmission-Sig": base64.b64encode(signature).decode(),
            "Paypal-Cert-Url": (self.public_url or self._host()) + CERTIFICATES + _CERTIFICATE,
            "Paypal-Auth-Algo": "SHA256withRSA",
            "Paypal-Auth-Version": "v2",
        }
        return json_event(body, moment, headers)

    def _host(self) -> str:
        return str(self.connector.base_urls["certificates"][self.connector.environment])

    def _refund(self, refund: Refund) -> dict[str, Any]:
        links = {"self": f"refunds/{refund.connector_refund_id}"}
        if refund.connector_transaction_id:
            links["up"] = f"captures/{quote(refund.connector_transaction_id, safe='')}"
        facts = {
            "id": refund.connector_refund_id,
            "amount": _money(refund.refund_amount) if refund.refund_amount else None,
            "note_to_payer": refund.refund_reason,
            "invoice_id": refund.merchant_refund_id,
            "status": None if refund.connector_status in self.event_words else refund.connector_status,
            "status_details": {"reason": refund.error.code} if refund.error else None,
            "acquirer_reference_number": refund.acquirer_reference_number,
            "payer": {"merchant_id": self.connector.payer_id} if self.connector.payer_id else None,
            "create_time": iso_of(refund.created_at),
            "update_time": iso_of(refund.updated_at),
            "links": [
                {"href": f"{self._host()}/v2/payments/{path}", "rel": relation, "method": "GET"}
                for relation, path in links.items()
            ],
        }
        return filled(facts)


def _path(call: Call) -> str:
    # A certificate is asked for by its whole URL.
    return call.path or urlsplit(call.url).path


def _money(money: Money, sign: str = "") -> dict[str, str]:
    return {"currency_code": money.currency, "value": f"{sign}{money.decimal}"}


def _render_list(call: Call, book: Book) -> Response:
    found = book.listed(since=call.time("start_date"), until=call.time("end_date"))
    refunds = found if call.params["transaction_type"] == REFUND_CODE else []
    number, size = int(call.params["page"]), int(call.params["page_size"])
    shown, _ = part(refunds, size, skip=(number - 1) * size)
    counts = {"page": number, "total_items": len(refunds), "total_pages": -(-len(refunds) // size), "links": []}
    return json_response({"transaction_details": [{"transaction_info": _transaction(one)} for one in shown], **counts})


def _transaction(refund: Refund) -> dict[str, Any]:
    created = iso_of(refund.created_at)
    return {
        "transaction_id": refund.connector_refund_id,
        "paypal_reference_id": refund.connector_transaction_id,
        "paypal_reference_id_type": "TXN",
        "transaction_event_code": REFUND_CODE,
        "transaction_initiation_date": created,
        "transaction_updated_date": created,
        "transaction_amount": _money(refund.refund_amount, "-") if refund.refund_amount else None,
        "transaction_status": _LETTERS.get(refund.connector_status or "", "P"),
        "invoice_id": refund.merchant_refund_id,
    }


@cache
def _identity() -> tuple[RSAPrivateKey, bytes]:
    """A key and its certificate, made once for this process: a key in the repository would look like a leaked one."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    key = generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "webhooks.refundry.paypal.com")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(datetime(2010, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
        .sign(key, SHA256())
    )
    return key, certificate.public_bytes(Encoding.PEM)


def _sign(message: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return _identity()[0].sign(message, PKCS1v15(), SHA256())
