"""Worldline Direct: facts from docs.direct.worldline-solutions.com on statuses and webhooks, and Worldline's SDKs."""

from __future__ import annotations

from collections.abc import Sequence

from refundry.connector import Listing
from refundry.errors import MappingError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, asked_refund, each_event, page
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry_worldline.platform import WorldlinePlatform, event_items, failure

# Words that have no code of their own.
WITHOUT_CODE = ("CREATED", "CANCELLED")
# The codes of refunds among those of all operations, which events call payments.
REFUND_CODES = ("8", "81", "82", "83", "84", "85", "94")


class WorldlineDirect(WorldlinePlatform):
    """Worldline Direct (once Ogone and Ingenico Direct), where refunds are asked for by their payment."""

    name = "worldline-direct"
    title = "Worldline Direct"
    documentation = {
        "statuses": "https://docs.direct.worldline-solutions.com/en/integration/api-developer-guide/statuses",
        "webhooks": "https://docs.direct.worldline-solutions.com/en/integration/api-developer-guide/webhooks",
        "SDK": "https://github.com/wl-online-payments-direct/sdk-python3",
    }
    base_urls = {
        "api": {
            "SANDBOX": "https://payment.preprod.direct.worldline-solutions.com",
            "PRODUCTION": "https://payment.direct.worldline-solutions.com",
        }
    }
    # The status, and after a slash the statusCode.
    statuses = {
        "CREATED": PENDING,
        "REFUND_REQUESTED/81": PENDING,  # the same refund becomes 8 or 83 later
        "REFUND_REQUESTED/82": MANUAL_REVIEW,  # the acquirer gave no clear answer
        "REFUNDED/8": SUCCEEDED,
        "REFUNDED/85": SUCCEEDED,  # made by the merchant outside the platform
        "REJECTED/83": FAILED,  # by the acquirer
        "REJECTED/84": FAILED,
        "REJECTED/94": FAILED,
        "CANCELLED": FAILED,  # before it was sent
    }
    unmapped = {"REJECTED_CAPTURE": "a capture that was refused"}
    identifiers = (
        frozenset({"connector_transaction_id", "connector_refund_id"}),
        frozenset({"connector_transaction_id", "merchant_refund_id"}),
        frozenset({"connector_refund_id"}),
    )
    listing = Listing(basis="payment")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._refunds_of(_payment_of(query))

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        items = Fields(response.json()).required_items("refunds")
        asked = asked_refund(query, items, own_id=lambda item: item.required("id"), reference=_reference)
        return self._refund(asked.value, _payment_of(query))

    @hookimpl
    def fetch_refunds(self, window: Window) -> Request:
        return self._refunds_of(window.connector_transaction_id or "")

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        items = Fields(response.json()).required_items("refunds")
        return page(items, lambda item: self._refund(item, window.connector_transaction_id))

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent | MappingError]:
        return each_event(event_items(event), self._event)

    def _refunds_of(self, payment: str) -> Request:
        return self.ask(url_path("v2", self.merchant_id, "payments", payment, "refunds"))

    def _event(self, item: object) -> RefundEvent | None:
        fields = Fields(item)
        name = fields.word("type") or ""
        kind = name.partition(".")[0]
        if kind not in ("refund", "payment"):
            return None
        subject = fields.at(kind)
        is_refund = kind == "refund" or name == "payment.refunded"
        if not is_refund and subject.word("statusOutput", "statusCode") not in REFUND_CODES:
            return None
        refund = self._refund(subject.value, _first_operation(subject.required("id")))
        return self.told(fields, refund)

    def _refund(self, body: object, payment: str | None) -> Refund:
        fields = Fields(body)
        currency = fields.text("refundOutput", "amountOfMoney", "currencyCode")
        return self.refund(
            fields,
            _condition(fields),
            error=failure(fields),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=payment,
            merchant_refund_id=_reference(fields),
            # An event about a "payment" has its amount elsewhere, and does not say whose it is.
            refund_amount=fields.minor_money("refundOutput", "amountOfMoney", "amount", currency=currency),
        )


def _payment_of(query: RefundQuery) -> str:
    return query.connector_transaction_id or _first_operation(query.connector_refund_id or "")


def _first_operation(operation: str) -> str:
    """The id of the payment of this refund: both are ``<payment>_<operation>``, and a payment begins with 0."""
    return f"{operation.partition('_')[0]}_0"


def _reference(fields: Fields) -> str | None:
    return fields.text("refundOutput", "operationReferences", "merchantReference") or fields.text(
        "refundOutput", "references", "merchantReference"
    )


def _condition(fields: Fields) -> str | None:
    status, code = fields.word("status"), fields.word("statusOutput", "statusCode")
    if status is None or code is None or status in WITHOUT_CODE:
        return status
    return f"{status}/{code}"
