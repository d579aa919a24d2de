"""NMI: facts from docs.nmi.com (Query API, Payment API variables, webhooks)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from refundry import errors
from refundry.connector import Connector, Listing, Secrets, one_of, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Params, Request, Response, WireRequest, parse_form
from refundry.model import ErrorInfo, Money, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.money import from_decimal
from refundry.reading import Fields, page, xml_object
from refundry.signing import check_hmac, header_pairs
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry.times import from_format

PATH = "/api/query.php"
APPROVED = "100"
PAYMENT_ACTIONS = ("sale", "auth", "capture")
# What says more of a refund when it stands after it.
TELLING_ACTIONS = ("settle", "void", "return", "check_return", "check_late_return")
# Conditions that a refused attempt adds nothing to, "unknown" among them: it may still have been made.
DECIDED = ("failed", "canceled", "abandoned", "unknown")
EVENT_WORDS = ("transaction.refund.failure", "transaction.refund.unknown")
# A void may be one of a refund or of a payment: a get tells.
HINT_EVENTS = ("transaction.refund.success", "transaction.void.success")


class NMI(Connector):
    """NMI, by its Query API, which answers in XML; a reseller's gateway has a host of its own: give it as base_url."""

    name = "nmi"
    title = "NMI"
    documentation = {"transactions": "https://docs.nmi.com/reference/query", "webhooks": "https://docs.nmi.com"}
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
        "username/password|security key|authentication failed|access denied|permission": (
            errors.AuthenticationError,
            "check the credentials and base_url",
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
        default=None, help="The account's currency (ISO 4217), where answers do not carry it"
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        asked = query.connector_refund_id
        return self._post({"transaction_id": asked} if asked else {"order_id": query.merchant_refund_id})

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        transactions = [Fields(item, where="transaction") for item in _answer(response).several("transaction")]
        if not transactions:
            raise errors.RefundNotFound("NMI does not know this transaction in this account")
        asked = query.connector_refund_id
        fitting = [one for one in transactions if asked in (None, one.text("transaction_id"))]
        if not fitting:
            raise errors.MappingError("the answer is about another transaction", field="transaction.transaction_id")
        refunds = [(one, place) for one in fitting for place in _refunds_among(one)]
        if not refunds:
            raise errors.NotARefund("this is no refund: give the transactionid that the refund call returned")
        if len(refunds) > 1:
            raise errors.AmbiguousRefund("several refunds have this identifier: ask with connector_refund_id")
        return self._refund(*refunds[0], query.currency)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        end = window.until + timedelta(seconds=1)
        dates = {"start_date": f"{window.since:%Y%m%d%H%M%S}", "end_date": f"{end:%Y%m%d%H%M%S}"}
        paging = {"result_limit": window.page_size, "page_number": cursor or 0, "result_order": "standard"}
        return self._post({"action_type": "refund", **dates, **paging})

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        items = _answer(response).several("transaction")
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
        parts = dict(header_pairs(event, "Webhook-Signature"))
        # "t" is no time, although other processors call theirs so, but a random text.
        signed = parts.get("t", "").encode() + b"." + event.body
        check_hmac(self.webhook_signing_key.candidates(), signed, parts.get("s", ""))
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind, subject, event_id = fields.word("event_type"), fields.at("event_body"), fields.text("event_id")
        if kind in HINT_EVENTS:
            query = RefundQuery(connector_refund_id=subject.required("transaction_id"))
            return [RefundEvent(query=query, event_id=event_id)]
        if kind in EVENT_WORDS:
            return [RefundEvent(refund=self._described(subject, kind), event_id=event_id)]
        return []

    def _post(self, form: Params) -> Request:
        return Request("POST", PATH, form=form, headers={"Accept": "application/xml"}, auth=self._authenticate)

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        login = {"username": self.username, "password": self.password}
        credentials = {"security_key": self.security_key} if self.security_key else login
        return request.with_form({**credentials, **parse_form(request.body or b"")})

    def _listed(self, body: object) -> Refund | None:
        transaction = Fields(body, where="transaction")
        transaction.required("transaction_id")
        places = _refunds_among(transaction)
        if len(places) > 1:
            raise errors.MappingError("several refunds have this identifier of a payment", field="transaction.action")
        return self._refund(transaction, places[0]) if places else None

    def _refund(self, transaction: Fields, place: int, currency: str | None = None) -> Refund:
        actions = _actions(transaction)
        action, later = actions[place], _later(actions[place], actions[place + 1 :])
        is_payment = any(one.text("action_type") in PAYMENT_ACTIONS for one in actions)
        word = _word(transaction.word("condition"), action.word("success"), later, is_payment=is_payment)
        settlement = next((one.value for one in later if one.text("action_type") == "settle"), {})
        own_id = transaction.get("transaction_id") if is_payment else None
        payment_id = transaction.get("original_transaction_id") or own_id
        told = {"action": action.value, "settlement": settlement, "payment_id": payment_id}
        return self._described(Fields({**transaction.value, **told}, where="transaction"), word, currency)

    def _described(self, fields: Fields, word: str | None, currency: str | None = None) -> Refund:
        return self.refund(
            fields,
            word,
            failure=_failure(fields),
            connector_refund_id=fields.required("transaction_id"),
            connector_transaction_id=fields.text("payment_id"),
            merchant_refund_id=fields.text("order_id"),
            refund_amount=_amount(fields, fields.text("currency") or currency or self.currency),
            created_at=fields.read(read_time, "action", "date"),
            processed_at=fields.read(read_time, "settlement", "date"),
        )


def _answer(response: Response) -> Fields:
    root = response.xml()
    if root.tag != "nm_response":
        raise errors.MappingError("the body is XML, and not of NMI's Query API: check base_url", field="nm_response")
    return Fields(xml_object(root))


def _actions(transaction: Fields) -> list[Fields]:
    return [Fields(item, where="transaction.action") for item in transaction.several("action")]


def _refunds_among(transaction: Fields) -> list[int]:
    actions = _actions(transaction)
    # The places of those that were accepted; an attempt that was refused counts only where no other was made.
    refunds = [place for place, action in enumerate(actions) if action.text("action_type") == "refund"]
    return [place for place in refunds if actions[place].word("success") != "0"] or refunds[-1:]


def _later(refund: Fields, following: Sequence[Fields]) -> list[Fields]:
    # What happened to a refund after it was made, by the order of the actions and by their dates.
    date = refund.text("date") or ""
    return [
        action
        for action in following
        if action.text("action_type") in TELLING_ACTIONS
        and action.word("success") != "0"
        and (action.text("date") or date) >= date
    ]


def _word(condition: str | None, success: str | None, later: Sequence[Fields], *, is_payment: bool) -> str | None:
    # The condition of the refund's own transaction; where the refund is an action of its payment, what the actions say.
    if condition in DECIDED and not is_payment:
        return condition
    kinds = [(one.required("action_type"), one.word("success")) for one in later]
    # Each once, and with its success where it does not say that it succeeded.
    told = dict.fromkeys(kind if success == "1" else f"{kind}:{success or ''}" for kind, success in kinds)
    if is_payment or success not in (None, "1"):
        return "/".join(["refund", success or "", *told])
    return condition and "/".join([condition, *(kind for kind in told if not kind.startswith("settle"))])


def _failure(fields: Fields) -> ErrorInfo | None:
    code = fields.text("action", "response_code")
    # None for an approved one, which failed later.
    if code in (None, APPROVED):
        return None
    return ErrorInfo(
        code=code,
        message=fields.text("action", "response_text"),
        reason=fields.text("action", "processor_response_text"),
        network_code=fields.text("action", "processor_response_code"),
    )


def _amount(fields: Fields, currency: str | None) -> Money | None:
    if currency is None:
        return fields.decimal_money("action", "amount", currency=None)
    # Some answers write what is paid out as negative.
    return fields.read(lambda value: from_decimal(str(value).strip().removeprefix("-"), currency), "action", "amount")


def read_time(value: object) -> datetime:
    """A time as ``YYYYMMDDhhmmss`` in UTC. Raises `ValueError`."""
    if not isinstance(value, str) or len(value) != len("YYYYMMDDhhmmss") or not value.isdigit():
        raise ValueError("the time is not of the documented form")
    return from_format(value, "%Y%m%d%H%M%S", zone=UTC)
