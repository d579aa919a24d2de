"""NMI's side, for the sandbox: the inverse of the mapping in `refundry_nmi.connector`."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, unknown_call
from refundry.signing import hmac_hex
from refundry.status import FAILED
from refundry.writing import currency_of
from refundry_nmi.connector import APPROVED, EVENT_WORDS, NMI, PATH, read_time

# What a refund's last event was; nothing is sent when one is settled.
KINDS = {
    "failed": "transaction.refund.failure",
    "refund/0": "transaction.refund.failure",
    "unknown": "transaction.refund.unknown",
    "canceled": "transaction.void.success",
}


def _render(refunds: Sequence[Refund]) -> Response:
    root = Element("nm_response")
    for refund in refunds:
        _add_transaction(root, refund)
    return Response(200, {"Content-Type": "text/xml; charset=UTF-8"}, tostring(root, "UTF-8"))


def _add_transaction(root: Element, refund: Refund) -> None:
    words = (refund.connector_status or "").split("/")
    # As an action of its payment, or as a transaction of its own.
    as_action = words[0] == "refund"
    transaction = SubElement(root, "transaction")
    facts = {
        "transaction_id": refund.connector_refund_id,
        "transaction_type": "ck" if words[-1].endswith("return") else "cc",
        "condition": "complete" if as_action else words[0],
        "original_transaction_id": refund.connector_transaction_id,
        "order_id": refund.merchant_refund_id,
        "currency": currency_of(refund),
    }
    _add(transaction, facts)
    if as_action:
        _add(SubElement(transaction, "action"), {"action_type": "sale", "success": "1", "response_code": APPROVED})
    _add(SubElement(transaction, "action"), _action(refund, words[1] if as_action else "1"))
    for kind in words[2 if as_action else 1 :]:
        _add(SubElement(transaction, "action"), {"action_type": kind, "success": "1"})


def _add(parent: Element, facts: dict[str, str | None]) -> None:
    for name, value in facts.items():
        SubElement(parent, name).text = value


def _action(refund: Refund, success: str) -> dict[str, str | None]:
    amount, error = refund.refund_amount, refund.error
    code = "300" if refund.status is FAILED and success == "0" else APPROVED
    return {
        "amount": f"-{amount.decimal:f}" if amount else None,
        "action_type": "refund",
        "date": f"{refund.created_at:%Y%m%d%H%M%S}" if refund.created_at else None,
        "success": success,
        "response_text": error.message if error else None,
        "response_code": error.code if error else code,
    }


def _refusal(text: str) -> Response:
    root = Element("nm_response")
    SubElement(root, "error_response").text = text
    return Response(200, {"Content-Type": "text/xml; charset=UTF-8"}, tostring(root, "UTF-8"))


class NMISandbox(ConnectorSandbox[NMI]):
    """NMI, as docs.nmi.com/reference/query describes its answers."""

    settings = {"security_key": "RefundrySandboxSecurityKey000001", "webhook_signing_key": "REFUNDRYSANDBOXSIGNINGKEY"}
    refund_ids = "91{:08}"
    payment_ids = "90{:08}"
    lives = {
        "settles": ("pendingsettlement", "complete"),
        "fails": ("failed",),
        "returned": ("complete", "complete/check_return"),
        "held": ("unknown",),
        "cancelled": ("pendingsettlement", "canceled"),
    }
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "merchant_refund_id", "error"}
    event_words = frozenset(EVENT_WORDS)
    currency = "USD"
    errors = {
        AuthenticationError: _refusal("Invalid Username/Password REFID:910000001"),
        RefundNotFound: _render([]),
        RateLimited: _refusal("Rate limit exceeded REFID:910000002"),
        ProcessorUnavailable: Response(503),
        RefundryError: _refusal("Invalid query REFID:910000003"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        if call.form().get("security_key") != self.connector.security_key:
            raise AuthenticationError("the key is not the sandbox's")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        if (call.method, call.path) != ("POST", PATH):
            raise unknown_call()
        form = call.form()
        if "transaction_id" in form:
            return self.render_refund(book.refund(form["transaction_id"]))
        if "order_id" in form:
            return _render([one for one in book.refunds.values() if one.merchant_refund_id == form["order_id"]])
        return _render(_listed(form, book))

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _render([refund])

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        kind = word if word in EVENT_WORDS else KINDS.get(word, "transaction.refund.success")
        amount = refund.refund_amount
        subject = {
            "transaction_id": refund.connector_refund_id,
            "order_id": refund.merchant_refund_id or "",
            "currency": amount.currency if amount else "",
            "action": _action(refund, "0" if kind.endswith("failure") else "1"),
        }
        body = encode_json({"event_id": moment.nonce, "event_type": kind, "event_body": subject})
        nonce = moment.nonce.replace("-", "")
        key = self.connector.webhook_signing_key.candidates()[0]
        signature = hmac_hex(key.encode(), nonce.encode() + b"." + body)
        return json_event(body, moment, {"Webhook-Signature": f"t={nonce},s={signature}"})


def _listed(form: dict[str, str], book: Book) -> list[Refund]:
    refunds = book.listed(since=read_time(form["start_date"]), until=read_time(form["end_date"]))
    size = int(form["result_limit"])
    start = int(form["page_number"]) * size
    return refunds[::-1][start : start + size]
