"""Airwallex: facts from airwallex.com/docs on refunds, access tokens, errors and webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry.auth import header_auth, token_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.errors import AuthenticationError, ConnectorError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, Token, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_hmac, check_sent, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import from_milliseconds, to_iso

# The token's expires_at is on Airwallex's clock, and its lifetime is documented.
TOKEN_LIFETIME = timedelta(minutes=30)

REFUND_EVENTS = (
    "refund.received",
    "refund.accepted",
    "refund.settled",
    "refund.failed",
    "refund.processing",  # older API versions
    "refund.succeeded",  # older API versions
)


class Airwallex(Connector):
    """Airwallex, by its Payment Acceptance API."""

    name = "airwallex"
    title = "Airwallex"
    documentation = {
        "refunds": "https://www.airwallex.com/docs/api/payments/refunds",
        "access tokens": "https://www.airwallex.com/docs/api/authentication/api_access_token",
        "webhooks": "https://www.airwallex.com/docs/developer-tools/webhooks/listen-for-webhook-events",
        "errors": "https://www.airwallex.com/docs/api/errors",
    }
    base_urls = {"api": {"SANDBOX": "https://api.sandbox.airwallex.com", "PRODUCTION": "https://api.airwallex.com"}}
    statuses = {
        "RECEIVED": PENDING,
        "ACCEPTED": PENDING,  # the provider has accepted it and not settled it, and it may still fail
        "SETTLED": SUCCEEDED,
        "FAILED": FAILED,
        "CREATED": PENDING,  # older API versions, like the next two
        "PROCESSING": PENDING,
        "SUCCEEDED": SUCCEEDED,
    }
    # By HTTP status, and where that alone does not say it, by code.
    refusals = {
        400: (ConnectorError, "check the identifiers"),
        401: (AuthenticationError, "check client_id, api_key and the environment"),
        403: (AuthenticationError, "the API key lacks the right to read Payment Acceptance of this account"),
        409: (ConnectorError, "it is in conflict with another request"),
        "resource_not_found": (RefundNotFound, "no such identifier in this account and environment"),
        "not_found": (RefundNotFound, "no such identifier in this account and environment"),  # older API versions
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=100)
    event_tolerance = timedelta(minutes=5)

    client_id: str = setting(help="Client ID, beside the API key")
    api_key: str = setting(secret=True, help="API key that may read Payment Acceptance")
    webhook_secret: Secrets = signing_secrets(help="Secret of the webhook subscription")
    account_id: str | None = setting(
        default=None, help="Account (acct_...) to log in to, if the API key covers several accounts"
    )
    connected_account_id: str | None = setting(
        default=None, help="Connected account (acct_...) to ask on behalf of, for platforms"
    )
    api_version: str = setting(default="2024-06-30", help="API version (YYYY-MM-DD); status words depend on it")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("api", "v1", "pa", "refunds", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        paging: dict[str, object] = {"page_num": cursor or 0, "page_size": window.page_size}
        payment = window.connector_transaction_id
        if payment:
            name = "payment_attempt_id" if payment.startswith("att_") else "payment_intent_id"
            return self._get("/api/v1/pa/refunds", {name: payment, **paging})
        # Whether the ends count is not said; the client leaves out what is outside.
        asked = window.widened(timedelta(seconds=1))
        times = {"from_created_at": to_iso(asked.since, "seconds"), "to_created_at": to_iso(asked.until, "seconds")}
        return self._get("/api/v1/pa/refunds", {**times, **paging})

    @hookimpl
    def map_refunds(self, cursor: str | None, response: Response) -> RefundPage:
        fields = Fields(response.json())
        items, more = fields.required_items("items"), fields.flag("has_more")
        # The answer does not say which page it is; they are numbered from 0.
        return page(items, self._refund, cursor=str(int(cursor or 0) + 1) if more and items else None)

    @hookimpl
    def fetch_token(self) -> Request:
        headers = {"x-login-as": self.account_id} if self.account_id else {}
        credentials = header_auth({"x-client-id": self.client_id, "x-api-key": self.api_key})
        return Request("POST", "/api/v1/authentication/login", headers=headers, json={}, auth=credentials)

    @hookimpl
    def map_token(self, response: Response) -> Token:
        return Token(value=Fields(response.json()).required("token"), lifetime=TOKEN_LIFETIME)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        # A 404 may also mean that the call does not exist, and other statuses say what there is to know.
        if response.status_code not in (400, 401, 403, 404, 409):
            return None
        fields = Fields(response.json())
        code = fields.text("code")
        return self.refusal(response.status_code, code, code=code, request_id=fields.text("trace_id"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        sent = required_header(event, "x-timestamp")
        check_sent(event, sent, self.event_tolerance, read=from_milliseconds)
        check_hmac(self.webhook_secret.every(), sent.encode() + event.body, required_header(event, "x-signature"))
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        if fields.word("name") not in REFUND_EVENTS:
            return []
        # The name depends on the API version of the subscription: the refund itself says how it stands.
        refund = self._refund(fields.at("data", "object").value)
        return [RefundEvent(refund=refund, event_id=fields.text("id"), foreign=self._is_foreign(fields))]

    def _get(self, path: str, params: Params = ()) -> Request:
        account = {"x-on-behalf-of": self.connected_account_id} if self.connected_account_id else {}
        headers = {"x-api-version": self.api_version, **account}
        return Request("GET", path, params=params, headers=headers, auth=token_auth)

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        failure = fields.first("failure_details")
        return self.refund(
            fields,
            fields.word("status"),
            error=ErrorInfo.of(code=failure.text("code"), message=failure.text("message")),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("payment_intent_id") or fields.text("payment_attempt_id"),
            merchant_refund_id=fields.text("request_id"),
            refund_amount=fields.decimal_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("reason"),
            created_at=fields.iso_time("created_at"),
            updated_at=fields.iso_time("updated_at"),
            acquirer_reference_number=fields.text("acquirer_reference_number"),
        )

    def _is_foreign(self, event: Fields) -> bool:
        ours = self.connected_account_id or self.account_id
        named = event.text("account_id") or event.text("accountId")
        if not ours or not named:
            return False
        # Some events name the account by a UUID: it can only be compared with its like.
        return named != ours and named.startswith("acct_") == ours.startswith("acct_")
