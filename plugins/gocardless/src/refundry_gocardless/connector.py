"""GoCardless: facts from developer.gocardless.com/api-reference on refunds, events, webhooks and errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from refundry import errors
from refundry.auth import bearer_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, each_event, page
from refundry.signing import check_hmac, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import read_retry_after, to_iso, to_utc

API_VERSION = "2015-07-06"

# What an event's action says about the status. Any other, such as "refund_settled", which is about a payout, says
# nothing of it: the refund is to be asked for.
ACTIONS = {"created": "created", "paid": "paid", "failed": "bounced", "funds_returned": "funds_returned"}


class GoCardless(Connector):
    """GoCardless, by its REST API of version 2015-07-06."""

    name = "gocardless"
    title = "GoCardless"
    documentation = {
        "refunds": "https://developer.gocardless.com/api-reference#core-endpoints-refunds",
        "events": "https://developer.gocardless.com/api-reference#core-endpoints-events",
        "webhooks": "https://developer.gocardless.com/api-reference#appendix-webhooks",
        "errors": "https://developer.gocardless.com/api-reference#api-usage-errors",
        "paging": "https://support.gocardless.com/hc/en-ca/articles/115003823249-Cursor-pagination",
    }
    base_urls = {"api": {"SANDBOX": "https://api-sandbox.gocardless.com", "PRODUCTION": "https://api.gocardless.com"}}
    statuses = {
        "created": PENDING,
        "pending_submission": PENDING,  # waits for the next batch to the bank
        "submitted": PENDING,  # with the bank
        "paid": SUCCEEDED,  # may still become "bounced" or "funds_returned"
        "cancelled": FAILED,
        "bounced": FAILED,  # did not reach the customer
        "funds_returned": FAILED,  # the merchant has the money back
    }
    refusals = {
        401: (errors.AuthenticationError, "check access_token and the environment"),
        403: (errors.AuthenticationError, "the access token may not read refunds"),
        404: (errors.RefundNotFound, "no such refund in this account and environment"),
        "": (errors.ConnectorError, "it found the request invalid: check the identifiers"),
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=500)
    rate_limit = {"SANDBOX": 16, "PRODUCTION": 16}  # 1000 a minute

    access_token: str = setting(secret=True, help="Access token, which may be read-only, or a partner's OAuth token")
    webhook_endpoint_secret: Secrets = signing_secrets(help="Secret of the webhook endpoint")
    metadata_key: str | None = setting(
        default=None, help="Key of a refund's metadata with your own refund id, if it is not the reference"
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("refunds", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(Fields(response.json()).at("refunds").value)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        kind, after = _place(window, cursor)
        paging: dict[str, object] = {"refund_type": kind, "limit": window.page_size, "after": after or None}
        if window.connector_transaction_id:
            return self._get("/refunds", {**paging, kind: window.connector_transaction_id})
        # Answers cut times off at the millisecond, so a little more is asked for; the client leaves out what is past.
        until = window.until + timedelta(seconds=1)
        times = {"created_at[gte]": to_iso(window.since), "created_at[lt]": to_iso(until)}
        return self._get("/refunds", {**paging, **times})

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        fields = Fields(response.json())
        kind, _ = _place(window, cursor)
        after = Fields(fields.get("meta", "cursors"), where="meta.cursors").word("after")
        following = f"{kind}:{after}" if after else None
        if following is None and kind == "payment" and not window.connector_transaction_id:
            # A list has refunds of one kind; those of mandates, which belong to no payment, come second.
            following = "mandate:"
        return page(fields.required_items("refunds"), self._refund, cursor=following)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        status = response.status_code
        if status < 400:
            return None
        # An error may be text alone, and then the HTTP status says it all.
        error = Fields(response.json()).first("error")
        reasons = [one.text("reason") for one in error.objects("errors")]
        code = next(filter(None, reasons), error.text("type"))
        facts: dict[str, Any] = {"code": code, "request_id": error.text("request_id")}
        if status == 429:
            return errors.RateLimited("GoCardless asks for fewer requests", retry_after=_wait(response), **facts)
        if status >= 500:
            return errors.ProcessorUnavailable("GoCardless has an error of its own: try again later", **facts)
        return self.refusal(status, "", **facts)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        check_hmac(self.webhook_endpoint_secret.every(), event.body, required_header(event, "Webhook-Signature"))
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent | errors.MappingError]:
        return each_event(Fields(event.json()).required_items("events"), self._event)

    @hookimpl
    def acknowledge_event(self, accepted: bool) -> Response | None:
        return None if accepted else Response(498)

    def _get(self, path: str, params: Params = ()) -> Request:
        headers = {"GoCardless-Version": API_VERSION}
        return Request("GET", path, params=params, headers=headers, auth=bearer_auth(self.access_token))

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        own_id = ("metadata", self.metadata_key) if self.metadata_key else ("reference",)
        return self.refund(
            fields,
            fields.word("status"),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("links", "payment") or fields.text("links", "mandate"),
            merchant_refund_id=fields.text(*own_id),
            refund_amount=fields.minor_money("amount", currency=fields.text("currency")),
            created_at=fields.iso_time("created_at"),
        )

    def _event(self, item: object) -> RefundEvent | None:
        fields = Fields(item)
        if fields.word("resource_type") != "refunds":
            return None
        query = RefundQuery(connector_refund_id=fields.required("links", "refund"))
        word = ACTIONS.get(fields.word("action") or "")
        if word is None:
            return RefundEvent(query=query, event_id=fields.text("id"))
        # Why a refund failed, only events tell.
        cause, code = fields.text("details", "cause"), fields.text("details", "reason_code")
        refund = self.refund(
            fields,
            word,
            failure=ErrorInfo(code=cause, message=fields.text("details", "description"), network_code=code),
            connector_refund_id=query.connector_refund_id,
            updated_at=fields.iso_time("created_at"),
        )
        return RefundEvent(query=query, refund=refund, event_id=fields.text("id"))


def _place(window: Window, cursor: str | None) -> tuple[str, str]:
    """Which kind of refunds is listed, and after which refund."""
    if cursor is None:
        is_mandate = (window.connector_transaction_id or "").startswith("MD")
        return "mandate" if is_mandate else "payment", ""
    kind, _, after = cursor.partition(":")
    return kind, after


def _wait(response: Response) -> timedelta | None:
    # The header names a time of day. There is no clock here, so the answer's own date stands for now.
    try:
        now = to_utc(parsedate_to_datetime(response.header("Date") or ""), UTC)
    except (ValueError, OverflowError):
        return None
    return read_retry_after(response.header("RateLimit-Reset"), now)
