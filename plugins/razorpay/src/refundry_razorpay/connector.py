"""Razorpay: facts from razorpay.com/docs/api/refunds and razorpay.com/docs/webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry.auth import basic_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.errors import AuthenticationError, ConnectorError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_hmac, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED

REFUND_EVENTS = ("refund.created", "refund.processed", "refund.failed", "refund.speed_changed")


class Razorpay(Connector):
    """Razorpay, by its REST API; one host, and the key says whether it is test or live."""

    name = "razorpay"
    title = "Razorpay"
    documentation = {
        "refunds": "https://razorpay.com/docs/api/refunds",
        "webhooks": "https://razorpay.com/docs/webhooks",
        "currencies": "https://razorpay.com/docs/payments/international-payments",
    }
    base_urls = {"api": {"SANDBOX": "https://api.razorpay.com", "PRODUCTION": "https://api.razorpay.com"}}
    statuses = {
        "pending": PENDING,
        "processed": SUCCEEDED,  # passed on to the bank, usually before the bank gives its reference
        "failed": FAILED,  # the payment is over 6 months old, or the bank refused an instant refund
    }
    unmapped = {
        "reversed": "the refunds FAQ alone names it, without saying what it means or whether an answer has it",
        "created": "no document of Razorpay's has it; other integrations expect it",
    }
    # By its description, for the code is the same for all of them, and an unknown id is HTTP 400.
    refusals = {
        r"\bapi \S+ provided is invalid|authentication failed": (AuthenticationError, "check key_id and key_secret"),
        "access denied": (AuthenticationError, "the account's list of allowed addresses leaves this machine out"),
        "id provided does not exist|is not a valid id": (RefundNotFound, "no such identifier in this account and mode"),
        "requested url was not found": (ConnectorError, "the call does not exist or is not enabled: check base_url"),
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=100)
    key_prefixes = {"key_id": {"SANDBOX": ("rzp_test_",), "PRODUCTION": ("rzp_live_",)}}
    settles_within = timedelta(days=11)  # 7 working days, with two weekends

    key_id: str = setting(help="Key Id of the API key (rzp_test_... or rzp_live_...)")
    key_secret: str = setting(secret=True, help="Key Secret of the API key")
    webhook_secret: Secrets = signing_secrets(help="Secret of the webhook, as chosen when it was added")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("v1", "refunds", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        paging: dict[str, object] = {"count": window.page_size, "skip": cursor or 0}
        if window.connector_transaction_id:
            return self._get(url_path("v1", "payments", window.connector_transaction_id, "refunds"), paging)
        # "After" and "before"; the client leaves out what is outside.
        since, until = window.widened(timedelta(seconds=1)).unix()
        return self._get("/v1/refunds", {"from": since, "to": until, **paging})

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        items = Fields(response.json()).required_items("items")
        full = len(items) >= window.page_size
        return page(items, self._refund, cursor=str(int(cursor or 0) + len(items)) if full else None)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code not in (400, 404):
            return None
        fields = Fields(response.json())
        description = fields.text("error", "description") or fields.text("message")
        return self.refusal_in(description, code=fields.text("error", "code"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        check_hmac(self.webhook_secret.every(), event.body, required_header(event, "X-Razorpay-Signature"))
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        if fields.text("event") not in REFUND_EVENTS:
            return []
        refund = self._refund(fields.at("payload", "refund", "entity").value)
        event_id, occurred_at = event.header("X-Razorpay-Event-Id"), fields.unix_time("created_at")
        return [RefundEvent(refund=refund, event_id=event_id, occurred_at=occurred_at)]

    def _get(self, path: str, params: Params = ()) -> Request:
        return Request("GET", path, params=params, auth=basic_auth(self.key_id, self.key_secret))

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        # Cards have an ARN, UPI and net banking an RRN, bank transfers a UTR.
        references = (fields.text("acquirer_data", kind) for kind in ("arn", "rrn", "utr"))
        return self.refund(
            fields,
            fields.word("status"),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("payment_id"),
            merchant_refund_id=fields.text("receipt"),
            refund_amount=fields.minor_money("amount", currency=fields.text("currency")),
            created_at=fields.unix_time("created_at"),
            acquirer_reference_number=next(filter(None, references), None),
        )
