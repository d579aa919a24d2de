"""Shift4: facts from dev.shift4.com/docs (API, webhooks) and shift4developer/shift4-java."""

from __future__ import annotations

from collections.abc import Sequence

from refundry import errors
from refundry.auth import basic_auth
from refundry.connector import Connector, Listing, setting
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import from_seconds_or_milliseconds

# By event: what its object is. A charge's refunds may lack an id and a status: they are to be listed.
SUBJECTS = {"REFUND_UPDATED": "connector_refund_id", "CHARGE_REFUNDED": "connector_transaction_id"}


class Shift4(Connector):
    """Shift4, by its global e-commerce API; one host, and the key says whether it is test or live."""

    name = "shift4"
    title = "Shift4"
    documentation = {
        "refunds and errors": "https://dev.shift4.com/docs/api",
        "webhooks": "https://dev.shift4.com/docs/webhooks",
        "statuses": "https://github.com/shift4developer/shift4-java",
    }
    base_urls = {"api": {"SANDBOX": "https://api.shift4.com", "PRODUCTION": "https://api.shift4.com"}}
    statuses = {
        "pending": PENDING,
        "processing": PENDING,  # in none of Shift4's documents, and expected by hyperswitch-prism
        "successful": SUCCEEDED,
        "failed": FAILED,
    }
    any_case = True  # as Shift4's own libraries compare
    # By type, and where that is unknown, by HTTP status.
    refusals = {
        "rate_limit_error": (errors.RateLimited, "ask less often"),
        "gateway_error": (errors.ProcessorUnavailable, "it could not answer, try again later"),
        404: (errors.RefundNotFound, "no such refund in this account and mode"),
        **dict.fromkeys((400, 402), (errors.ConnectorError, "check the identifiers")),
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=100)
    key_prefixes = {"api_key": {"SANDBOX": ("pr_test_", "sk_test_")}}
    unsigned_events = True

    api_key: str = setting(secret=True, help="API Secret Key, of the test or live mode")
    metadata_key: str = setting(default="order_id", help="Key of a refund's metadata that holds your own refund id")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("refunds", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            filters: dict[str, object] = {"chargeId": window.connector_transaction_id}
        else:
            filters = {"created[gte]": int(window.since.timestamp()), "created[lt]": int(window.until.timestamp()) + 1}
        return self._get("/refunds", {"limit": window.page_size, "startingAfterId": cursor, **filters})

    @hookimpl
    def map_refunds(self, response: Response) -> RefundPage:
        fields = Fields(response.json())
        items, more = fields.required_items("list"), fields.flag("hasMore")
        return page(items, self._refund, cursor=Fields(items[-1]).required("id") if more and items else None)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code < 400:
            return None
        error = Fields(response.json()).at("error")
        kind = error.required("type")
        return self.refusal(kind, response.status_code, code=error.text("code") or kind)

    @hookimpl
    def verify_event(self) -> bool:
        # No event is signed. The identifiers that are kept are enough to ask Shift4 itself.
        return False

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind = fields.word("type")
        if kind not in SUBJECTS:
            return []
        query = RefundQuery.of({SUBJECTS[kind]: fields.required("data", "id")})
        return [RefundEvent(query=query, event_id=fields.text("id"))]

    def _get(self, path: str, params: Params = ()) -> Request:
        return Request("GET", path, params=params, auth=basic_auth(self.api_key, ""))

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        if fields.word("objectType") not in (None, "refund"):
            raise errors.MappingError("objectType is not refund", field="objectType")
        return self.refund(
            fields,
            fields.word("status"),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("charge"),
            merchant_refund_id=fields.text("metadata", self.metadata_key),
            refund_amount=fields.minor_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("reason"),
            created_at=fields.read(from_seconds_or_milliseconds, "created"),
        )
