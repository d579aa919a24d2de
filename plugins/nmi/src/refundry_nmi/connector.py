"""NMI: facts from docs.nmi.com (Query API, Payment API variables, webhooks)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs

from refundry import errors
from refundry.connector import ALWAYS, Connector, Listing, Secrets, one_of, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Request, Response, WireRequest, parse_form
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page, xml_object
from refundry.signing import check_hmac, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry_nmi.transactions import (
    PAYMENT_ACTIONS,
    actions_of,
    amount_of,
    failure_of,
    has_refund,
    kinds_of,
    later_actions,
    read_time,
    refund_action,
    several,
    status_word,
)

PATH = "/api/query.php"
EVENT_WORDS = ("transaction.refund.failure", "transaction.refund.unknown")
# A void may be one of a refund or of a payment: a get tells.
HINT_EVENTS = ("transaction.refund.success", "transaction.void.success")


class NMI(Connector):
    """NMI, by its Query API, which answers in XML; a reseller's gateway has a host of its own: give it as base_url."""

    name = "nmi"
    title = "NMI"
    documentation = {
        "transactions": "https://docs.nmi.com/reference/query",
        "webhooks": "https://docs.nmi.com",
    }
    base_urls = {"api": {"SANDBOX": "https://sandbox.nmi.com", "PRODUCTION": "https://secure.nmi.com"}}
    statuses = {
        "complete": SUCCEEDED,  # settled
        "pendingsettlement": PENDING,  # accepted, and may still be voided
        "pending": PENDING,
        "in_progress": PENDING,
        "failed": FAILED,
        "canceled": FAILED,  # voided before it was settled
        "abandoned": FAILED,  # a flow of several steps that was not finished
        "unknown": MANUAL_REVIEW,  # an error while it was processed: the outcome is not known
        "refund/0": FAILED,  # the attempt was refused, whatever the condition
        "refund/1": PENDING,  # an action of its payment, accepted: the condition is the payment's
        "refund/1/settle": SUCCEEDED,  # the same, and a settlement after it
        "complete/check_return": FAILED,  # the bank sent an electronic check back
        "complete/check_late_return": FAILED,
        "transaction.refund.failure": FAILED,
        "transaction.refund.unknown": MANUAL_REVIEW,
    }
    unmapped = {"transaction.refund.success": "says that the refund was accepted, not how it stands: it is a hint"}
    # By what its text says, for there is no code.
    refusals = {
        "rate limit": (errors.RateLimited, "ask less often"),
        **dict.fromkeys(
            ("username/password", "security key", "authentication failed", "access denied", "permission"),
            (errors.AuthenticationError, "check the credentials and base_url"),
        ),
        "": (errors.ConnectorError, "check the identifiers and base_url"),
    }
    identifiers = (frozenset({"connector_refund_id"}), frozenset({"merchant_refund_id"}))
    listing = Listing(basis="updated")
    credentials = one_of({"security_key"}, {"username", "password"})

    security_key: str | None = setting(default=None, secret=True, help="Security Key that may query")
    username: str | None = setting(default=None, help="User name, for an older account without a Security Key")
    password: str | None = setting(default=None, secret=True, help="Password that belongs to the user name")
    webhook_signing_key: Secrets = signing_secrets(help="Signing Key of the webhooks")
    currency: str | None = setting(
        default=None,
        needed_for=ALWAYS,
        help="The account's currency (ISO 4217), where answers do not carry it",
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        if query.connector_refund_id:
            return self._post({"transaction_id": query.connector_refund_id})
        return self._post({"order_id": query.merchant_refund_id})

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        return self._refund(_chosen(query, _transactions(response)), query.currency)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        end = window.until + timedelta(seconds=1)
        dates = {"start_date": f"{window.since:%Y%m%d%H%M%S}", "end_date": f"{end:%Y%m%d%H%M%S}"}
        paging = {"result_limit": window.page_size, "page_number": cursor or 0, "result_order": "standard"}
        return self._post({"action_type": "refund", **dates, **paging})

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        items = _transactions(response)
        # More rows than asked for: this gateway knows no pages and has sent all.
        full = len(items) == window.page_size
        return page(items, self._listed, cursor=str(int(cursor or 0) + 1) if full else None)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        fields = _answer(response)
        if fields.get("error_response") is None:
            return None
        text = fields.text("error_response") or ""
        reference = re.search(r"REFID:\s*(\w+)", text)
        return self.refusal_in(text, request_id=reference[1] if reference else None)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        header = required_header(event, "Webhook-Signature")
        pairs = (part.strip().partition("=") for part in header.split(","))
        parts = {name: value for name, _, value in pairs}
        # "t" is no time, although other processors call theirs so, but a random text.
        signed = parts.get("t", "").encode() + b"." + event.body
        check_hmac(self.webhook_signing_key.candidates(), signed, parts.get("s", ""))
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind, subject = fields.word("event_type"), fields.at("event_body")
        if kind in HINT_EVENTS:
            query = RefundQuery(connector_refund_id=subject.required("transaction_id"))
            return [RefundEvent(query=query, event_id=fields.text("event_id"))]
        if kind not in EVENT_WORDS:
            return []
        refund = self._described(subject, kind)
        return [RefundEvent(refund=refund, event_id=fields.text("event_id"))]

    def _post(self, form: dict[str, object]) -> Request:
        return Request("POST", PATH, form=form, headers={"Accept": "application/xml"}, auth=self._authenticate)

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        login = {"username": self.username, "password": self.password}
        credentials = {"security_key": self.security_key} if self.security_key else login
        return request.with_form({**credentials, **parse_form(request.body or b"")})

    def _listed(self, body: object) -> Refund | None:
        transaction = Fields(body, where="transaction")
        transaction.required("transaction_id")
        try:
            return self._refund(transaction, None)
        except errors.NotARefund:
            return None
        except errors.AmbiguousRefund as error:
            raise errors.MappingError(error.message, field="transaction.action") from None

    def _refund(self, transaction: Fields, currency: str | None) -> Refund:
        actions = actions_of(transaction)
        action = refund_action(actions)
        later = later_actions(actions, action)
        is_payment = any(one.text("action_type") in PAYMENT_ACTIONS for one in actions)
        success = action.word("success")
        word = status_word(transaction.word("condition"), success, kinds_of(later), is_payment=is_payment)
        settlement = next((one.value for one in later if one.text("action_type") == "settle"), {})
        fields = Fields({**transaction.value, "action": action.value, "settlement": settlement}, where="transaction")
        refund = self._described(fields, word, currency)
        payment_id = fields.text("original_transaction_id") or (refund.connector_refund_id if is_payment else None)
        processed_at = fields.read(read_time, "settlement", "date")
        return attrs.evolve(
            refund, connector_transaction_id=payment_id, processed_at=processed_at, problems=fields.problems
        )

    def _described(self, fields: Fields, word: str | None, currency: str | None = None) -> Refund:
        status = self.status_of(word)
        return Refund(
            connector_refund_id=fields.required("transaction_id"),
            merchant_refund_id=fields.text("order_id"),
            status=status,
            connector_status=word,
            error=failure_of(fields.at("action")) if status is FAILED else None,
            refund_amount=amount_of(fields, fields.text("currency") or currency or self.currency),
            created_at=fields.read(read_time, "action", "date"),
            problems=fields.problems,
        )


def _answer(response: Response) -> Fields:
    root = response.xml()
    if root.tag != "nm_response":
        raise errors.MappingError("the body is XML, and not of NMI's Query API: check base_url", field="nm_response")
    return Fields(xml_object(root))


def _transactions(response: Response) -> list[Any]:
    return several(_answer(response).get("transaction"))


def _chosen(query: RefundQuery, items: Sequence[object]) -> Fields:
    transactions = [Fields(item, where="transaction") for item in items]
    if not transactions:
        raise errors.RefundNotFound("NMI does not know this transaction in this account")
    if query.connector_refund_id:
        for transaction in transactions:
            if transaction.text("transaction_id") == query.connector_refund_id:
                return transaction
        raise errors.MappingError("the answer is about another transaction", field="transaction.transaction_id")
    refunds = [transaction for transaction in transactions if has_refund(transaction)]
    if len(refunds) > 1:
        raise errors.AmbiguousRefund("several refunds have this order id: ask with connector_refund_id")
    return (refunds or transactions)[0]
