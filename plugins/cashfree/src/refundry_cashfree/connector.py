"""Cashfree: facts from cashfree.com/docs (refunds, reconciliation, webhooks) and cashfree/cashfree-pg-sdk-python."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry import errors
from refundry.auth import header_auth
from refundry.connector import ALWAYS, Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_hmac, check_sent, hmac_base64, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry.times import from_milliseconds, to_iso

# The types of event that are about a refund, and where each has it.
REFUND_EVENTS = {"REFUND_STATUS_WEBHOOK": "refund", "AUTO_REFUND_STATUS_WEBHOOK": "auto_refund"}
REFUND_ROWS = ("REFUND", "REFUND_REVERSAL")

REFUSED = (errors.AuthenticationError, "check client_id, client_secret and environment, and that refunds are enabled")
BUSY = (errors.ProcessorUnavailable, "it could not answer, try again later")
INVALID = (errors.ConnectorError, "check the identifiers and api_version")


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
    # By type, and where that is unknown, by HTTP status.
    refusals = {
        **dict.fromkeys(("authentication_error", "feature_not_enabled"), REFUSED),
        **dict.fromkeys(("api_error", "api_connection_error", "bad_gateway_error"), BUSY),
        404: (errors.RefundNotFound, "no such refund of this order"),
        **dict.fromkeys((400, 409, 422), INVALID),
    }
    identifiers = (frozenset({"connector_transaction_id", "merchant_refund_id"}),)
    listing = Listing(basis="settled", by_payment=True, complete=False, max_page_size=1000)
    rate_limit = {"SANDBOX": 0.5, "PRODUCTION": 0.5}  # 30 gets of a refund a minute
    request_id_header = "x-request-id"
    settles_within = timedelta(days=14)  # 10 business days, with two weekends
    event_tolerance = timedelta(minutes=5)

    client_id: str = setting(help="Client ID (App ID) of the API key")
    client_secret: str = setting(
        secret=True, needed_for=ALWAYS, help="Client Secret (Secret Key) of the API key; it also signs webhooks"
    )
    webhook_secret: Secrets = signing_secrets(
        default=None, help="Client Secrets of other active API keys, where one of them signs the webhooks"
    )
    api_version: str = setting(default="2025-01-01", help="API version (a date)")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._request(url_path("orders", query.connector_transaction_id, "refunds", query.merchant_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            return self._request(url_path("orders", window.connector_transaction_id, "refunds"))
        since, until = (to_iso(moment, "seconds") for moment in (window.since, window.until))
        paging = {"limit": window.page_size, "cursor": cursor}
        return self._request("/recon", {"pagination": paging, "filters": {"start_date": since, "end_date": until}})

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        if window.connector_transaction_id:
            return page(Fields({"refunds": response.json()}).required_items("refunds"), self._refund)
        fields = Fields(response.json())
        rows = fields.required_items("data")
        return page(rows, _hint, cursor=fields.word("cursor") if rows else None)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code < 400:
            return None
        if response.status_code == 429:
            return errors.RateLimited("Cashfree asks for fewer requests", retry_after=_wait(response))
        fields = Fields(response.json())
        return self.refusal(fields.required("type"), response.status_code, code=fields.text("code"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        sent = required_header(event, "x-webhook-timestamp")
        check_sent(event, sent, self.event_tolerance, read=from_milliseconds)
        secrets = (self.client_secret, *self.webhook_secret.every())
        given = required_header(event, "x-webhook-signature")
        check_hmac(secrets, sent.encode() + event.body, given, sign=hmac_base64)
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        place = REFUND_EVENTS.get(fields.word("type") or "")
        if place is None:
            return []
        refund = self._refund(fields.at("data", place).value)
        return [RefundEvent(refund=refund, occurred_at=fields.iso_time("event_time"))]

    def _request(self, path: str, body: object = None) -> Request:
        auth = header_auth({"x-client-id": self.client_id, "x-client-secret": self.client_secret})
        headers = {"x-api-version": self.api_version}
        return Request("GET" if body is None else "POST", path, headers=headers, json=body, auth=auth)

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        word, payment = fields.word("refund_status"), fields.text("cf_payment_id")
        # The description is filled in for every status, and says why for these.
        is_explained = self.status_of(word) in (FAILED, MANUAL_REVIEW)
        return self.refund(
            fields,
            word,
            error=ErrorInfo.of(message=fields.text("status_description")) if is_explained else None,
            connector_refund_id=fields.required("cf_refund_id"),
            connector_transaction_id=fields.text("order_id"),
            merchant_refund_id=fields.text("refund_id"),
            refund_amount=fields.decimal_money("refund_amount", currency=fields.text("refund_currency")),
            refund_reason=fields.text("refund_note") or fields.text("refund_reason"),
            created_at=fields.iso_time("created_at"),
            processed_at=fields.iso_time("processed_at"),
            acquirer_reference_number=fields.text("refund_arn"),
            metadata={"cf_payment_id": payment} if payment else {},
        )


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
