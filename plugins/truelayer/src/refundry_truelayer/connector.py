"""TrueLayer: facts from docs.truelayer.com on refunds, merchant accounts and webhooks, and from truelayer-signing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from refundry import errors
from refundry.auth import client_credentials_request, read_oauth_token, token_auth
from refundry.certificates import check_es512_signature, decode_base64url, p521_key
from refundry.connector import Connector, Listing, setting
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Request, Response, Token, WireRequest, parse_form, parse_json, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_sent, encode_base64url, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import from_iso, to_iso

KEY_SET = "/.well-known/jwks"
SENT_HEADER = "X-Tl-Webhook-Timestamp"
# An event says by its name how the refund stands.
REFUND_EVENTS = {"refund_executed": "executed", "refund_failed": "failed"}


class TrueLayer(Connector):
    """TrueLayer, by its Payments API v3: payments from account to account, into a merchant account."""

    name = "truelayer"
    title = "TrueLayer"
    documentation = {
        "refunds": "https://docs.truelayer.com/docs/payout-and-refund-statuses",
        "list": "https://docs.truelayer.com/docs/get-your-merchant-account-transactions-or-payment-sources",
        "pages of the list": "https://docs.truelayer.com/docs/enable-pagination-transactions-endpoint",
        "webhooks": "https://docs.truelayer.com/docs/refund-webhook-specifications",
        "signatures": "https://github.com/TrueLayer/truelayer-signing",
    }
    base_urls = {
        "api": {"SANDBOX": "https://api.truelayer-sandbox.com", "PRODUCTION": "https://api.truelayer.com"},
        "auth": {"SANDBOX": "https://auth.truelayer-sandbox.com", "PRODUCTION": "https://auth.truelayer.com"},
        "webhooks": {
            "SANDBOX": "https://webhooks.truelayer-sandbox.com",
            "PRODUCTION": "https://webhooks.truelayer.com",
        },
    }
    statuses = {
        "pending": PENDING,
        "authorized": PENDING,  # given to the payment scheme
        "executed": SUCCEEDED,  # has left the merchant account; becomes "failed" when the bank sends it back
        "failed": FAILED,
    }
    refusals = {
        400: (errors.ConnectorError, "check the identifiers"),
        401: (errors.AuthenticationError, "check client_id, client_secret and the environment"),
        403: (errors.AuthenticationError, "this client may not read this payment or account"),
        404: (errors.RefundNotFound, "no such payment or refund in this environment"),
        409: (errors.ProcessorUnavailable, "something else is being done with it: try again later"),
        429: (errors.RateLimited, "ask less often"),
    }
    identifiers = (frozenset({"connector_refund_id", "connector_transaction_id"}),)
    listing = Listing(basis="settled", by_payment=True, max_days=31, complete=False)
    request_id_header = "Tl-Trace-Id"
    # Webhooks are repeated for up to 3 days, and whether each attempt has a time of its own is not documented.
    event_tolerance = timedelta(days=4)

    client_id: str = setting(help="Client ID (Console, App settings)")
    client_secret: str = setting(secret=True, help="Client secret of the application")
    merchant_account_id: str | None = setting(
        default=None, needed_for={"list"}, help="Merchant account ID, whose refunds are listed by time"
    )
    webhook_url: str = setting(needed_for={"webhook"}, help="The webhook URI exactly as registered (Console, Webhooks)")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return _get("v3", "payments", query.connector_transaction_id, "refunds", query.connector_refund_id)

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        return self._refund(response.json(), query.connector_transaction_id)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            return _get("v3", "payments", window.connector_transaction_id, "refunds")
        if not self.merchant_account_id:
            raise errors.ConfigurationError("the setting merchant_account_id is missing: a list by time needs it")
        params = {"from": to_iso(window.since), "to": to_iso(window.until), "cursor": cursor}
        path = url_path("v3", "merchant-accounts", self.merchant_account_id, "transactions")
        # Clients from before December 2023 get pages of transactions only if they ask for them.
        return Request("GET", path, params=params, headers={"tl-enable-pagination": "true"}, auth=token_auth)

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        fields, payment = Fields(response.json()), window.connector_transaction_id
        items = fields.required_items("items")
        if payment:
            return page(items, lambda item: self._refund(item, payment))
        # A transaction says how the merchant account stands, not whether the bank sent the refund back.
        return page(items, _named_refund, cursor=fields.at("pagination").text("next_cursor"))

    @hookimpl
    def fetch_token(self) -> Request | None:
        if not (self.client_id and self.client_secret):
            return None  # a client that only receives webhooks
        return client_credentials_request("/connect/token", self._add_credentials, base="auth", scope="payments")

    @hookimpl
    def map_token(self, response: Response) -> Token:
        return read_oauth_token(response)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code not in self.refusals:
            return None
        fields = Fields(response.json())
        code = (fields.text("type") or "").rpartition("#")[2] or fields.text("title")
        return self.refusal(response.status_code, code=code, request_id=fields.text("trace_id")) if code else None

    @hookimpl
    def verify_event(self, event: Event, response: Response | None) -> bool | Request:
        head, header, signature = _read_signature(event)
        # Anyone may have a sandbox of TrueLayer's, whose keys must not do for production.
        if header.get("jku") != f"{self.base_urls['webhooks'][self.environment]}{KEY_SET}":
            raise errors.SignatureError("its keys are not TrueLayer's in this environment: the event may be forged")
        # The names are covered in this order and spelling.
        covered = [name.strip() for name in str(header.get("tl_headers") or "").split(",")]
        if SENT_HEADER.lower() not in [name.lower() for name in covered]:
            raise errors.SignatureError("the signature covers no time, so the event may be a replay")
        check_sent(event, required_header(event, SENT_HEADER), self.event_tolerance, read=from_iso)
        if response is None:
            return Request("GET", KEY_SET, base="webhooks")
        told = "".join(f"{name}: {required_header(event, name)}\n" for name in covered)
        path = urlsplit(self.webhook_url).path or "/"
        # TrueLayer's own libraries accept a slash more or less at the end.
        paths = (path, path.removesuffix("/") if path.endswith("/") else f"{path}/")
        payloads = [f"{event.method} {one}\n{told}".encode(errors="replace") + event.body for one in paths]
        messages = [f"{head}.{encode_base64url(payload)}".encode() for payload in payloads]
        check_es512_signature(p521_key(response.body, str(header.get("kid"))), signature, messages)
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind = fields.word("type") or ""
        if kind not in REFUND_EVENTS:
            return []
        # It is the refund's outcome alone, without the amount, and with other names for the id and the status.
        body = {**fields.value, "id": fields.required("refund_id"), "status": REFUND_EVENTS[kind]}
        refund = self._refund(body, fields.required("payment_id"))
        return [RefundEvent(refund=refund, event_id=fields.text("event_id"))]

    def _add_credentials(self, request: WireRequest, moment: Moment) -> WireRequest:
        fields = parse_form(request.body or b"")
        return request.with_form({**fields, "client_id": self.client_id, "client_secret": self.client_secret})

    def _refund(self, body: object, payment: str | None) -> Refund:
        fields = Fields(body)
        return self.refund(
            fields,
            fields.word("status"),
            failure=ErrorInfo.of(code=fields.text("failure_reason")),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=payment,
            refund_amount=fields.minor_money("amount_in_minor", currency=fields.text("currency")),
            created_at=fields.iso_time("created_at"),
            processed_at=fields.iso_time("executed_at"),
            updated_at=fields.iso_time("failed_at"),
        )


def _get(*segments: str | None) -> Request:
    return Request("GET", url_path(*segments), auth=token_auth)


def _named_refund(item: object) -> RefundQuery | None:
    fields = Fields(item)
    if fields.required("type") != "refund":
        return None
    refund_id, payment = fields.required("refund_id"), fields.required("payment_id")
    return RefundQuery(connector_refund_id=refund_id, connector_transaction_id=payment)


def _read_signature(event: Event) -> tuple[str, Mapping[str, Any], bytes]:
    # A JWS that leaves its payload out (RFC 7515, appendix F): its header as received, the same read, the signature.
    head, between, value = (*required_header(event, "Tl-Signature").split("."), "", "")[:3]
    try:
        header = Fields(parse_json(decode_base64url(head))).value
    except errors.MappingError:
        raise errors.SignatureError("the header Tl-Signature is not of the documented form") from None
    if between or (header.get("alg"), header.get("tl_version")) != ("ES512", "2"):
        raise errors.SignatureError("the event is signed in another way than TrueLayer documents")
    return head, header, decode_base64url(value)
