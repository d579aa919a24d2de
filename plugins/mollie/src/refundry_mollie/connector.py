"""Mollie: facts from docs.mollie.com/reference on refunds, webhooks and errors, and mollie/openapi."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import attrs

from refundry.auth import bearer_auth
from refundry.connector import Connector, Listing, Secrets, one_of, setting, signing_secrets
from refundry.errors import AuthenticationError, MappingError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, parse_json, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_hmac, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED


class Mollie(Connector):
    """Mollie, by its REST API v2; one host, and the key says whether it is test or live."""

    name = "mollie"
    title = "Mollie"
    documentation = {
        "refunds": "https://docs.mollie.com/reference/refunds-api",
        "statuses": "https://docs.mollie.com/docs/refunds",
        "webhooks": "https://docs.mollie.com/reference/webhooks-new",
        "classic webhooks": "https://docs.mollie.com/docs/webhooks",
        "currencies": "https://docs.mollie.com/payments/multicurrency",
        "errors": "https://docs.mollie.com/reference/handling-errors",
    }
    base_urls = {"api": {"SANDBOX": "https://api.mollie.com", "PRODUCTION": "https://api.mollie.com"}}
    statuses = {
        "queued": PENDING,  # waits for the merchant's balance
        "pending": PENDING,  # goes to the bank soon, and can still be cancelled
        "processing": PENDING,  # with the bank
        "refunded": SUCCEEDED,
        "failed": FAILED,  # after processing, for example a closed account: the merchant gets the money back
        "canceled": FAILED,  # stopped before it reached the bank
    }
    # There is no error code beside the HTTP status; any other than these says enough.
    refusals = {
        401: (AuthenticationError, "check api_key or access_token"),
        403: (AuthenticationError, "the access token lacks the scope refunds.read"),
        404: (RefundNotFound, "no such refund of this payment for this key and mode, or it was cancelled"),
    }
    identifiers = (frozenset({"connector_transaction_id", "connector_refund_id"}),)
    listing = Listing(basis="created", by_payment=True, max_page_size=250)
    credentials = one_of({"api_key"}, {"access_token"})
    key_prefixes = {"api_key": {"SANDBOX": ("test_",), "PRODUCTION": ("live_",)}}
    unsigned_events = True  # a payment's classic webhook, which names the payment alone

    api_key: str | None = setting(secret=True, default=None, help="Test or live API key (test_... or live_...)")
    access_token: str | None = setting(
        secret=True, default=None, help="Organization access token or OAuth token, if no key"
    )
    profile_id: str | None = setting(
        default=None, needed_for={"list"}, help="Profile ID (pfl_...), to list refunds with an access token"
    )
    webhook_secret: Secrets = signing_secrets(
        default=None, help="Signing secret of the next-gen webhook; none for classic webhooks, which are not signed"
    )
    metadata_key: str = setting(default="order_id", help="Key of a refund's metadata that holds your own refund id")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        payment, refund_id = query.connector_transaction_id, query.connector_refund_id
        return self._get(url_path("v2", "payments", payment, "refunds", refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        paging: dict[str, object] = {"limit": window.page_size, "from": cursor}
        if window.connector_transaction_id:
            return self._get(url_path("v2", "payments", window.connector_transaction_id, "refunds"), paging)
        profile = None if self.api_key else self.profile_id
        return self._get("/v2/refunds", {**paging, "sort": "desc", "profileId": profile})

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        fields = Fields(response.json())
        found = page(fields.required_items("_embedded", "refunds"), self._refund)
        # The list knows no dates. It comes newest first, so it ends with the page that reaches past the window.
        oldest = found.refunds[-1].created_at if found.refunds else None
        is_past = not window.connector_transaction_id and oldest is not None and oldest < window.since
        return attrs.evolve(found, cursor=None if is_past else _next(fields))

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code not in self.refusals:
            return None
        return self.refusal(response.status_code, code=Fields(response.json()).required("title"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        if _is_classic(event):
            return False
        # While secrets rotate there are several signatures, with or without the name of the digest.
        given = [one.strip().removeprefix("sha256=") for one in required_header(event, "X-Mollie-Signature").split(",")]
        check_hmac(self.webhook_secret.every(), event.body, given)
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        if _is_classic(event):
            return _classic(event)
        fields = Fields(event.json())
        if fields.get("resource") == "refund":
            return [RefundEvent(refund=self._refund(fields.value))]
        if not (fields.word("type") or "").startswith("refund."):
            return []
        entity, event_id = fields.at("_embedded", "entity"), fields.text("id")
        if entity.get("resource") == "refund":
            # The refund itself says only when it was made.
            occurred_at = fields.iso_time("createdAt")
            return [RefundEvent(refund=self._refund(entity.value), event_id=event_id, occurred_at=occurred_at)]
        # A "simple" payload leaves the refund out; a get needs its payment too, which the link names.
        payment = _found(r"/payments/([\w%.~-]+)/refunds/", fields.text("_links", "entity", "href"))
        refund_id = fields.required("entityId")
        query = RefundQuery(connector_refund_id=refund_id, connector_transaction_id=payment)
        return [RefundEvent(query=query, event_id=event_id)]

    def _get(self, path: str, params: Mapping[str, object] | None = None) -> Request:
        # A key has its mode and profile, and Mollie refuses to be told them; an access token has neither.
        is_test = not self.api_key and self.environment == "SANDBOX"
        mode = {"testmode": "true"} if is_test else {}
        auth = bearer_auth(self.api_key or self.access_token or "")
        return Request("GET", path, params={**(params or {}), **mode}, auth=auth)

    def _refund(self, body: object) -> Refund:
        problems: list[str] = []
        fields = Fields(body, problems=problems)
        metadata = Fields(_metadata(fields.get("metadata")), where="metadata", problems=problems)
        has_arn = fields.get("externalReference", "type") == "acquirer-reference"
        return self.refund(
            fields,
            fields.word("status"),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("paymentId"),
            merchant_refund_id=metadata.text(self.metadata_key),
            refund_amount=fields.decimal_money("amount", "value", currency=fields.text("amount", "currency")),
            refund_reason=fields.text("description"),
            created_at=fields.iso_time("createdAt"),
            acquirer_reference_number=fields.text("externalReference", "id") if has_arn else None,
        )


def _metadata(given: object) -> Mapping[str, Any]:
    """What the merchant gave, which comes back as it was: any JSON, or text that may hold some."""
    if isinstance(given, str):
        try:
            given = parse_json(given.encode(errors="surrogatepass"))
        except MappingError:
            return {}
    return given if isinstance(given, dict) else {}


def _next(fields: Fields) -> str | None:
    if fields.get("_links", "next") is None:
        return None
    cursor = _found(r"[?&]from=([\w%.~-]+)", fields.required("_links", "next", "href"))
    if cursor is None:
        raise MappingError("the link to the next page names no refund", field="_links.next.href")
    return cursor


def _found(pattern: str, link: str | None) -> str | None:
    found = re.search(pattern, link or "", re.ASCII)
    return unquote(found[1]) if found else None


def _is_classic(event: Event) -> bool:
    return event.header("X-Mollie-Signature") is None and event.body.startswith(b"id=")


def _classic(event: Event) -> list[RefundEvent]:
    payment = event.form()["id"]
    if not payment.startswith("tr_"):
        return []
    # The body is the same whenever anything happens to the payment, so its digest would make news a duplicate.
    event_id = f"{payment}@{event.received_at.isoformat()}"
    return [RefundEvent(query=RefundQuery(connector_transaction_id=payment), event_id=event_id)]
