"""Worldline Connect: facts from docs.connect.worldline-solutions.com and its API reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from refundry.connector import Listing
from refundry.errors import MappingError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, asked_refund, each_event, page
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry_worldline.platform import WorldlinePlatform, event_items, failure

MOST_FOUND = 100


class WorldlineConnect(WorldlinePlatform):
    """Worldline Connect (once Ingenico ePayments and Global Collect)."""

    name = "worldline-connect"
    title = "Worldline Connect"
    documentation = {
        "refunds": "https://apireference.connect.worldline-solutions.com/s2sapi/v1/en_US/java/refunds/get.html",
        "webhooks": "https://docs.connect.worldline-solutions.com/documentation/webhooks/",
        "SDK": "https://github.com/Worldline-Global-Collect/connect-sdk-python3",
    }
    base_urls = {
        "api": {
            "SANDBOX": "https://api.preprod.connect.worldline-solutions.com",
            "PRODUCTION": "https://api.connect.worldline-solutions.com",
        }
    }
    statuses = {
        "CREATED": PENDING,
        "PENDING_APPROVAL": MANUAL_REVIEW,  # the merchant has to approve it
        "REFUND_REQUESTED": PENDING,  # sent to the bank; a card's stays here for days
        "REFUNDED": SUCCEEDED,
        "REJECTED": FAILED,
        "REJECTED_CAPTURE": FAILED,  # by the bank or the platform, while it was processed
        "REJECTED_CREDIT": FAILED,
        "CANCELLED": FAILED,  # before it was sent
    }
    unmapped = {
        "CAPTURED": "of the list that payments share, and said of payments alone",
        "PAID": "of the list that payments share, and said of payments alone",
        "ACCOUNT_CREDITED": "of the list that payouts share, and said of payouts alone",
        "REVERSED": "of the list that payments share: a payment that was taken back",
        "CHARGEBACKED": "of the list that payments share: a payment that the customer's bank took back",
    }
    identifiers = (
        frozenset({"connector_refund_id"}),
        frozenset({"connector_refund_id", "connector_transaction_id"}),  # the payment is handed through
        frozenset({"merchant_refund_id"}),
    )
    listing = Listing(basis="payment")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        if query.connector_refund_id:
            return self.ask(self._path("refunds", query.connector_refund_id))
        return self.ask(self._path("refunds"), {"merchantReference": query.merchant_refund_id, "limit": MOST_FOUND})

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        body = response.json()
        if not query.connector_refund_id:
            items = Fields(body).required_items("refunds")
            body = asked_refund(query, items, own_id=lambda item: item.required("id"), reference=_reference).value
        return self._refund(body, query.connector_transaction_id)

    @hookimpl
    def fetch_refunds(self, window: Window) -> Request:
        return self.ask(self._path("payments", window.connector_transaction_id or "", "refunds"))

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        items = Fields(response.json()).required_items("refunds")
        return page(items, lambda item: self._refund(item, window.connector_transaction_id))

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent | MappingError]:
        return each_event(event_items(event), self._event)

    def _path(self, *segments: str) -> str:
        return url_path("v1", self.merchant_id, *segments)

    def _event(self, item: object) -> RefundEvent | None:
        fields = Fields(item)
        if not (fields.word("type") or "").startswith("refund."):
            return None
        # The refund says how it stands, and the name of the event does not.
        refund = self._refund(fields.at("refund").value, None)
        return self.told(fields, refund)

    def _refund(self, body: object, payment: str | None) -> Refund:
        fields = Fields(body)
        currency = fields.text("refundOutput", "amountOfMoney", "currencyCode")
        return self.refund(
            fields,
            fields.word("status"),
            error=failure(fields),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=payment,
            merchant_refund_id=_reference(fields),
            refund_amount=fields.minor_money(
                "refundOutput", "amountOfMoney", "amount", currency=currency, exponents=hundredths(currency)
            ),
        )


def hundredths(currency: str | None) -> Mapping[str, int]:
    """Every amount has two decimals, whatever the currency has in ISO 4217."""
    return {currency.upper(): 2} if currency else {}


def _reference(fields: Fields) -> str | None:
    return fields.text("refundOutput", "references", "merchantReference")
