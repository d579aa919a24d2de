"""MultiSafepay: facts from docs.multisafepay.com, MultiSafepay/docs (its OpenAPI file) and MultiSafepay/php-sdk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry import errors
from refundry.auth import header_auth
from refundry.connector import Connector, Listing, one_of, setting
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, each_event, page
from refundry.signing import check_hmac, check_sent, decode_base64, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED


class MultiSafepay(Connector):
    """MultiSafepay, by its JSON API; a refund is a transaction of its own."""

    name = "multisafepay"
    title = "MultiSafepay"
    documentation = {
        "transactions": "https://docs.multisafepay.com/reference/listtransactions",
        "statuses": "https://docs.multisafepay.com/docs/payment-statuses",
        "webhooks": "https://docs.multisafepay.com/docs/webhook",
    }
    base_urls = {
        "api": {
            "SANDBOX": "https://testapi.multisafepay.com/v1/json",
            "PRODUCTION": "https://api.multisafepay.com/v1/json",
        }
    }
    statuses = {
        "initialized": PENDING,
        "reserved": PENDING,  # until about midnight, or until the account's balance is enough
        "completed": SUCCEEDED,  # handed to the bank or scheme
        "refunded": SUCCEEDED,  # usually said of the order
        "partial_refunded": SUCCEEDED,  # likewise
        "declined": FAILED,
        "void": FAILED,  # cancelled while it was initialized or reserved
        "cancelled": FAILED,  # the same in the words of the financial status
        "expired": FAILED,
        "uncleared": MANUAL_REVIEW,  # to be captured or declined by hand
    }
    unmapped = {
        **dict.fromkeys(
            ("new", "created", "error", "manual"), "a filter of lists alone has it, without saying what it means"
        ),
        "chargeback": "a dispute about a payment",
        "shipped": "a status of the order",
    }
    refusals = {
        "1006": (errors.RefundNotFound, "no such transaction or order for this API key"),
        "1020": (errors.AuthenticationError, "the account is blocked"),
        "1023": (errors.ProcessorUnavailable, "the gateway is down, try again later"),
        "1032": (errors.AuthenticationError, "check the API key, its site and the environment"),
        "": (errors.ConnectorError, "check the identifiers"),
    }
    listing = Listing(basis="created", by_payment=True, max_page_size=1000)
    credentials = one_of({"api_key"}, {"account_api_key"}, needed_for={"list"})
    settles_within = timedelta(days=1)
    event_tolerance = timedelta(minutes=10)

    api_key: str = setting(
        secret=True, needed_for={"get", "webhook"}, help="API key of the site (website) that the payment was made on"
    )
    account_api_key: str | None = setting(
        secret=True, default=None, needed_for={"list"}, help="API key of the account, to list the refunds of all sites"
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("transactions", query.connector_refund_id), self.api_key)

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        fields = Fields(response.json()).at("data")
        order_id = fields.text("order_id")
        # A refund has its payment's order id, unless it was made with one of its own.
        is_own = order_id == query.merchant_refund_id
        payment = query.connector_transaction_id or (None if is_own else order_id)
        return self._refund(fields, payment, own_id=order_id)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            return self._get(url_path("orders", window.connector_transaction_id), self.api_key or self.account_api_key)
        since, until = window.unix()
        params = {"type": "refund", "created_from": since, "created_until": until}
        paging = {"limit": window.page_size, "after": cursor}
        return self._get("/transactions", self.account_api_key or self.api_key, {**params, **paging})

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        fields = Fields(response.json())
        if window.connector_transaction_id:
            order = fields.at("data")
            order_id, items = order.required("order_id"), order.items("related_transactions")
            return page(items, lambda item: self._related(item, order_id))
        items, pager = fields.required_items("data"), fields.at("pager")
        if items and not pager.value:
            raise errors.MappingError("pager is missing", field="pager")
        # The last page with data has a cursor too, which leads to an empty one.
        return page(items, self._listed, cursor=pager.word("cursor", "after") if items else None)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code in (401, 429) or response.status_code >= 500:
            return None
        fields = Fields(response.json())
        # Some answers have a message alone, and then the HTTP status says it all.
        if fields.get("success") is not False:
            return None
        code = fields.text("error_code")
        return self.refusal(code, "", code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        try:
            decoded = decode_base64(required_header(event, "Auth"), "the header Auth").decode()
        except ValueError:
            raise errors.SignatureError("the header Auth has no time and signature") from None
        sent, _, signature = decoded.partition(":")
        check_hmac([self.api_key.strip()], f"{sent}:".encode() + event.body, signature, digest="sha512")
        check_sent(event, sent, self.event_tolerance)
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent | errors.MappingError]:
        order = Fields(event.json())
        order_id = order.required("order_id")
        return each_event(order.items("related_transactions"), lambda item: self._event(item, order_id))

    @hookimpl
    def acknowledge_event(self, accepted: bool) -> Response | None:
        return Response(200, {"Content-Type": "text/plain"}, b"OK") if accepted else None

    def _get(self, path: str, key: str | None, params: Params = ()) -> Request:
        return Request("GET", path, params=params, auth=header_auth({"api_key": key or ""}))

    def _event(self, item: object, order_id: str) -> RefundEvent:
        related = self._related(item, order_id)
        if isinstance(related, RefundQuery):
            return RefundEvent(query=related)
        return RefundEvent(refund=related, event_id=f"{related.connector_refund_id}-{related.connector_status}")

    def _related(self, item: object, order_id: str) -> Refund | RefundQuery:
        fields = Fields(item)
        refund_id = fields.required("transaction_id")
        if fields.word("type") is None:
            # Older orders do not say what their transactions are: each is to be asked for.
            return RefundQuery(connector_refund_id=refund_id, connector_transaction_id=order_id)
        return self._refund(fields, order_id, own_id=fields.text("refund_order_id") or fields.text("order_id"))

    def _listed(self, item: object) -> Refund:
        fields = Fields(item)
        return self._refund(fields, fields.text("order_id"), own_id=None)

    def _refund(self, fields: Fields, payment: str | None, *, own_id: str | None) -> Refund:
        if fields.required("type") != "refund":
            raise errors.NotARefund("this is a transaction of another type: give the refund's own transaction_id")
        return self.refund(
            fields,
            self._word(fields),
            connector_refund_id=fields.required("transaction_id"),
            connector_transaction_id=payment,
            merchant_refund_id=own_id if own_id != payment else None,
            refund_amount=fields.minor_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("description"),
        )

    def _word(self, fields: Fields) -> str | None:
        """The status; both where the financial status means something else."""
        word, financial = fields.word("status"), fields.word("financial_status")
        if word is None or financial is None:
            return word
        return word if self.statuses.get(word) is self.statuses.get(financial) else f"{word}/{financial}"
