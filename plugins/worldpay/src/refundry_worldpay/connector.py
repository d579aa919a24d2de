"""Access Worldpay: facts from docs.worldpay.com on payment queries, events and their signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qsl

import attrs

from refundry.auth import basic_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.errors import AuthenticationError, ConnectorError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Params, Request, Response, WireRequest, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_signature, hmac_hex, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED
from refundry.times import to_iso
from refundry_worldpay.events import event_amount, event_failure, signing_keys
from refundry_worldpay.payments import (
    REQUESTED,
    EventItem,
    asked_command,
    first_event,
    is_refund,
    latest_event,
    listed_payments,
    next_page,
    only_payment,
    payment_query,
    read_commands,
)

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
        "accessDenied": (AuthenticationError, "check username, password and the environment"),
        "paymentNotFound": (RefundNotFound, "no such payment, or it is not shown yet"),
        "endpointNotFound": (ConnectorError, "there is no such call: check base_url"),
        "startDateTooOld": (ConnectorError, "it lists no payments older than one year: list a later window"),
        "entityIsNotConfigured": (ConnectorError, "check entity"),
        "": (ConnectorError, "check the identifiers and base_url"),
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
            return self._payment(only_payment(fields))
        commands, problems = read_commands(fields)
        if problems:
            # An event that cannot be read may be the one that decides.
            raise problems[0]
        command = asked_command(query, commands)
        return self._refund(fields, command, commands[command])

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        payments, following = _place(window, cursor)
        if payments:
            return self._payment(payments[0])
        if following:
            return self._get(PAYMENTS, parse_qsl(following))
        filters = {
            "endDate": to_iso(window.until + timedelta(seconds=1), "seconds"),
            "pageSize": window.page_size,
            "entityReferences": self.entity,
            "receivedEvents": REQUESTED,
        }
        return attrs.evolve(self._get(PAYMENTS, filters), auth=partial(self._reach_back, window))

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        payments, following = _place(window, cursor)
        fields = Fields(response.json())
        if payments:
            # The list has payments without their events, so the cursor goes from one to the next.
            commands, problems = read_commands(fields)
            refunds = {command: events for command, events in commands.items() if is_refund(events)}
            found = page(refunds, lambda command: self._refund(fields, command, refunds[command]))
            odd = [*found.problems, *problems]
            return attrs.evolve(found, problems=odd, cursor=_cursor(payments[1:], following))
        named = page(listed_payments(fields), payment_query)
        ids = [hint.connector_transaction_id or "" for hint in named.hints]
        return RefundPage(problems=named.problems, cursor=_cursor(ids, next_page(fields)))

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code not in (400, 401, 403, 404, 406, 415):
            return None
        code = Fields(response.json()).required("errorName")
        return self.refusal(code, "", code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        signed = [one.strip().split("/", 2) for one in required_header(event, "Event-Signature").split(",")]
        known = [(one[0], one[2].lower()) for one in signed if len(one) == 3 and one[1] == "SHA256"]
        secrets = [secret for key_id, _ in known for secret in self.event_signature_secret.candidates(key_id)]
        keys = [key for secret in secrets for key in signing_keys(secret)]
        check_signature([hmac_hex(key, event.body) for key in keys], [signature for _, signature in known])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        details = fields.at("eventDetails")
        word = details.word("type") or ""
        if word not in REFUND_EVENTS or details.text("classification") != "payment":
            return []
        refund = Refund(
            merchant_refund_id=details.text("reference"),
            status=self.statuses[word],
            connector_status=word,
            error=event_failure(details) if self.statuses[word] is FAILED else None,
            refund_amount=event_amount(details),
            metadata={REFERENCE: details.required("transactionReference")},
            problems=fields.problems,
        )
        return [RefundEvent(refund=refund, event_id=fields.text("eventId"))]

    def _payment(self, payment_id: str) -> Request:
        return self._get(PAYMENTS + url_path(payment_id))

    def _get(self, path: str, params: Params = ()) -> Request:
        return Request("GET", path, params=params, headers={"Accept": MEDIA_TYPE}, auth=self._authenticate)

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        return basic_auth(self.username, self.password)(request, moment)

    def _reach_back(self, window: Window, request: WireRequest, moment: Moment) -> WireRequest:
        # How far it may reach is known when it is sent: a start that is too long ago would be refused.
        since = max(window.since - LOOK_BACK, min(window.since, moment.now - FURTHEST))
        return self._authenticate(request.with_params({"startDate": to_iso(since, "seconds")}), moment)

    def _refund(self, payment: Fields, command: str, events: Sequence[EventItem]) -> Refund:
        problems: list[str] = []
        first = Fields(first_event(events), where="events", problems=problems)
        latest = Fields(latest_event(events), where="events", problems=problems)
        word = latest.required("eventName")
        created, updated = first.iso_time("timestamp"), latest.iso_time("timestamp")
        return Refund(
            connector_refund_id=command,
            connector_transaction_id=payment.required("paymentId"),
            merchant_refund_id=first.text("refundReference"),
            status=self.status_of(word),
            connector_status=word,
            refund_amount=first.minor_money("value", "amount", currency=first.text("value", "currency")),
            created_at=created,
            updated_at=updated if updated != created else None,
            problems=tuple(dict.fromkeys(problems)),
        )


def _place(window: Window, cursor: str | None) -> tuple[list[str], str]:
    """Which payments are to be read next, and the query of the page after them."""
    if cursor is None:
        return [window.connector_transaction_id] if window.connector_transaction_id else [], ""
    payments, following = json.loads(cursor)
    return payments, following


def _cursor(payments: Sequence[str], following: str) -> str | None:
    return json.dumps([payments, following]) if payments or following else None
