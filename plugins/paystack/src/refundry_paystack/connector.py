"""Paystack: facts from paystack.com/docs on refunds, webhooks and errors, and PaystackOSS/openapi."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry.auth import bearer_auth
from refundry.connector import ALWAYS, Connector, Listing, setting
from refundry.errors import AuthenticationError, ConnectorError, MappingError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.money import Exponents
from refundry.reading import Fields, page
from refundry.signing import check_hmac, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry.times import to_iso


class Paystack(Connector):
    """Paystack, by its REST API; one host, and the key says whether it is test or live."""

    name = "paystack"
    title = "Paystack"
    documentation = {
        "refunds": "https://paystack.com/docs/api/refund",
        "statuses": "https://support.paystack.com/en/articles/2130434",
        "webhooks": "https://paystack.com/docs/payments/webhooks",
        "refund webhooks": "https://paystack.com/docs/payments/refunds",
        "currencies": "https://paystack.com/docs/api",
        "errors": "https://paystack.com/docs/api/errors",
    }
    base_urls = {"api": {"SANDBOX": "https://api.paystack.co", "PRODUCTION": "https://api.paystack.co"}}
    statuses = {
        "pending": PENDING,  # not yet with the bank or partner that makes the refund
        "processing": PENDING,  # that one has received it
        "processed": SUCCEEDED,
        "failed": FAILED,  # the merchant gets the money back
        "needs-attention": MANUAL_REVIEW,  # waits for the customer's bank details, and may succeed then
    }
    refusals = {
        400: (ConnectorError, "it found the request invalid: check the identifiers"),
        401: (AuthenticationError, "check secret_key"),
        404: (RefundNotFound, "no such refund or payment for this key and its mode"),
        422: (ConnectorError, "it found the request invalid: check the identifiers"),
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=100)
    key_prefixes = {"secret_key": {"SANDBOX": ("sk_test_",), "PRODUCTION": ("sk_live_",)}}

    secret_key: str = setting(
        secret=True, needed_for=ALWAYS, help="Secret key (sk_test_... or sk_live_...); it signs webhooks too"
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("refund", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(Fields(response.json()).at("data").value)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if cursor is None and _has_reference(window):
            return self._get(url_path("transaction", "verify", window.connector_transaction_id))
        payment, number = _place(window, cursor)
        # Whether the ends count is not said; the client leaves out what is outside.
        asked = window.widened(timedelta(seconds=1))
        times = {"from": to_iso(asked.since), "to": to_iso(asked.until)}
        filters = {"transaction": payment} if payment else times
        return self._get("/refund", {"perPage": window.page_size, "page": number, **filters})

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        fields = Fields(response.json())
        if cursor is None and _has_reference(window):
            return RefundPage(cursor=f"{fields.required('data', 'id')}/1")
        items = fields.required_items("data")
        payment, number = _place(window, cursor)
        # Pages may be shorter than asked for, and the number of pages may be missing: an empty one is the last then.
        is_last = not items or fields.text("meta", "pageCount") == str(number)
        return page(items, self._refund, cursor=None if is_last else f"{payment}/{number + 1}")

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        status = response.status_code
        if status not in self.refusals and not 200 <= status < 300:
            return None
        fields = Fields(response.json())
        accepted, code = fields.get("status"), fields.text("code")
        if status in self.refusals:
            return self.refusal(status, code=code)
        if accepted is False:
            return ConnectorError("Paystack refused the request within a good answer: check the identifiers", code=code)
        if accepted is not True:
            raise MappingError("status does not say whether the call was accepted", field="status")
        return None

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        check_hmac([self.secret_key], event.body, required_header(event, "X-Paystack-Signature"), digest="sha512")
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind = fields.word("event") or ""
        if not kind.startswith("refund."):
            return []
        data = fields.at("data")
        payment = data.required("transaction_reference")
        # There is no event id, and two equal refunds of one payment look the same until they have a reference.
        distinct = data.text("refund_reference") or event.received_at.isoformat()
        event_id = f"{kind}/{payment}/{distinct}"
        if data.text("id") is None:
            return [RefundEvent(query=RefundQuery(connector_transaction_id=payment), event_id=event_id)]
        return [RefundEvent(refund=self._refund(data.value), event_id=event_id)]

    def _get(self, path: str, params: Params = ()) -> Request:
        return Request("GET", path, params=params, auth=bearer_auth(self.secret_key))

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        word, currency = fields.word("status"), fields.text("currency")
        status = self.status_of(word)
        payment, reference = _payment(fields)
        return self.refund(
            fields,
            word,
            error=ErrorInfo.of(message=fields.text("reason")) if status in (FAILED, MANUAL_REVIEW) else None,
            connector_refund_id=fields.required("id"),
            connector_transaction_id=payment,
            refund_amount=fields.minor_money("amount", currency=currency, exponents=hundredths(currency)),
            refund_reason=fields.text("customer_note") or fields.text("merchant_note"),
            created_at=fields.iso_time("createdAt") or fields.iso_time("created_at"),
            updated_at=fields.iso_time("updatedAt") or fields.iso_time("updated_at"),
            # The field is filled in for refunds that are not yet made as well.
            processed_at=fields.iso_time("refunded_at") if status is SUCCEEDED else None,
            acquirer_reference_number=fields.text("bank_reference"),
            metadata={"transaction_reference": reference} if reference else {},
        )


def hundredths(currency: str | None) -> Exponents:
    """Two decimals, which Paystack gives every currency, also those that have none (paystack.com/docs/api)."""
    return {(currency or "").upper(): 2}


def _payment(fields: Fields) -> tuple[str | None, str | None]:
    """The payment's id and reference; it is an object where the refund has just been made, else its id alone."""
    if isinstance(fields.get("transaction"), dict):
        return fields.text("transaction", "id"), fields.text("transaction", "reference")
    return fields.text("transaction"), fields.text("transaction_reference")


def _has_reference(window: Window) -> bool:
    """Whether the payment is named by its reference, as webhooks do; the list knows the id alone, a whole number."""
    payment = window.connector_transaction_id
    return payment is not None and not (payment.isascii() and payment.isdigit())


def _place(window: Window, cursor: str | None) -> tuple[str, int]:
    """The payment's id, empty in a list by time, and the number of the page."""
    payment, _, number = (cursor or f"{window.connector_transaction_id or ''}/1").rpartition("/")
    return payment, int(number)
