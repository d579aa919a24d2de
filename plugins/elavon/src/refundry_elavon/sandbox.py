"""Elavon's side, for the sandbox: the inverse of the mapping in `refundry_elavon.connector`."""

from __future__ import annotations

from datetime import timedelta
from xml.etree.ElementTree import Element, SubElement, tostring

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Response, parse_xml
from refundry.model import Refund
from refundry.reading import Fields, xml_object
from refundry.sandbox import Book, Call, ConnectorSandbox, unknown_call
from refundry.writing import currency_of
from refundry_elavon.connector import APPROVED, PATH, REFUND_TYPE, TIME_FORMAT, Elavon, read_time


def _fill(parent: Element, fields: dict[str, str | None]) -> Element:
    for name, value in fields.items():
        SubElement(parent, name).text = value
    return parent


def _error(code: str, name: str) -> Response:
    return _xml(_fill(Element("txn"), {"errorCode": code, "errorName": name, "errorMessage": name}))


def _xml(root: Element) -> Response:
    return Response(200, {"Content-Type": "text/xml; charset=UTF-8"}, tostring(root, "UTF-8"))


class ElavonSandbox(ConnectorSandbox[Elavon]):
    """Elavon, as developer.elavon.com describes the answers of Converge; its account's days are those of UTC."""

    settings = {"merchant_id": "0090010", "user_id": "refundryapi", "pin": "SANDBOXREFUNDRYTERMINALPIN000001"}
    refund_ids = "010126A43-5E1F0C2A-7B1D-4C3E-9A2B-{:012}"
    payment_ids = "010126A42-5E1F0C2A-7B1D-4C3E-9A2C-{:012}"
    lives = {
        "settles": ("OPN", "STL"),
        "fails": ("OPN", "PST"),
        "held": ("REV",),
    }
    expressible = ConnectorSandbox.expressible | {"merchant_refund_id", "processed_at"}
    currency = "USD"
    errors = {
        AuthenticationError: _error("4025", "Invalid Credentials"),
        RefundNotFound: _error("5040", "Invalid Transaction ID"),
        RateLimited: Response(429),
        ProcessorUnavailable: _error("4022", "System Unavailable"),
        RefundryError: _error("4010", "Invalid Transaction Type"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        ours = (self.connector.merchant_id, self.connector.user_id, self.connector.pin)
        fields = _asked(call)
        if tuple(fields.get(f"ssl_{name}") for name in ("merchant_id", "user_id", "pin")) != ours:
            raise AuthenticationError("the credentials are not the sandbox's")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        fields = _asked(call)
        if (call.method, call.path, fields.get("ssl_transaction_type")) != ("POST", PATH, "txnquery"):
            raise unknown_call()
        if fields.get("ssl_txn_id") is not None:
            return self.render_refund(book.refund(fields.text("ssl_txn_id")))
        since, until = (read_time(fields.get(f"ssl_search_{end}_date")) for end in ("start", "end"))
        return _render_list(book.listed(since=since, until=until + timedelta(seconds=1)))

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _xml(_fill(Element("txn"), _refund(refund)))


def _asked(call: Call) -> Fields:
    return Fields(xml_object(parse_xml(call.form().get("xmldata", "").encode())))


def _refund(refund: Refund) -> dict[str, str | None]:
    amount = refund.refund_amount
    return {
        "ssl_txn_id": refund.connector_refund_id,
        "ssl_merchant_txn_id": refund.merchant_refund_id,
        "ssl_trans_status": refund.connector_status,
        "ssl_card_type": "CREDITCARD",
        "ssl_transaction_type": REFUND_TYPE,
        "ssl_txn_time": f"{refund.created_at:{TIME_FORMAT}}" if refund.created_at else None,
        "ssl_settle_time": f"{refund.processed_at:{TIME_FORMAT}}" if refund.processed_at else None,
        "ssl_amount": f"{amount.decimal:f}" if amount else None,
        "ssl_transaction_currency": currency_of(refund),
        "ssl_result_message": APPROVED,
    }


def _render_list(refunds: list[Refund]) -> Response:
    root = _fill(Element("txnlist"), {"ssl_txn_count": str(len(refunds))})
    for refund in refunds:
        _fill(SubElement(root, "txn"), _refund(refund))
    return _xml(root)
