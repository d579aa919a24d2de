"""Revolut Merchant: facts from developer.revolut.com on orders, refunds and webhooks, and revolut-openapi."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from refundry.auth import bearer_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.errors import AuthenticationError, ConnectorError, MappingError, NotARefund, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_hmac, check_sent, header_pairs, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import from_milliseconds, to_iso

REFUND = "refund"
FINAL = ("completed", "failed", "cancelled")
UNDECIDED = ("pending", "processing")
# What a payment within an undecided order ends in when nothing will follow.
LOST = ("declined", "failed", "cancelled")
UNDER_WAY = (
    "refund_validated refund_started authentication_challenge authentication_verified authorisation_started "
    "authorisation_passed capture_started captured completing cancellation_started cancelling declining failing"
)
MOST_ORDERS = 500
SECOND = timedelta(seconds=1)
EVENTS = ("ORDER_COMPLETED", "ORDER_FAILED", "ORDER_CANCELLED", "ORDER_PAYMENT_DECLINED", "ORDER_PAYMENT_FAILED")


class Revolut(Connector):
    """Revolut's Merchant API, where a refund is an order of its own (not the Business API)."""

    name = "revolut"
    title = "Revolut"
    documentation = {
        "orders": "https://developer.revolut.com/docs/api/merchant",
        "refunds": "https://developer.revolut.com/docs/guides/merchant/operations/refunds",
        "signature": "https://developer.revolut.com/docs/guides/merchant/monitor-and-observe/webhooks/verify-the-payload-signature",
        "specification": "https://github.com/revolut-engineering/revolut-openapi",
    }
    base_urls = {
        "api": {"SANDBOX": "https://sandbox-merchant.revolut.com", "PRODUCTION": "https://merchant.revolut.com"}
    }
    # The order's state; after a slash that of its payments, where all of them are lost and the order does not say so.
    statuses = {
        "pending": PENDING,
        "processing": PENDING,
        "authorised": PENDING,
        "completed": SUCCEEDED,
        "failed": FAILED,
        "cancelled": FAILED,
        # A declined refund may stay "processing".
        **{f"{state}/{lost}": FAILED for state in UNDECIDED for lost in LOST},
    }
    unmapped = {
        "soft_declined": "a state of the payment within the order, after which another attempt may follow",
        **dict.fromkeys(
            UNDER_WAY.split(),
            "a state of the payment within the order, which is on its way: the order's own state counts",
        ),
    }
    refusals = {
        400: (ConnectorError, "check the identifier and api_version"),
        401: (AuthenticationError, "check secret_key and the environment"),
        403: (AuthenticationError, "secret_key may not do this"),
        404: (RefundNotFound, "no such order"),
        409: (ConnectorError, "the order does not allow it now"),
        422: (ConnectorError, "check the identifier"),
    }
    listing = Listing(basis="created", max_page_size=250)
    settles_within = timedelta(days=2)
    event_tolerance = timedelta(minutes=5)

    secret_key: str = setting(secret=True, help="Secret key of the Merchant API (sk_...)")
    api_version: str = setting(default="2026-04-20", help="Version of the Merchant API, 2024-09-01 or later")
    webhook_signing_secret: Secrets = signing_secrets(help="Signing secret of the webhook (wsk_...)")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("api", "orders", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        fields = Fields(response.json())
        if fields.required("type") != REFUND:
            raise NotARefund("this id belongs to the order of a payment")
        return self._refund(fields)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        until, limit = _place(window, cursor)
        since = to_iso(window.since - SECOND)
        return self._get("/api/orders", {"from": since, "to": until, "limit": limit})

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        orders = Fields(response.json()).required_items("orders")
        following = _cursor(orders) if len(orders) >= _place(window, cursor)[1] else None
        return page(orders, lambda order: self._listed(Fields(order), window), cursor=following)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code not in self.refusals:
            return None
        fields = Fields(response.json())
        return self.refusal(response.status_code, code=fields.text("code"), request_id=fields.text("errorId"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        timestamp = required_header(event, "Revolut-Request-Timestamp")
        text = f"v1.{timestamp}.".encode() + event.body
        # While secrets rotate there are several signatures.
        given = [value for name, value in header_pairs(event, "Revolut-Signature") if name == "v1"]
        check_hmac(self.webhook_signing_secret.candidates(), text, given)
        check_sent(event, timestamp, self.event_tolerance, read=from_milliseconds)
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        if fields.word("event") not in EVENTS:
            return []
        # The event does not say whether its order is a refund or a payment: that has to be asked.
        return [RefundEvent(query=RefundQuery(connector_refund_id=fields.required("order_id")))]

    def _get(self, path: str, params: Params = ()) -> Request:
        headers = {"Revolut-Api-Version": self.api_version}
        return Request("GET", path, params=params, headers=headers, auth=bearer_auth(self.secret_key))

    def _listed(self, order: Fields, window: Window) -> Refund | RefundQuery | None:
        if order.required("type") != REFUND:
            return None
        if order.get("state") in FINAL:
            return self._refund(order)
        # Orders are listed without their payments, which may say that an undecided one is lost.
        created = order.iso_time("created_at")
        is_outside = created is not None and not window.covers(created)
        return None if is_outside else RefundQuery(connector_refund_id=order.required("id"))

    def _refund(self, fields: Fields) -> Refund:
        payments = fields.objects("payments")
        condition = _condition(fields, payments)
        references = [payment.text("payment_method", "arn") for payment in payments]
        return self.refund(
            fields,
            condition,
            # What became of the attempts counts as long as the refund is not made.
            error=_failure(payments) if self.status_of(condition) is not SUCCEEDED else None,
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("related_order_id"),
            merchant_refund_id=fields.text("merchant_order_data", "reference"),
            refund_amount=fields.minor_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("description"),
            created_at=fields.iso_time("created_at"),
            updated_at=fields.iso_time("updated_at"),
            acquirer_reference_number=next(filter(None, references), None),
        )


def _condition(order: Fields, payments: Sequence[Fields]) -> str | None:
    state, states = order.word("state"), [payment.word("state") for payment in payments]
    # While one attempt is on its way the refund may still be made.
    if state in UNDECIDED and states and all(one in LOST for one in states):
        return f"{state}/{states[-1]}"
    return state


def _failure(payments: Sequence[Fields]) -> ErrorInfo | None:
    told = (ErrorInfo.of(code=one.text("decline_reason"), message=one.text("bank_message")) for one in payments[::-1])
    return next(filter(None, told), None)


def _place(window: Window, cursor: str | None) -> tuple[str, int]:
    """Until when the next page reaches, and how many orders it may have."""
    until, _, again = (cursor or "").partition("/")
    return until or to_iso(_whole_second(window.until)), min(window.page_size + int(again or 0), MOST_ORDERS)


def _cursor(orders: Sequence[Any]) -> str:
    """The next page ends with the second of the last order, so it has some orders again: as many more are asked for."""
    read = [Fields(order).iso_time("created_at") for order in orders if isinstance(order, Mapping)]
    times = [moment for moment in read if moment]
    if not times or times != sorted(times, reverse=True):
        raise MappingError("the orders do not come newest first, so the next page is not known", field="orders")
    until = _whole_second(times[-1])
    return f"{to_iso(until)}/{sum(moment <= until for moment in times)}"


def _whole_second(moment: datetime) -> datetime:
    """This second or the next one."""
    return moment.replace(microsecond=0) + SECOND if moment.microsecond and moment.year < 9999 else moment
