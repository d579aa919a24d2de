"""Elavon Converge: facts from developer.elavon.com (Converge XML API) and poynt/ElavonConvergeProcessor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import Any

from refundry import errors
from refundry.connector import Connector, Listing, setting
from refundry.hookspecs import hookimpl
from refundry.http import Moment, Request, Response, WireRequest, parse_form
from refundry.model import ErrorInfo, Refund, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page, xml_object
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry.times import from_format

PATH = "/processxml.do"
TIME_FORMAT = "%m/%d/%Y %I:%M:%S %p"
REFUND_TYPE = "RETURN"
VOID_TYPE = "DELETE"
APPROVED = "APPROVAL"
# Days are the account's own, whose zone may be up to this far from UTC.
ZONES = timedelta(days=1)

REFUSED = (errors.AuthenticationError, "check merchant_id, user_id, pin, vendor_id, environment and the user's rights")
BUSY = (errors.ProcessorUnavailable, "it could not answer, try again later")


class Elavon(Connector):
    """Elavon Converge, by its XML API for the United States and Canada; a refund is a transaction of its own."""

    name = "elavon"
    title = "Elavon"
    documentation = {
        "integration": "https://developer.elavon.com/na/docs/converge/1.0.0/integration-guide/integration_methods/xmlapi",
    }
    base_urls = {
        "api": {
            "SANDBOX": "https://api.demo.convergepay.com/VirtualMerchantDemo",
            "PRODUCTION": "https://api.convergepay.com/VirtualMerchant",
        }
    }
    statuses = {
        "STL": SUCCEEDED,  # settled
        "OPN": PENDING,  # in the open batch, and may still be voided
        "PEN": PENDING,  # held out of settlement by a user or a rule
        "REV": MANUAL_REVIEW,
        "PST": FAILED,  # by a rule after the authorisation
        "FPR": FAILED,  # by a rule against fraud
        "PRE": FAILED,  # by a rule before the authorisation
    }
    unmapped = {"DELETE": "a type of transaction: a void, which does not say whether of a return or of a sale"}
    # By code; the empty one stands for all others.
    refusals = {
        "5040": (errors.RefundNotFound, "no such transaction in this account"),
        **dict.fromkeys(("4000", "4013", "4014", "4016", "4019", "4025"), REFUSED),
        **dict.fromkeys(("3000", "3001", "3002", "3003", "4017", "4022"), BUSY),
        "": (errors.ConnectorError, "check the identifier"),
    }
    listing = Listing(basis="created", complete=False)

    merchant_id: str = setting(help="Account ID of Converge (6 or 7 digits)")
    user_id: str = setting(help="User ID of an API user who may view batches")
    pin: str = setting(secret=True, help="Terminal PIN of that user")
    vendor_id: str | None = setting(default=None, help="Vendor ID, for integrators")
    currency: str | None = setting(default=None, help="The terminal's currency (ISO 4217), which answers may not carry")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._query({"ssl_txn_id": query.connector_refund_id})

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        transactions = [Fields(item, where="txn") for item in _items(response)]
        if not transactions:
            raise errors.RefundNotFound("Elavon does not know this transaction in this account")
        for fields in transactions:
            if fields.required("ssl_txn_id") == query.connector_refund_id:
                return self._refund(fields, query.currency)
        raise errors.MappingError("the answer is about another transaction", field="txn.ssl_txn_id")

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        # One day in each request, for an answer has no pages.
        day = _day(window, cursor)
        first, last = f"{day:%m/%d/%Y} 12:00:00 AM", f"{day:%m/%d/%Y} 11:59:59 PM"
        return self._query({"ssl_search_start_date": first, "ssl_search_end_date": last})

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        following = _day(window, cursor) + timedelta(days=1)
        ended = following > (window.until + ZONES).date()
        return page(_items(response), self._listed, cursor=None if ended else following.isoformat())

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        fields = _answer(response)
        code = fields.text("errorCode")
        return None if fields.get("errorCode") is None else self.refusal(code, "", code=code)

    def _query(self, criteria: Mapping[str, str | None]) -> Request:
        fields = {"ssl_transaction_type": "txnquery", "ssl_time_zone_response_utc": "Y", **criteria}
        form = {"xmldata": f"<txn>{_elements(fields)}</txn>"}
        return Request("POST", PATH, form=form, headers={"Accept": "application/xml"}, auth=self._authenticate)

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        user = {"ssl_merchant_id": self.merchant_id, "ssl_user_id": self.user_id}
        credentials = {**user, "ssl_pin": self.pin, "ssl_vendor_id": self.vendor_id}
        query = parse_form(request.body or b"")["xmldata"].removeprefix("<txn>")
        return request.with_form({"xmldata": f"<txn>{_elements(credentials)}{query}"})

    def _listed(self, body: object) -> Refund | None:
        fields = Fields(body, where="txn")
        return self._refund(fields, None) if fields.required("ssl_transaction_type") == REFUND_TYPE else None

    def _refund(self, fields: Fields, currency: str | None) -> Refund:
        currency = fields.text("ssl_transaction_currency") or currency or self.currency
        message = fields.text("ssl_issuer_response") or fields.text("ssl_result_message")
        return self.refund(
            fields,
            _word(fields),
            failure=ErrorInfo.of(message=message) if message != APPROVED else None,
            connector_refund_id=fields.required("ssl_txn_id"),
            merchant_refund_id=fields.text("ssl_merchant_txn_id") or fields.text("ssl_invoice_number"),
            refund_amount=fields.decimal_money("ssl_amount", currency=currency),
            created_at=fields.read(read_time, "ssl_txn_time"),
            processed_at=fields.read(read_time, "ssl_settle_time"),
        )


def _day(window: Window, cursor: str | None) -> date:
    return date.fromisoformat(cursor) if cursor else (window.since - ZONES).date()


def _elements(fields: Mapping[str, str | None]) -> str:
    return "".join(f"<{name}>{escape(value, quote=False)}</{name}>" for name, value in fields.items() if value)


def _answer(response: Response) -> Fields:
    root = response.xml()
    if root.tag not in ("txn", "txnlist"):
        raise errors.MappingError("the body is XML, and not of Converge: check base_url", field="txn")
    return Fields(xml_object(root))


def _items(response: Response) -> list[Any]:
    fields = _answer(response)
    if fields.get("ssl_txn_count") is None and fields.get("txn") is None:
        return [fields.value]
    items = fields.several("txn")
    if fields.required("ssl_txn_count") != str(len(items)):
        raise errors.MappingError("the list is not complete: ssl_txn_count differs", field="ssl_txn_count")
    return items


def _word(fields: Fields) -> str | None:
    kind = fields.required("ssl_transaction_type")
    if kind == VOID_TYPE:
        return kind
    if kind != REFUND_TYPE:
        raise errors.NotARefund("this transaction is not a return: give the ssl_txn_id that the return call gave")
    return fields.word("ssl_trans_status")


def read_time(value: object) -> datetime:
    """A time as Converge writes it, in UTC. Raises `ValueError`."""
    return from_format(value, TIME_FORMAT, zone=UTC)
