"""Square: facts from developer.squareup.com on refunds, errors and webhooks, and square/connect-api-specification."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry.auth import bearer_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.errors import AuthenticationError, MappingError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_hmac, hmac_base64, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import to_iso

REFUND_EVENTS = ("refund.created", "refund.updated")

TERMINAL = "a status of a refund at a Square Terminal, which another call answers with"


class Square(Connector):
    """Square, by its Refunds API."""

    name = "square"
    title = "Square"
    documentation = {
        "refunds": "https://developer.squareup.com/reference/square/refunds-api",
        "webhooks": "https://developer.squareup.com/docs/refunds-api/webhooks",
        "signatures": "https://developer.squareup.com/docs/webhooks/step3validate",
        "amounts": "https://developer.squareup.com/docs/build-basics/common-data-types/working-with-monetary-amounts",
        "errors": "https://developer.squareup.com/docs/build-basics/handling-errors",
    }
    base_urls = {
        "api": {"SANDBOX": "https://connect.squareupsandbox.com", "PRODUCTION": "https://connect.squareup.com"}
    }
    statuses = {
        "PENDING": PENDING,  # waits for Square's approval, or for the seller's funds
        "COMPLETED": SUCCEEDED,
        "REJECTED": FAILED,
        "FAILED": FAILED,  # an error while processing, or the seller had no funds
    }
    unmapped = {
        "APPROVED": "a status of the retired Transactions API, which this call is not documented to answer with",
        "IN_PROGRESS": TERMINAL,
        "CANCEL_REQUESTED": TERMINAL,
        "CANCELED": TERMINAL,
    }
    refusals = {
        "UNAUTHORIZED": (AuthenticationError, "check access_token and the environment"),
        "ACCESS_TOKEN_EXPIRED": (AuthenticationError, "access_token has expired, renew it"),
        "ACCESS_TOKEN_REVOKED": (AuthenticationError, "access_token was revoked, ask the seller for another"),
        "FORBIDDEN": (AuthenticationError, "access_token lacks the scope PAYMENTS_READ"),
        "INSUFFICIENT_SCOPES": (AuthenticationError, "access_token lacks the scope PAYMENTS_READ"),
        "NOT_FOUND": (RefundNotFound, "no such identifier for this seller and environment"),
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=100)

    access_token: str = setting(secret=True, help="Access token, or a seller's OAuth token with PAYMENTS_READ")
    webhook_signature_key: Secrets = signing_secrets(help="Signature Key of the webhook subscription")
    webhook_url: str = setting(
        needed_for={"webhook"}, help="Notification URL of the webhook subscription, exactly as registered"
    )
    merchant_id: str | None = setting(
        default=None, needed_for={"webhook"}, help="Merchant ID of the seller, to mark events of other sellers"
    )
    location_id: str | None = setting(default=None, needed_for={"list"}, help="Location ID, to list one location alone")
    api_version: str | None = setting(default=None, help="API version (YYYY-MM-DD), if not the application's")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("v2", "refunds", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        fields = Fields(response.json())
        error = fields.first("errors") if isinstance(fields.get("errors"), list) else Fields({})
        failure = ErrorInfo.of(code=error.text("code"), message=error.text("detail"))
        return self._refund(fields.at("refund").value, failure)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            # The list takes no payment, and a payment names its refunds.
            return self._get(url_path("v2", "payments", window.connector_transaction_id))
        # Whether the ends count is not said; the client leaves out what is outside.
        asked = window.widened(timedelta(seconds=1))
        times = {"begin_time": to_iso(asked.since), "end_time": to_iso(asked.until)}
        filters = {"location_id": self.location_id, "limit": window.page_size, "cursor": cursor}
        return self._get("/v2/refunds", {**times, **filters})

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        fields = Fields(response.json())
        if window.connector_transaction_id:
            payment = fields.at("payment")
            payment.required("id")
            return page(payment.items("refund_ids"), _named)
        # An empty list leaves "refunds" out, so errors in its place must not pass for one.
        if fields.get("errors"):
            raise MappingError("the list came with errors", field="errors")
        return page(fields.items("refunds"), self._refund, cursor=fields.word("cursor"))

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if not 400 <= response.status_code < 500:
            return None
        code = Fields(response.json()).first("errors").text("code")
        return self.refusal(code, code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        given = required_header(event, "X-Square-HmacSha256-Signature")
        signed = self.webhook_url.encode() + event.body
        check_hmac(self.webhook_signature_key.every(), signed, given, sign=hmac_base64)
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        if fields.word("type") not in REFUND_EVENTS:
            return []
        refund = self._refund(fields.at("data", "object", "refund").value)
        event_id, occurred_at = fields.text("event_id"), fields.iso_time("created_at")
        foreign = self.merchant_id is not None and fields.text("merchant_id") != self.merchant_id
        # The refund itself may come without "updated_at".
        return [RefundEvent(refund=refund, event_id=event_id, foreign=foreign, occurred_at=occurred_at)]

    def _get(self, path: str, params: Params = ()) -> Request:
        headers = {"Square-Version": self.api_version} if self.api_version else {}
        return Request("GET", path, params=params, headers=headers, auth=bearer_auth(self.access_token))

    def _refund(self, body: object, failure: ErrorInfo | None = None) -> Refund:
        fields = Fields(body)
        currency = fields.text("amount_money", "currency")
        return self.refund(
            fields,
            fields.word("status"),
            failure=failure,
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("payment_id"),
            refund_amount=fields.minor_money("amount_money", "amount", currency=currency),
            refund_reason=fields.text("reason"),
            created_at=fields.iso_time("created_at"),
            updated_at=fields.iso_time("updated_at"),
        )


def _named(refund_id: object) -> RefundQuery:
    return RefundQuery(connector_refund_id=Fields({"refund_ids": refund_id}).required("refund_ids"))
