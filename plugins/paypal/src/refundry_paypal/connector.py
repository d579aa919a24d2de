"""PayPal: facts from developer.paypal.com, and from the API specifications that PayPal publishes on GitHub."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import unquote

from refundry import errors
from refundry.auth import basic_auth, client_credentials_request, read_oauth_token, token_auth
from refundry.certificates import check_rsa_signature, checked_certificate
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Params, Request, Response, Token, WireRequest, encode_json, url_path
from refundry.model import ErrorInfo, Money, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.money import from_decimal
from refundry.reading import Fields, page
from refundry.signing import check_sent, decode_base64, encode_base64url, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import from_iso, to_iso

REFUND_CODE = "T1107"  # in Transaction Search: a refund that the merchant made
CERTIFICATES = "/v1/notifications/certs/"

# Each with the status that its name says; None where the name says that there is a refund and not how it stands.
REFUND_EVENTS = {
    "PAYMENT.CAPTURE.REFUNDED": None,
    "PAYMENT.REFUND.PENDING": "event:PAYMENT.REFUND.PENDING",
    "PAYMENT.REFUND.FAILED": "event:PAYMENT.REFUND.FAILED",
    "PAYMENT.REFUND.COMPLETED": None,  # not in PayPal's list of event names, and others have received it
}

_CAPTURE_LINK = re.compile(r"/v2/payments/captures/([^/?#]+)")
_CERTIFICATE_NAME = re.compile(r"[A-Za-z0-9_-]+")
# A sandbox on this machine. The core lets it pass only where it is a base URL of the account.
_LOOPBACK = re.compile(r"http://(localhost|127\.0\.0\.1)(:\d+)?(/[A-Za-z0-9_-]+)*")


class PayPal(Connector):
    """PayPal, by its REST API: wallet, Pay Later, Venmo and cards."""

    name = "paypal"
    title = "PayPal"
    documentation = {
        "refunds": "https://developer.paypal.com/docs/api/payments/v2/#refunds_get",
        "list": "https://developer.paypal.com/docs/api/transaction-search/v1/",
        "webhooks": "https://developer.paypal.com/api/rest/webhooks/rest/",
    }
    base_urls = {
        "api": {"SANDBOX": "https://api-m.sandbox.paypal.com", "PRODUCTION": "https://api-m.paypal.com"},
        "certificates": {"SANDBOX": "https://api.sandbox.paypal.com", "PRODUCTION": "https://api.paypal.com"},
    }
    statuses = {
        "PENDING": PENDING,  # an eCheck pays for it, for example
        "COMPLETED": SUCCEEDED,
        "FAILED": FAILED,
        "CANCELLED": FAILED,  # called off before the payer got anything
        "event:PAYMENT.REFUND.PENDING": PENDING,  # the name of a webhook whose refund has no status
        "event:PAYMENT.REFUND.FAILED": FAILED,
    }
    unmapped = {
        **dict.fromkeys("DPSV", "of a transaction in Transaction Search: its refund is asked for by id"),
        "ECHECK": "a reason for PENDING and for FAILED alike",
        "PAYMENT.CAPTURE.REFUNDED": "says that there is a refund and not how it stands: the refund in it does",
        "PAYMENT.CAPTURE.REVERSED": "PayPal took the payment back: the merchant made no refund",
        "PAYMENT.SALE.REFUNDED": "of the deprecated Payments v1, whose refunds have another shape",
        "PAYMENT.SALE.REVERSED": "of the deprecated Payments v1, and the merchant made no refund",
    }
    # By HTTP status, and 404 by code.
    refusals = {
        **dict.fromkeys((401, 403), (errors.AuthenticationError, "check the app's credentials and permissions")),
        **dict.fromkeys(
            ("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"), (errors.RefundNotFound, "no such id in this account")
        ),
        **dict.fromkeys((400, 422), (errors.ConnectorError, "check the identifiers and the dates")),
    }
    listing = Listing(basis="created", max_days=31, max_page_size=500, complete=False)
    request_id_header = "Paypal-Debug-Id"
    # A delivery is repeated for three days, and whether each attempt has a time of its own is not documented.
    event_tolerance = timedelta(days=4)

    client_id: str = setting(help="Client ID of the REST app")
    client_secret: str = setting(secret=True, help="Secret of the REST app")
    webhook_id: Secrets = signing_secrets(help="Webhook ID of the registered webhook, not the id of an event")
    payer_id: str | None = setting(default=None, help="Merchant ID of the seller, for partners who act for sellers")
    partner_attribution_id: str | None = setting(default=None, help="BN code, for partners")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("v2", "payments", "refunds", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(Fields(response.json()))

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        filters = {
            "start_date": to_iso(window.since),
            "end_date": to_iso(window.until),
            "transaction_type": REFUND_CODE,
            "balance_affecting_records_only": "N",  # a refund that is pending need not have moved any money yet
            "page_size": window.page_size,
            "page": cursor or "1",
        }
        return self._get("/v1/reporting/transactions", filters)

    @hookimpl
    def map_refunds(self, cursor: str | None, response: Response) -> RefundPage:
        fields = Fields(response.json())
        number, last = int(cursor or "1"), fields.get("total_pages")
        if type(last) is not int:
            raise errors.MappingError("total_pages is missing or not a number", field="total_pages")
        items = fields.required_items("transaction_details") if last else []
        return page(items, _named_refund, cursor=str(number + 1) if number < last else None)

    @hookimpl
    def fetch_token(self) -> Request | None:
        if not (self.client_id and self.client_secret):
            return None  # a client that only receives webhooks
        return client_credentials_request("/v1/oauth2/token", basic_auth(self.client_id, self.client_secret))

    @hookimpl
    def map_token(self, response: Response) -> Token:
        return read_oauth_token(response)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code < 400 or response.is_html or not response.body:
            return None
        fields = Fields(response.json())
        code, status = fields.text("name") or fields.text("error"), response.status_code
        return self.refusal(code if status == 404 else status, code=code) if code else None

    @hookimpl
    def verify_event(self, event: Event, response: Response | None) -> bool | Request:
        transmission_id = required_header(event, "Paypal-Transmission-Id")
        sent = required_header(event, "Paypal-Transmission-Time")
        check_sent(event, sent, self.event_tolerance, read=from_iso)
        try:
            signature = decode_base64(required_header(event, "Paypal-Transmission-Sig"), "the signature")
        except ValueError as error:
            raise errors.SignatureError(str(error)) from None
        if required_header(event, "Paypal-Auth-Algo") != "SHA256withRSA":
            raise errors.SignatureError("the event is signed in another way than PayPal documents")
        if response is None:
            return self._certificate_request(required_header(event, "Paypal-Cert-Url"))
        digest = zlib.crc32(event.body)
        signed = [f"{transmission_id}|{sent}|{webhook}|{digest}" for webhook in self.webhook_id.candidates()]
        certificate = checked_certificate(response.body, event.received_at, "paypal.com")
        check_rsa_signature(certificate, signature, [message.encode(errors="replace") for message in signed])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind = fields.word("event_type") or ""
        if kind not in REFUND_EVENTS or fields.text("resource_type") not in (None, "refund"):
            return []
        resource = fields.at("resource")
        refund = self._refund(resource, REFUND_EVENTS[kind])
        merchant = resource.text("payer", "merchant_id")  # the payer of a refund is who received the payment
        foreign = None not in (self.payer_id, merchant) and merchant != self.payer_id
        told = refund if refund.connector_status else None
        event_id, occurred_at = fields.text("id"), fields.iso_time("create_time")
        query = refund.query()
        return [RefundEvent(query=query, refund=told, event_id=event_id, foreign=foreign, occurred_at=occurred_at)]

    def _get(self, path: str, params: Params = ()) -> Request:
        partner = self.partner_attribution_id
        headers = {"PayPal-Partner-Attribution-Id": partner} if partner else {}
        return Request("GET", path, params=params, headers=headers, auth=self._authenticate)

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        request = token_auth(request, moment)
        if not self.payer_id:
            return request
        parts = ({"alg": "none"}, {"iss": self.client_id, "payer_id": self.payer_id})
        encoded = [encode_base64url(encode_json(part)) for part in parts]
        return request.with_headers({"PayPal-Auth-Assertion": ".".join([*encoded, ""])})

    def _certificate_request(self, url: str) -> Request:
        """The request for the certificate. Raises `SignatureError` unless it is one of PayPal's."""
        base, _, name = url.rpartition(CERTIFICATES)
        own = {hosts[self.environment] for hosts in self.base_urls.values()}
        if not _CERTIFICATE_NAME.fullmatch(name) or not (base in own or _LOOPBACK.fullmatch(base)):
            raise errors.SignatureError("the event names a certificate that is not PayPal's: it may be forged")
        return Request("GET", url, base=None, headers={"Accept": "*/*"})

    def _refund(self, fields: Fields, event_word: str | None = None) -> Refund:
        return self.refund(
            fields,
            fields.word("status") or event_word,
            failure=ErrorInfo.of(code=fields.text("status_details", "reason")),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.read(_capture_id, "links"),
            merchant_refund_id=fields.text("invoice_id") or fields.text("custom_id"),
            refund_amount=fields.read(_money, "amount"),
            refund_reason=fields.text("note_to_payer"),
            created_at=fields.iso_time("create_time"),
            updated_at=fields.iso_time("update_time"),
            acquirer_reference_number=fields.text("acquirer_reference_number"),
        )


def _money(amount: object) -> Money:
    match amount:
        case {"value": value, "currency_code": str(currency)}:
            return from_decimal(value, currency)
    raise ValueError("the amount is not a value with a currency")


def _capture_id(links: object) -> str | None:
    """The last part of the link to the capture: its host may be an older one, and no other field has the id."""
    if not isinstance(links, list):
        raise ValueError("the links are not a list")
    for link in links:
        match link:
            case {"rel": "up", "href": str(address)} if found := _CAPTURE_LINK.search(address):
                return unquote(found[1])
    return None


def _named_refund(item: object) -> RefundQuery | None:
    info = Fields(item).at("transaction_info")
    refund_id = info.required("transaction_id")
    if info.text("transaction_event_code") not in (None, REFUND_CODE):
        return None
    return RefundQuery(connector_refund_id=refund_id)
