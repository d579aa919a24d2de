"""Xendit: facts from docs.xendit.co/apidocs on refunds, webhooks and rate limits, and Xendit's own SDKs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from refundry import errors
from refundry.auth import basic_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import required_header, same
from refundry.status import FAILED, PENDING, SUCCEEDED

# The Payments API v3 has refunds of its own and does not find older ones, though their ids look the same: the id of the
# payment tells them apart.
V3 = "2024-11-11"
V3_PAYMENT = "py-"


class Xendit(Connector):
    """Xendit, by both generations of its refunds; one host, and the key says whether it is test or live."""

    name = "xendit"
    title = "Xendit"
    documentation = {
        "refunds": "https://docs.xendit.co/apidocs/get-a-refund",
        "older refunds": "https://docs.xendit.co/apidocs/refund-payment-request",
        "list": "https://github.com/xendit/xendit-php/blob/master/docs/RefundApi.md",
        "webhooks": "https://docs.xendit.co/apidocs/refund-webhook-notification",
        "rate limits": "https://docs.xendit.co/apidocs/rate-limits",
    }
    base_urls = {"api": {"SANDBOX": "https://api.xendit.co", "PRODUCTION": "https://api.xendit.co"}}
    statuses = {
        "PENDING": PENDING,
        "SUCCEEDED": SUCCEEDED,
        "FAILED": FAILED,  # failure_code says why
        "CANCELLED": FAILED,  # called off: the customer gets nothing by it
    }
    unmapped = {
        "REQUIRES_ACTION": "a status of a payment request; no document gives it to a refund",
        "refund.succeeded": "the name of a webhook, which proves nothing: the refund is asked for",
        "refund.failed": "the name of a webhook, which proves nothing: the refund is asked for",
    }
    refusals = {
        400: (errors.ConnectorError, "check the identifiers"),
        401: (errors.AuthenticationError, "check api_key and the environment"),
        403: (errors.AuthenticationError, "api_key may not read refunds, or for_user_id is no account of yours"),
        404: (errors.RefundNotFound, "no such refund; one of Payments API v3 needs api_version, or the payment's id"),
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=50, complete=False)  # without those of v3
    key_prefixes = {"api_key": {"SANDBOX": ("xnd_development_",), "PRODUCTION": ("xnd_production_",)}}
    rate_limit = {"SANDBOX": 1, "PRODUCTION": 10}
    unsigned_events = True  # a token beside the body says who sent it, and nothing about what it holds

    api_key: str = setting(secret=True, help="Secret API key that may read refunds")
    callback_token: Secrets = signing_secrets(help="Webhook verification token")
    for_user_id: str | None = setting(
        default=None, help="Business ID of the sub-account, for xenPlatform: only its refunds"
    )
    api_version: str | None = setting(default=None, help=f"{V3} where payments are made with the Payments API v3")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        refund_id, version = query.connector_refund_id, self._version(query.connector_transaction_id)
        if version:
            return self._get(url_path("v3", "refunds", refund_id), version=version)
        return self._get(url_path("refunds", refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        payment = window.connector_transaction_id
        if self._version(payment):
            raise errors.UnsupportedOperation("Xendit's Payments API v3 has no list of refunds: ask for each with get")
        filters = {_kind_of(payment): payment} if payment else {}
        return self._get("/refunds", {"limit": window.page_size, "after_id": cursor, **filters})

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        fields = Fields(response.json())
        items = fields.required_items("data")
        more = fields.get("has_more") is True and items and not _is_past(items, window)
        following = Fields(items[-1]).required("id") if more else None
        return page(items, lambda item: self._listed(item, window), cursor=following)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code == 429 and (wait := _wait(response)):
            return errors.RateLimited("Xendit asks for fewer requests", retry_after=wait)
        if response.status_code not in self.refusals:
            return None
        return self.refusal(response.status_code, code=Fields(response.json()).required("error_code"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        given = required_header(event, "X-Callback-Token")
        matches = [same(token, given) for token in self.callback_token.every()]
        if not any(matches):
            raise errors.SignatureError("the header X-Callback-Token is not the setting callback_token")
        return False

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind = fields.word("event") or ""
        if not kind.startswith("refund."):
            return []
        data = fields.at("data")
        if "data" in data.value:  # the documents wrap it twice
            data = data.at("data")
        refund_id = _id_of(data)
        query = RefundQuery(connector_refund_id=refund_id, connector_transaction_id=_payment_of(data))
        owners = {fields.text("business_id"), fields.text("data", "business_id")} - {None}
        foreign = bool(self.for_user_id and owners) and self.for_user_id not in owners
        # There is no id of the event, and its body has the time of the attempt, so a digest would not find duplicates.
        return [RefundEvent(query=query, event_id=f"{kind}/{refund_id}", foreign=foreign)]

    def _version(self, payment: str | None) -> str | None:
        """The version of the Payments API v3, None for the older refunds."""
        return self.api_version or (V3 if payment and payment.startswith(V3_PAYMENT) else None)

    def _get(self, path: str, params: Params = (), version: str | None = None) -> Request:
        named = {"for-user-id": self.for_user_id, "api-version": version}
        headers = {name: value for name, value in named.items() if value}
        return Request("GET", path, params=params, headers=headers, auth=basic_auth(self.api_key, ""))

    def _listed(self, item: object, window: Window) -> Refund | RefundQuery | None:
        fields = Fields(item)
        # The documented items have no status: each such refund has to be asked for.
        return self._refund(item) if fields.get("status") else _hint(fields, window)

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        return self.refund(
            fields,
            fields.word("status"),
            error=ErrorInfo.of(code=fields.text("failure_code")),
            connector_refund_id=_id_of(fields),
            connector_transaction_id=_payment_of(fields),
            merchant_refund_id=fields.text("reference_id"),
            refund_amount=fields.decimal_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("reason"),
            created_at=fields.iso_time("created"),
            updated_at=fields.iso_time("updated"),
        )


def _id_of(fields: Fields) -> str:
    return fields.text("refund_id") or fields.required("id")


def _payment_of(fields: Fields) -> str | None:
    if "refund_id" in fields.value:  # as only version 3 calls it
        return fields.text("payment_id")
    return fields.text("payment_request_id") or fields.text("payment_id") or fields.text("invoice_id")


def _kind_of(payment: str) -> str:
    return "invoice_id" if re.fullmatch(r"[0-9a-f]{24}", payment) else "payment_request_id"


def _hint(fields: Fields, window: Window) -> RefundQuery | None:
    refund_id, created = fields.required("id"), fields.iso_time("created")
    if created and not window.connector_transaction_id and not window.covers(created):
        return None
    return RefundQuery(connector_refund_id=refund_id, connector_transaction_id=fields.text("payment_request_id"))


def _is_past(items: list[Any], window: Window) -> bool:
    """Whether later pages can hold nothing of the window. The list knows no dates, and no document tells its order."""
    if window.connector_transaction_id:
        return False
    times = [Fields(item).iso_time("created") for item in items if isinstance(item, dict)]
    known: list[datetime] = [moment for moment in times if moment]
    is_newest_first = known == sorted(known, reverse=True) and len(set(known)) > 1
    return is_newest_first and known[-1] < window.since


def _wait(response: Response) -> timedelta | None:
    seconds = response.header("Rate-Limit-Reset") or ""
    return timedelta(seconds=float(seconds)) if re.fullmatch(r"\d{1,5}(\.\d+)?", seconds, re.ASCII) else None
