"""Access Worldpay: facts from docs.worldpay.com on payment queries, events and their signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qsl

import attrs

from refundry import errors
from refundry.auth import basic_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Params, Request, Response, WireRequest, url_path
from refundry.model import ErrorInfo, Money, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.money import iso_exponent
from refundry.reading import Fields, asked_refund, page
from refundry.signing import check_signature, hmac_hex, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry.times import to_iso
from refundry_worldpay import payments

PAYMENTS = "/paymentQueries/payments"
MEDIA_TYPE = "application/vnd.worldpay.payment-queries-v1.hal+json"
REFUND_EVENTS = ("sentForRefund", "refunded", "refundFailed")
REFERENCE = "merchant_transaction_id"

# The list goes by the time of the payment, which may be long before that of its refund; Worldpay looks back one year.
LOOK_BACK = timedelta(days=180)
FURTHEST = timedelta(days=364)


class Worldpay(Connector):
    """Access Worldpay by its Payment Queries API, where a refund is a command among the events of a payment."""

    name = "worldpay"
    title = "Worldpay"
    documentation = {
        "payments and their events": "https://docs.worldpay.com/access/products/payment-queries",
        "webhooks": "https://docs.worldpay.com/access/products/events",
        "signature": "https://docs.worldpay.com/access/products/events/signature",
    }
    base_urls = {"api": {"SANDBOX": "https://try.access.worldpay.com", "PRODUCTION": "https://access.worldpay.com"}}
    statuses = {
        "refundRequested": PENDING,
        "refundRequestSubmitted": PENDING,  # handed on, and the last that a query ever says
        "refundRequestSubmissionFailed": FAILED,
        "refundRequestSubmissionTimedOut": MANUAL_REVIEW,  # nobody knows whether it was handed on
        # Webhooks have words of their own.
        "sentForRefund": PENDING,
        "refunded": SUCCEEDED,  # the issuer accepted it; sent to those merchants alone that agreed on it with Worldpay
        "refundFailed": FAILED,  # the money is back with the merchant
    }
    unmapped = {
        "Sent for Refund": "the Payments API says it of the payment as a whole, and it is not asked",
        "Refunded": "the Payments API says it of the payment as a whole, and it is not asked",
        "Refund failed": "the Payments API says it of the payment as a whole, and it is not asked",
        "sentForPartialRefund": "only the answer to making a refund says it",
    }
    refusals = {
        "accessDenied": (errors.AuthenticationError, "check username, password and the environment"),
        "paymentNotFound": (errors.RefundNotFound, "no such payment, or it is not shown yet"),
        "endpointNotFound": (errors.ConnectorError, "there is no such call: check base_url"),
        "startDateTooOld": (errors.ConnectorError, "it lists no payments older than one year: list a later window"),
        "entityIsNotConfigured": (errors.ConnectorError, "check entity"),
        "": (errors.ConnectorError, "check the identifiers and base_url"),
    }
    identifiers = (
        frozenset({"connector_transaction_id", "connector_refund_id"}),
        frozenset({"connector_transaction_id", "merchant_refund_id"}),
        frozenset({"connector_transaction_id"}),
        frozenset({f"metadata.{REFERENCE}"}),
    )
    listing = Listing(basis="created", by_payment=True, complete=False, max_page_size=300)
    request_id_header = "WP-CorrelationId"
    visible_after = timedelta(minutes=15)

    username: str = setting(help="Username of the API credentials")
    password: str = setting(secret=True, help="Password of the API credentials")
    entity: str | None = setting(default=None, needed_for={"list"}, help="Entity whose payments to list; none: all")
    # Unsigned events would be hints, and no query can tell what they tell: how the refund ended.
    event_signature_secret: Secrets = signing_secrets(help="Shared secret of the Event-Signature, by its key id")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        if query.connector_transaction_id:
            return self._payment(query.connector_transaction_id)
        return self._get(PAYMENTS, {"transactionReference": query.metadata[REFERENCE]})

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response, previous: Sequence[Response]) -> Refund | Request:
        fields = Fields(response.json())
        if not query.connector_transaction_id and not previous:
            return self._payment(payments.only_payment(fields))
        commands = payments.commands(fields)
        # All of them are read, for an event that cannot be read may be the one that decides.
        refunds = [command for command in commands if payments.is_refund(Fields(command))]
        asked = asked_refund(
            query,
            commands if query.connector_refund_id else refunds,
            own_id=lambda command: command.text("id"),
            reference=lambda command: payments.request_of(command).text("refundReference"),
        )
        return self._refund(fields, asked)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        ids, following = _place(window, cursor)
        if ids:
            return self._payment(ids[0])
        if following:
            return self._get(PAYMENTS, parse_qsl(following))
        filters = {
            "endDate": to_iso(window.until + timedelta(seconds=1), "seconds"),
            "pageSize": window.page_size,
            "entityReferences": self.entity,
            "receivedEvents": payments.REQUESTED,
        }
        return attrs.evolve(self._get(PAYMENTS, filters), auth=partial(self._reach_back, window))

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        ids, following = _place(window, cursor)
        fields = Fields(response.json())
        if ids:
            # The list has payments without their events, so the cursor goes from one to the next.
            refunds = page(payments.commands(fields), lambda command: self._refund(fields, Fields(command)))
            return attrs.evolve(refunds, cursor=_cursor(ids[1:], following))
        named = page(payments.listed(fields), payments.query_of)
        ids = [hint.connector_transaction_id or "" for hint in named.hints]
        return RefundPage(problems=named.problems, cursor=_cursor(ids, payments.next_page(fields)))

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code not in (400, 401, 403, 404, 406, 415):
            return None
        code = Fields(response.json()).required("errorName")
        return self.refusal(code, "", code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        signed = [one.strip().partition("/SHA256/") for one in required_header(event, "Event-Signature").split(",")]
        secrets = [secret for key_id, _, _ in signed for secret in self.event_signature_secret.candidates(key_id)]
        keys = [key for secret in secrets for key in _signing_keys(secret)]
        check_signature([hmac_hex(key, event.body) for key in keys], [digest.lower() for _, _, digest in signed])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        details = fields.at("eventDetails")
        word, refusal = details.word("type"), details.at("refund", "refusal")
        if word not in REFUND_EVENTS or details.text("classification") != "payment":
            return []
        refund = self.refund(
            fields,
            word,
            failure=ErrorInfo.of(code=refusal.text("code"), message=refusal.text("description")),
            merchant_refund_id=details.text("reference"),
            refund_amount=_event_amount(details),
            metadata={REFERENCE: details.required("transactionReference")},
        )
        return [RefundEvent(refund=refund, event_id=fields.text("eventId"))]

    def _payment(self, payment_id: str) -> Request:
        return self._get(PAYMENTS + url_path(payment_id))

    def _get(self, path: str, params: Params = ()) -> Request:
        auth = basic_auth(self.username, self.password)
        return Request("GET", path, params=params, headers={"Accept": MEDIA_TYPE}, auth=auth)

    def _reach_back(self, window: Window, request: WireRequest, moment: Moment) -> WireRequest:
        # How far it may reach is known when it is sent: a start that is too long ago would be refused.
        since = max(window.since - LOOK_BACK, min(window.since, moment.now - FURTHEST))
        dated = request.with_params({"startDate": to_iso(since, "seconds")})
        return basic_auth(self.username, self.password)(dated, moment)

    def _refund(self, payment: Fields, command: Fields) -> Refund:
        if not payments.is_refund(command):
            raise errors.NotARefund("this id belongs to a command that is no refund")
        request, latest = payments.request_of(command), payments.latest(command.objects("events"))
        created, updated = request.iso_time("timestamp"), latest.iso_time("timestamp")
        return self.refund(
            command,
            latest.required("eventName"),
            connector_refund_id=command.required("id"),
            connector_transaction_id=payment.required("paymentId"),
            merchant_refund_id=request.text("refundReference"),
            refund_amount=request.minor_money("value", "amount", currency=request.text("value", "currency")),
            created_at=created,
            updated_at=updated if updated != created else None,
        )


def _place(window: Window, cursor: str | None) -> tuple[list[str], str]:
    """Which payments are to be read next, and the query of the page after them."""
    payment = window.connector_transaction_id
    ids, following = json.loads(cursor) if cursor else ([payment] if payment else [], "")
    return ids, following


def _cursor(ids: Sequence[str], following: str) -> str | None:
    return json.dumps([ids, following]) if ids or following else None


def _signing_keys(secret: str) -> list[bytes]:
    """What the shared secret may be as a key: the documents do not say whether it is text or hex."""
    try:
        return [secret.encode(), bytes.fromhex(secret)]
    except ValueError:
        return [secret.encode()]


def _event_amount(details: Fields) -> Money | None:
    currency = details.text("amount", "currencyCode")
    if currency and iso_exponent(currency.upper()) != 2:
        # Documented as a number with two decimals, which in queries it has only where the currency has them.
        details.problem("amount.value: its unit is not clear in this currency")
        return None
    return details.minor_money("amount", "value", currency=currency)
