"""Cashfree: facts from cashfree.com/docs (refunds, reconciliation, webhooks) and cashfree/cashfree-pg-sdk-python."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.hookspecs import hookimpl
from refundry.http import Auth, Event, Moment, Request, Response, WireRequest, url_path
from refundry.model import (
    FAILED,
    MANUAL_REVIEW,
    PENDING,
    SUCCEEDED,
    UNKNOWN,
    ErrorInfo,
    Refund,
    RefundEvent,
    RefundPage,
    RefundQuery,
    Window,
)
from refundry.reading import Fields, hint_page, page
from refundry.signing import check_age, check_signature, hmac_base64, required_header
from refundry.times import from_unix, to_iso

# The types of event that are about a refund, and where each has it.
REFUND_EVENTS = {"REFUND_STATUS_WEBHOOK": "refund", "AUTO_REFUND_STATUS_WEBHOOK": "auto_refund"}
REFUND_ROWS = ("REFUND", "REFUND_REVERSAL")

REFUSED_TYPES = ("authentication_error", "feature_not_enabled")
BUSY_TYPES = ("api_error", "api_connection_error", "bad_gateway_error")


class Cashfree(Connector):
    """Cashfree, by its payment gateway API; a payment is known by the merchant's own order id."""

    name = "cashfree"
    title = "Cashfree"
    documentation = {
        "refunds": "https://www.cashfree.com/docs/api-reference/payments/latest/refunds/get",
        "statuses": "https://www.cashfree.com/docs/help/end-customer/refunds",
        "reconciliation": "https://www.cashfree.com/docs/api-reference/payments/latest/settlements/reconcile",
        "webhooks": "https://www.cashfree.com/docs/api-reference/payments/latest/refunds/webhooks",
        "signatures": "https://www.cashfree.com/docs/payments/online/webhooks/signature-verification",
        "rate limits": "https://www.cashfree.com/docs/payments/online/resources/rate-limits",
    }
    base_urls = {"api": {"SANDBOX": "https://sandbox.cashfree.com/pg", "PRODUCTION": "https://api.cashfree.com/pg"}}
    statuses = {
        "PENDING": PENDING,
        "SUCCESS": SUCCEEDED,
        "ONHOLD": MANUAL_REVIEW,  # the balance is too small: it waits for a top-up or for further sales
        "CANCELLED": FAILED,  # by the merchant, or by Cashfree after several attempts
        "FAILED": FAILED,  # in the description of the field, and missing from its list of values
    }
    identifiers = (frozenset({"connector_transaction_id", "merchant_refund_id"}),)
    listing = Listing(basis="settled", by_payment=True, complete=False, max_page_size=1000)
    rate_limit = {"SANDBOX": 0.5, "PRODUCTION": 0.5}  # 30 gets of a refund a minute
    request_id_header = "x-request-id"
    settles_within = timedelta(days=14)  # 10 business days, with two weekends
    event_tolerance = timedelta(minutes=5)

    client_id: str = setting(needed_for={"get", "list"}, help="Client ID (App ID) of the API key")
    client_secret: str = setting(secret=True, help="Client Secret (Secret Key) of the API key; it also signs webhooks")
    webhook_secret: Secrets = signing_secrets(
        default=None, help="Client Secrets of other active API keys, where one of them signs the webhooks"
    )
    api_version: str = setting(default="2025-01-01", needed_for={"get", "list"}, help="API version (a date)")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        order, refund = query.connector_transaction_id or "", query.merchant_refund_id or ""
        return self._request(url_path("orders", order, "refunds", refund))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            return self._request(url_path("orders", window.connector_transaction_id, "refunds"))
        since, until = (to_iso(moment.replace(microsecond=0)) for moment in (window.since, window.until))
        paging = {"limit": window.page_size, "cursor": cursor}
        return self._request("/recon", {"pagination": paging, "filters": {"start_date": since, "end_date": until}})

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        if window.connector_transaction_id:
            return page(Fields({"refunds": response.json()}).required_items("refunds"), self._refund)
        fields = Fields(response.json())
        rows = fields.required_items("data")
        return hint_page(rows, _hint, cursor=fields.word("cursor") if rows else None)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        status = response.status_code
        if status < 400:
            return None
        if status == 429:
            return RateLimited("Cashfree asks for fewer requests", retry_after=_wait(response))
        fields = Fields(response.json())
        kind, code = fields.required("type"), fields.text("code")
        if kind in REFUSED_TYPES:
            advice = "check client_id, client_secret and environment, and that refunds are enabled"
            return AuthenticationError(f"Cashfree refuses this account: {advice}", code=code)
        if kind in BUSY_TYPES:
            return ProcessorUnavailable("Cashfree could not answer: try again later", code=code)
        if status == 404:
            return RefundNotFound("Cashfree does not know this refund of this order", code=code)
        if status in (400, 409, 422):
            return ConnectorError("Cashfree refused the request: check the identifiers and api_version", code=code)
        return None

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        sent = required_header(event, "x-webhook-timestamp")
        try:
            check_age(event, from_unix(sent, per_second=1000), self.event_tolerance)
        except ValueError:
            raise SignatureError("the header x-webhook-timestamp has no time in milliseconds") from None
        secrets = (self.client_secret, *self.webhook_secret.every())
        expected = [hmac_base64(secret.encode(), sent.encode() + event.body) for secret in secrets]
        check_signature(expected, [required_header(event, "x-webhook-signature")])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        place = REFUND_EVENTS.get(fields.word("type") or "")
        if place is None:
            return []
        refund = self._refund(fields.at("data", place).value)
        return [RefundEvent(query=refund.query(), refund=refund)]

    def _request(self, path: str, body: object = None) -> Request:
        auth = _key_auth(self.client_id, self.client_secret)
        headers = {"x-api-version": self.api_version}
        return Request("GET" if body is None else "POST", path, headers=headers, json=body, auth=auth)

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        word, payment = fields.word("refund_status"), fields.text("cf_payment_id")
        status = self.statuses.get(word or "", UNKNOWN)
        # The description is filled in for every status, and says why for these.
        why = fields.text("status_description") if status in (FAILED, MANUAL_REVIEW) else None
        return Refund(
            connector_refund_id=fields.required("cf_refund_id"),
            connector_transaction_id=fields.text("order_id"),
            merchant_refund_id=fields.text("refund_id"),
            status=status,
            connector_status=word,
            error=ErrorInfo(message=why) if why else None,
            refund_amount=fields.decimal_money("refund_amount", currency=fields.text("refund_currency")),
            refund_reason=fields.text("refund_note") or fields.text("refund_reason"),
            created_at=fields.iso_time("created_at"),
            processed_at=fields.iso_time("processed_at"),
            acquirer_reference_number=fields.text("refund_arn"),
            metadata={"cf_payment_id": payment} if payment else {},
            problems=fields.problems,
        )


def _key_auth(client_id: str, client_secret: str) -> Auth:
    def authenticate(request: WireRequest, moment: Moment) -> WireRequest:
        return request.with_headers({"x-client-id": client_id, "x-client-secret": client_secret})

    return authenticate


def _hint(row: object) -> RefundQuery | None:
    """The refund that a row of the ledger is about. The row lacks Cashfree's own id of it, which a get has."""
    fields = Fields(row)
    if fields.required("event_type") not in REFUND_ROWS:
        return None
    order, refund = fields.required("order_id"), fields.required("refund_id")
    return RefundQuery(connector_transaction_id=order, merchant_refund_id=refund)


def _wait(response: Response) -> timedelta | None:
    seconds = response.header("x-ratelimit-retry") or ""
    return timedelta(seconds=int(seconds)) if seconds.isascii() and seconds.isdigit() and len(seconds) < 6 else None
