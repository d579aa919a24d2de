"""PayU India: facts from docs.payu.in (refund APIs, hash logic, refund status callback)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from refundry.connector import Connector, Listing, setting
from refundry.errors import AuthenticationError, ConnectorError, MappingError, NotARefund, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Request, Response, WireRequest, parse_form
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.status import FAILED, PENDING, SUCCEEDED

PATH = "/merchant/postservice.php"
BY_PAYMENT = "check_action_status"
BY_REQUEST = "check_action_status_txnid"
REFUND_ACTION = "refund"
NOTHING_KNOWN = "No action status found"


class PayU(Connector):
    """PayU India, by its general APIs; PayU's houses in Europe and Latin America have other APIs."""

    name = "payu"
    title = "PayU India"
    documentation = {
        "refunds": "https://docs.payu.in/docs/apis-used-in-refunds-integration",
        "status": "https://docs.payu.in/reference/check_action_status_api_with_payu_id",
        "webhooks": "https://docs.payu.in/reference/refund-status-callback",
    }
    base_urls = {"api": {"SANDBOX": "https://test.payu.in", "PRODUCTION": "https://info.payu.in"}}
    # Answers write them in either case, and with a space or an underscore.
    statuses = {
        "queued": PENDING,  # accepted, not yet sent to the bank
        "requested": PENDING,  # sent to the bank, which works by hand: 5 to 7 business days
        "in_progress": PENDING,
        "pending": PENDING,
        "od_hit": PENDING,  # the merchant's balance is used up: tried again
        "success": SUCCEEDED,  # the bank may still need days
        "failure": FAILED,
    }
    # By what its text says, for there is no code.
    refusals = {
        r"\b(hash|key|salt)\b": (AuthenticationError, "check key, salt and environment"),
        "": (ConnectorError, "check the identifiers"),
    }
    listing = Listing(basis="payment")
    settles_within = timedelta(days=11)  # 7 business days where the bank works by hand, with two weekends
    only_currency = "INR"  # amounts come without it
    unsigned_events = True

    key: str = setting(help="Merchant Key")
    salt: str = setting(secret=True, help="Merchant Salt that belongs to this key")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        if query.connector_transaction_id:
            return self._by_payment(query.connector_transaction_id)
        return self._post({"command": BY_REQUEST, "var1": query.connector_refund_id})

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        refund_id = query.connector_refund_id or ""
        for key, action in _actions(response, query.connector_transaction_id or refund_id).items():
            # An entry of another kind may be no object.
            fields = _trimmed(action if isinstance(action, Mapping) else {})
            if refund_id in (key, fields.text("request_id")):
                refund = self._refund(fields)
                if refund.connector_refund_id != refund_id:
                    raise MappingError("the answer is about another refund", field="request_id")
                return refund
        raise RefundNotFound("PayU does not know this refund under this payment in this account")

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        return self._by_payment(window.connector_transaction_id or "")

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        return page(_actions(response, window.connector_transaction_id or "").values(), self._listed)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code >= 400:
            return None
        fields = Fields(response.json())
        if fields.text("status") in (None, "1") or _says_nothing_known(fields):
            return None
        return self.refusal_in(fields.text("msg") or fields.text("message"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        return False

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = _trimmed(event.json(), where="")
        if fields.text("action") != REFUND_ACTION:
            return []
        query, key = self._refund(fields).query(), fields.text("key")
        # The status takes part, for the callback has no identifier of its own.
        event_id = f"{query.connector_refund_id}-{fields.text('status')}"
        return [RefundEvent(query=query, event_id=event_id, foreign=bool(self.key and key and key != self.key))]

    def _by_payment(self, payment_id: str) -> Request:
        return self._post({"command": BY_PAYMENT, "var1": payment_id, "var2": "payuid"})

    def _post(self, form: Mapping[str, object]) -> Request:
        # Without form=2 the answer is serialised PHP.
        return Request("POST", PATH, params={"form": "2"}, form=form, auth=self._authenticate)

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        form = parse_form(request.body or b"")
        return request.with_form({"key": self.key, **form, "hash": self.hash_of(form)})

    def hash_of(self, form: Mapping[str, str]) -> str:
        """The hash of a call: SHA-512 as lower-case hex, which covers ``var1`` and none of the later ones."""
        parts = (self.key, form.get("command", ""), form.get("var1", ""), self.salt)
        return hashlib.sha512("|".join(parts).encode()).hexdigest()

    def _listed(self, action: object) -> Refund | None:
        fields = _trimmed(action)
        return self._refund(fields) if fields.required("action") == REFUND_ACTION else None

    def _refund(self, fields: Fields) -> Refund:
        if fields.required("action") != REFUND_ACTION:
            raise NotARefund("this request is a capture or a cancellation of the payment, not a refund")
        word = fields.word("status")
        return self.refund(
            fields,
            (word or "").lower().replace(" ", "_"),
            connector_status=word,
            connector_refund_id=fields.required("request_id"),
            connector_transaction_id=fields.text("mihpayid"),
            merchant_refund_id=fields.text("token"),
            refund_amount=fields.decimal_money("amt", currency=self.only_currency),
            acquirer_reference_number=fields.text("bank_arn"),
        )


def _trimmed(action: object, where: str = "transaction_details") -> Fields:
    # The callback is documented with blanks around its values.
    values = Fields(action, where=where).value.items()
    return Fields({name: text.strip() if isinstance(text, str) else text for name, text in values}, where=where)


def _says_nothing_known(fields: Fields) -> bool:
    # Where nothing is known a text stands in place of the object.
    details = fields.get("transaction_details")
    return isinstance(details, Mapping) and NOTHING_KNOWN in details.values()


def _actions(response: Response, asked: str) -> Mapping[str, Any]:
    fields = Fields(response.json())
    if _says_nothing_known(fields):
        return {}
    if fields.text("status") != "1":
        raise MappingError("the answer does not say that it has what was asked for", field="status")
    found = fields.get("transaction_details", asked)
    if not isinstance(found, Mapping):
        raise MappingError("the answer is about something else", field="transaction_details")
    return found
