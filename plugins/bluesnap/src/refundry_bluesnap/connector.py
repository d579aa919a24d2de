"""BlueSnap: facts from developers.bluesnap.com (payment and reporting API) and support.bluesnap.com (webhooks)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, timedelta, timezone

from refundry.auth import basic_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.errors import ConnectorError, InvalidQuery, NotARefund, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Params, Request, Response, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, asked_refund, page
from refundry.signing import check_hmac, check_sent, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry.times import from_iso

REPORT_ZONE = timezone(timedelta(hours=-8))  # the same all year
# Payments that are no card's, by letters alone; BlueSnap keeps them apart and says less about their refunds.
ALTERNATIVES = {
    "ach", "ecp", "paypal", "sepa", "sepadirectdebit", "paybybank", "sofort", "ideal", "localbanktransfer",
    "acssdirectdebit", "becsdirectdebit",
}  # fmt: skip


class BlueSnap(Connector):
    """BlueSnap, by its Payment API in JSON; a refund is a transaction of its own."""

    name = "bluesnap"
    title = "BlueSnap"
    documentation = {
        "transactions": "https://developers.bluesnap.com/v8976-JSON/reference/retrieve",
        "refunds": "https://developers.bluesnap.com/v8976-JSON/reference/refund-1",
        "errors": "https://developers.bluesnap.com/v8976-JSON/reference/error-handling-overview",
        "reports": "https://developers.bluesnap.com/v8976-Tools/reference/report-pagination",
        "webhooks": "https://support.bluesnap.com/docs/ipn-setup",
    }
    base_urls = {"api": {"SANDBOX": "https://sandbox.bluesnap.com", "PRODUCTION": "https://ws.bluesnap.com"}}
    statuses = {
        "SUCCESS": SUCCEEDED,
        "PENDING": PENDING,  # the merchant's balance is too small, and the refund waits for it
        "FAIL": FAILED,  # not in the documents of refunds, and expected by hyperswitch-prism
        "PENDING_MERCHANT_REVIEW": MANUAL_REVIEW,  # likewise
    }
    any_case = True  # as other integrations read them
    refusals = {
        403: (RefundNotFound, "no such transaction, or not for these credentials, their roles or payment_method_type"),
        503: (RateLimited, "ask less often"),
        **dict.fromkeys((400, 409, 422), (ConnectorError, "check the identifiers")),
    }
    # Reports are two to three hours late.
    listing = Listing(basis="created", by_payment=True, complete=False, max_page_size=5000)
    unsigned_events = True
    # Sent again up to 11 times, 4 hours apart; the time has no zone, and nothing says that it is signed anew.
    event_tolerance = timedelta(days=4)

    api_username: str = setting(help="API Username of the API Credentials")
    api_password: str = setting(secret=True, help="API Password of the API Credentials")
    webhook_key: Secrets = signing_secrets(default=Secrets(), help="Key of signed webhooks (IPN), where switched on")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        if not _alternative(query):
            return self._get(url_path("services", "2", "transactions", query.connector_refund_id))
        if not query.connector_transaction_id:
            raise InvalidQuery("a refund of this payment_method_type is in its payment: give connector_transaction_id")
        return self._get(url_path("services", "2", "alt-transactions", query.connector_transaction_id))

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        fields = Fields(response.json())
        if kind := _alternative(query):
            items = fields.required_items("refunds", "refund")
            # They have no identifier of the merchant's.
            asked = asked_refund(query, items, own_id=_own_id, reference=_own_id)
            return self._listed(asked, query.connector_transaction_id, kind)
        if fields.required("cardTransactionType").upper() != "REFUND":
            raise NotARefund("this is a transaction of another type: give the refund's own transaction id")
        return self.refund(
            fields,
            fields.word("processingInfo", "processingStatus"),
            connector_refund_id=fields.required("transactionId"),
            connector_transaction_id=query.connector_transaction_id,
            merchant_refund_id=fields.text("merchantTransactionId"),
            refund_amount=fields.decimal_money("amount", currency=fields.text("currency")),
        )

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            return self._get(url_path("services", "2", "transactions", window.connector_transaction_id))
        report = "/services/2/report/TransactionDetail"
        if cursor:
            return self._get(report, {"nextPageToken": cursor})
        # Whole days, and the last one counts.
        days = (moment.astimezone(REPORT_ZONE) for moment in (window.since, window.until - timedelta(microseconds=1)))
        since, until = (f"{day:%m/%d/%Y}" for day in days)
        dates = {"period": "CUSTOM", "from_date": since, "to_date": until}
        return self._get(report, {**dates, "transactionType": "REFUND", "pageSize": window.page_size})

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        fields = Fields(response.json())
        if window.connector_transaction_id is None:
            # The report says no status, so each refund is asked for.
            return page(fields.required_items("data"), _reported, cursor=response.header("next-page-token") or None)
        payment_id = fields.required("transactionId")
        # A payment without refunds has no such part.
        items = fields.required_items("refunds", "refund") if fields.get("refunds") is not None else []
        return page(items, lambda item: self._listed(Fields(item), payment_id))

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code not in self.refusals:
            return None
        message = Fields(response.json()).first("message")
        code = message.text("errorName") or message.text("code")
        # Too many requests are said with the status of an outage.
        limited = re.search(r"\brate\b|concurren|too many", message.text("description") or "", re.IGNORECASE)
        is_outage = response.status_code == 503 and not limited
        return None if is_outage else self.refusal(response.status_code, code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        # The older authkey covers no body. What is kept of an unsigned event is enough to ask BlueSnap itself.
        if not self.webhook_key:
            return False
        sent = required_header(event, "bls-ipn-timestamp")
        signed = sent.encode(errors="surrogatepass") + event.body
        check_hmac(self.webhook_key.every(), signed, required_header(event, "bls-signature"))
        check_sent(event, sent, self.event_tolerance, read=lambda text: from_iso(text, zone=UTC))
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.form())
        kind = fields.required("transactionType")
        # The name for a pending refund is in no document that we know; a hint claims nothing.
        if "REFUND" not in kind:
            return []
        refund_id = fields.text("reversalRefNum")
        read_payment = fields.text if refund_id else fields.required
        query = RefundQuery(
            connector_refund_id=refund_id,
            connector_transaction_id=read_payment("referenceNumber"),
            payment_method_type=fields.text("paymentMethod"),
        )
        return [RefundEvent(query=query, event_id=f"{kind}-{refund_id}" if refund_id else None)]

    def _get(self, path: str, params: Params = ()) -> Request:
        return Request("GET", path, params=params, auth=basic_auth(self.api_username, self.api_password))

    def _listed(self, fields: Fields, payment_id: str | None, kind: str | None = None) -> Refund:
        return self.refund(
            fields,
            fields.word("refundStatus"),
            connector_refund_id=_own_id(fields),
            connector_transaction_id=payment_id,
            refund_amount=fields.decimal_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("reason"),
            metadata={"payment_method_type": kind} if kind else {},
        )


def _alternative(query: RefundQuery) -> str | None:
    """The payment's type where it is no card's; it comes again with the refund, to ask for it once more."""
    kind = query.payment_method_type or query.metadata.get("payment_method_type") or ""
    return kind if re.sub("[^a-z]", "", kind.lower()) in ALTERNATIVES else None


def _own_id(refund: Fields) -> str:
    return refund.required("refundTransactionId")


def _reported(item: object) -> RefundQuery:
    row = Fields(item)
    return RefundQuery(
        connector_refund_id=row.required("Invoice ID"),
        connector_transaction_id=row.text("Original Invoice ID"),
        payment_method_type=row.text("Payment Type"),
    )
