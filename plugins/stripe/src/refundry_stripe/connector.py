"""Stripe: facts from docs.stripe.com/api/refunds and docs.stripe.com/webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from refundry.auth import bearer_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.errors import RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_hmac, check_sent, header_pairs
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED

# Where docs.stripe.com/currencies differs from ISO 4217. ISK and UGX are sent with two decimals for backward
# compatibility, although they have none.
EXPONENTS = {"ISK": 2, "UGX": 2, "MGA": 0}

# Payment methods whose network says by a code of its own why it declined a refund.
NETWORKS = ("blik", "paypal", "swish")

REFUND_EVENTS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")


class Stripe(Connector):
    """Stripe, by its REST API; one host, and the key says whether it is test or live."""

    name = "stripe"
    title = "Stripe"
    documentation = {
        "refunds": "https://docs.stripe.com/api/refunds",
        "webhooks": "https://docs.stripe.com/webhooks",
        "currencies": "https://docs.stripe.com/currencies",
    }
    base_urls = {"api": {"SANDBOX": "https://api.stripe.com", "PRODUCTION": "https://api.stripe.com"}}
    statuses = {
        "pending": PENDING,
        "requires_action": MANUAL_REVIEW,  # the customer must give bank details
        "succeeded": SUCCEEDED,  # may still become "failed" when the bank returns it
        "failed": FAILED,
        "canceled": FAILED,  # stopped before it reached the bank
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=100)
    key_prefixes = {"api_key": {"SANDBOX": ("sk_test_", "rk_test_"), "PRODUCTION": ("sk_live_", "rk_live_")}}
    rate_limit = {"SANDBOX": 25, "PRODUCTION": 25}  # of one endpoint; in production all together may be 100
    request_id_header = "Request-Id"
    settles_within = timedelta(days=10)
    reversible_for = timedelta(days=30)
    event_tolerance = timedelta(minutes=5)

    api_key: str = setting(secret=True, help="Secret key, or a restricted key that may read refunds")
    webhook_secret: Secrets = signing_secrets(help="Signing secret of the webhook endpoint (whsec_...)")
    metadata_key: str = setting(
        default="order_id", help="Key of the refund's metadata that holds the merchant's own id"
    )
    stripe_account: str | None = setting(default=None, help="Connected account (acct_...), for Connect platforms")
    api_version: str | None = setting(default=None, help="API version, if not the account's")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("v1", "refunds", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        paging: dict[str, object] = {"limit": window.page_size, "starting_after": cursor}
        if payment := window.connector_transaction_id:
            kind = "payment_intent" if payment.startswith("pi_") else "charge"
            return self._get("/v1/refunds", {**paging, kind: payment})
        since, until = int(window.since.timestamp()), int(window.until.timestamp()) + 1
        return self._get("/v1/refunds", {**paging, "created[gte]": since, "created[lt]": until})

    @hookimpl
    def map_refunds(self, response: Response) -> RefundPage:
        fields = Fields(response.json())
        items, more = fields.required_items("data"), fields.flag("has_more")
        return page(items, self._refund, cursor=Fields(items[-1]).required("id") if more and items else None)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code < 400:
            return None
        error = Fields(response.json()).at("error")
        code = error.text("code")
        # Older answers to an unknown id lack the code; the parameter is the id then.
        if response.status_code == 404 and (code == "resource_missing" or error.text("param") == "id"):
            return RefundNotFound("Stripe does not know this refund in this account and mode", code=code)
        if code in ("rate_limit", "lock_timeout"):
            return RateLimited("Stripe asks for fewer requests", code=code)
        return None

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        parts = header_pairs(event, "Stripe-Signature")
        sent = dict(parts).get("t", "")
        check_sent(event, sent, self.event_tolerance)
        given = [value for key, value in parts if key == "v1"]
        check_hmac(self.webhook_secret.candidates(), sent.encode() + b"." + event.body, given)
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind, subject = fields.word("type"), fields.at("data", "object")
        facts: dict[str, Any] = {
            "event_id": fields.text("id"),
            "occurred_at": fields.unix_time("created"),
            # Only an event of a connected account names its account.
            "foreign": fields.text("account") != (self.stripe_account or None),
        }
        if kind in REFUND_EVENTS and subject.get("object") == "refund":
            refund = self._refund(subject.value)
            return [RefundEvent(refund=refund, **facts)]
        if kind == "charge.refunded":
            # The charge, which newer versions send without its refunds: they are to be listed.
            return [RefundEvent(query=RefundQuery(connector_transaction_id=subject.required("id")), **facts)]
        return []

    def _get(self, path: str, params: Params = ()) -> Request:
        extra = {"Stripe-Version": self.api_version, "Stripe-Account": self.stripe_account}
        headers = {name: value for name, value in extra.items() if value}
        return Request("GET", path, params=params, headers=headers, auth=bearer_auth(self.api_key))

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        card = fields.at("destination_details", "card")
        has_arn = card.get("reference_type") == "acquirer_reference_number"
        return self.refund(
            fields,
            fields.word("status"),
            error=_failure(fields),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=_id_of(fields, "payment_intent") or _id_of(fields, "charge"),
            merchant_refund_id=fields.text("metadata", self.metadata_key),
            refund_amount=fields.minor_money("amount", currency=fields.text("currency"), exponents=EXPONENTS),
            refund_reason=fields.text("reason"),
            created_at=fields.unix_time("created"),
            acquirer_reference_number=card.text("reference") if has_arn else None,
        )


def _failure(fields: Fields) -> ErrorInfo | None:
    details = "destination_details"
    networks = (fields.text(details, method, "network_decline_code") for method in NETWORKS)
    return ErrorInfo.of(code=fields.text("failure_reason"), network_code=next(filter(None, networks), None))


def _id_of(fields: Fields, name: str) -> str | None:
    expandable = fields.get(name)
    return fields.text(name, "id") if isinstance(expandable, dict) else fields.text(name)
