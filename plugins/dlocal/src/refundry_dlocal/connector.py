"""dLocal: facts from docs.dlocal.com on refunds, their status codes and errors, signatures and notifications."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry.connector import Connector, setting
from refundry.errors import AuthenticationError, ConnectorError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Request, Response, WireRequest, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundQuery
from refundry.reading import Fields
from refundry.signing import check_hmac, check_sent, hmac_hex, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import from_iso, to_iso

SCHEME = "V2-HMAC-SHA256, Signature: "


class DLocal(Connector):
    """dLocal, by its Payins API."""

    name = "dlocal"
    title = "dLocal"
    documentation = {
        "refunds": "https://docs.dlocal.com/reference/the-refund-object",
        "status codes": "https://docs.dlocal.com/reference/refund-status-codes",
        "signatures": "https://docs.dlocal.com/reference/payins-security",
        "notifications": "https://docs.dlocal.com/docs/receive-notifications",
        "errors": "https://docs.dlocal.com/reference/http-errors-refunds",
    }
    base_urls = {"api": {"SANDBOX": "https://sandbox.dlocal.com", "PRODUCTION": "https://api.dlocal.com"}}
    statuses = {
        "PENDING": PENDING,
        "SUCCESS": SUCCEEDED,
        "REJECTED": FAILED,
        "CANCELLED": FAILED,  # nothing goes to the customer by this refund
    }
    unmapped = {"COMPLETED": "a status of a chargeback, whose notification looks like a refund's"}
    # By code, and where that is unknown, by HTTP status.
    refusals = {
        "3001": (AuthenticationError, "check login, trans_key, secret_key and the environment"),
        "3002": (AuthenticationError, "the account's list of allowed addresses leaves this machine out"),
        "3003": (AuthenticationError, "this merchant may not use the API"),
        "4000": (RefundNotFound, "no such payment in this account and environment"),
        "4001": (RefundNotFound, "no such refund in this account and environment"),
        400: (ConnectorError, "check the identifiers"),
    }
    # A refused notification is sent again for up to 7 days, and nothing says that it is signed anew.
    event_tolerance = timedelta(days=8)

    login: str = setting(needed_for={"get", "webhook"}, help="x-login of the Integration page")
    trans_key: str = setting(secret=True, help="x-trans-key of the Integration page")
    secret_key: str = setting(secret=True, needed_for={"get", "webhook"}, help="Secret key of the Integration page")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        headers = {"X-Version": "2.1", "Content-Type": "application/json"}
        path = url_path("refunds", query.connector_refund_id)
        return Request("GET", path, headers=headers, auth=self._authenticate)

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(Fields(response.json()))

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code < 400:
            return None
        code = Fields(response.json()).text("code")
        return self.refusal(code, response.status_code, code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        sent = required_header(event, "X-Date")
        check_sent(event, sent, self.event_tolerance, read=from_iso)
        given = required_header(event, "Authorization").partition("Signature:")[2].strip()
        check_hmac([self.secret_key], self._signed(sent, event.body), given)
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        refund_id = fields.text("id") or ""
        # Payments and chargebacks are notified with much the same fields, and only a payment belongs to no payment.
        if refund_id.startswith("CHAR") or not (refund_id.startswith("REF") or _payment_of(fields)):
            return []
        refund = self._refund(fields)
        return [RefundEvent(query=refund.query(), refund=refund if refund_id.startswith("REF") else None)]

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        date = to_iso(moment.now, "milliseconds")
        signature = hmac_hex(self.secret_key.encode(), self._signed(date, request.body or b""))
        keys = {"X-Login": self.login, "X-Trans-Key": self.trans_key}
        return request.with_headers({"X-Date": date, **keys, "Authorization": f"{SCHEME}{signature}"})

    def _signed(self, date: str, body: bytes) -> bytes:
        # A header of a webhook may hold half a character.
        return f"{self.login}{date}".encode(errors="surrogatepass") + body

    def _refund(self, fields: Fields) -> Refund:
        return self.refund(
            fields,
            fields.word("status"),
            failure=ErrorInfo.of(code=fields.text("status_code"), message=fields.text("status_detail")),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=_payment_of(fields),
            merchant_refund_id=fields.text("order_refund_id"),
            refund_amount=fields.decimal_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("description"),
            created_at=fields.iso_time("created_date"),
        )


def _payment_of(fields: Fields) -> str | None:
    # The second name is that of older answers.
    return fields.text("payment_id") or fields.text("id_payment")
