"""Worldpay keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from refundry import RefundClient
from refundry.errors import (
    AmbiguousRefund,
    AuthenticationError,
    ConnectorError,
    MappingError,
    NotARefund,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, ErrorInfo, Money, Refund, RefundQuery
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_worldpay import Worldpay

KEYS: dict[str, Any] = {"username": "our-user", "password": "our-password"}
HOOKS = connector_hooks(Worldpay(**KEYS))
SECRET = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
PAYMENT, REFUND, OTHER = "payOurOwn0001", "cmdOurOwn0001", "cmdOurOwn0002"
MADE = datetime(2026, 2, 3, 4, 5, 6, 700_000, tzinfo=UTC)


class TestWorldpay(ConnectorContract):
    connector = Worldpay
    # The events of a refund in Payment Queries v1, its events in Events v1, and lastEvent in the Payments API.
    documented = {
        "refundRequested",
        "refundRequestSubmitted",
        "refundRequestSubmissionFailed",
        "refundRequestSubmissionTimedOut",
        "sentForRefund",
        "sentForPartialRefund",
        "refunded",
        "refundFailed",
        "Refunded",
        "Sent for Refund",
        "Refund failed",
    }


def event(
    name: str = "refundRequested", seconds: int = 0, command: str | None = REFUND, **changes: Any
) -> dict[str, Any]:
    stamp = (MADE + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made: dict[str, Any] = {"eventName": name, "timestamp": stamp, "commandId": command}
    if name == "refundRequested":
        value = {"currency": "GBP", "amount": 750}
        made.update({"type": "partialRefund", "refundReference": "return-1", "value": value})
    return {**made, **changes}


def payment(*events: Any, **changes: Any) -> dict[str, Any]:
    """A payment of the documented shape."""
    sale = event("authorizationRequested", -900, "cmdOurOwnSale")
    facts = {"paymentId": PAYMENT, "transactionReference": "order-1", "value": {"currency": "GBP", "amount": 2000}}
    return {**facts, "lastEvent": "refundRequestSubmitted", "events": [sale, *events], **changes}


def answered(body: object) -> Response:
    return Response(200, {}, json.dumps(body).encode())


def mapped(*events: Any, **asked: Any) -> Refund:
    query = RefundQuery(connector_transaction_id=PAYMENT, **(asked or {"connector_refund_id": REFUND}))
    refund = HOOKS.map_refund(query, answered(payment(*events)), ())
    assert isinstance(refund, Refund)
    return refund


# Get


def test_a_refund_is_the_events_of_one_command() -> None:
    later = event("refundRequestSubmitted", 2)
    refund = mapped(event(), event(command=OTHER, seconds=1), later, event("refundRequestSubmissionFailed", 9, OTHER))
    assert refund == Refund(
        connector_refund_id=REFUND,
        connector_transaction_id=PAYMENT,
        merchant_refund_id="return-1",
        status=PENDING,
        connector_status="refundRequestSubmitted",
        refund_amount=Money(750, "GBP"),
        created_at=MADE,
        updated_at=MADE + timedelta(seconds=2),
    )


def test_the_last_event_counts_by_its_time_and_not_by_its_place() -> None:
    assert mapped(event("refundRequestSubmissionFailed", 9), event()).status is FAILED
    assert mapped(event("refundRequestSubmissionFailed"), event()).status is PENDING, (
        "of one time, the last stands last"
    )
    assert mapped(event(), event("somethingNew", 1)).status is UNKNOWN


def test_without_times_the_last_event_is_not_guessed() -> None:
    with pytest.raises(MappingError, match="time"):
        mapped(event(), event("refundRequestSubmissionFailed", timestamp=None))


def test_the_odd_time_of_an_only_event_is_one_problem() -> None:
    refund = mapped(event(timestamp="odd"))
    assert (refund.status, refund.created_at, refund.updated_at) == (PENDING, None, None)
    assert refund.problems == ("refund.events.timestamp: the time is not ISO 8601",)


def test_what_the_payment_says_is_not_what_the_refund_says() -> None:
    fields = {"lastEvent": "Refunded", "events": [event()]}
    refund = HOOKS.map_refund(RefundQuery(connector_transaction_id=PAYMENT), answered({**payment(), **fields}), ())
    assert isinstance(refund, Refund)
    assert refund.status is PENDING


def test_a_full_refund_without_an_amount_has_none() -> None:
    full = event(type="fullRefund", value=None, refundReference=None)
    refund = mapped(full)
    assert (refund.refund_amount, refund.merchant_refund_id, refund.problems) == (None, None, ())


@pytest.mark.parametrize(
    ("events", "asked", "expected"),
    [
        ([event()], {"connector_refund_id": "cmdNobody"}, RefundNotFound),
        ([event()], {"merchant_refund_id": "return-9"}, RefundNotFound),
        ([event()], {"connector_refund_id": "cmdOurOwnSale"}, NotARefund),
        ([], {"refund_reason": "-"}, RefundNotFound),
        ([event(), event(command=OTHER)], {"merchant_refund_id": "return-1"}, AmbiguousRefund),
        ([event(), event(command=OTHER)], {"refund_reason": "-"}, AmbiguousRefund),
        ([event(), event(command=None)], {"connector_refund_id": REFUND}, MappingError),
        ([event(), "odd"], {"connector_refund_id": REFUND}, MappingError),
        ([event(), event(eventName={"odd": 1})], {"connector_refund_id": REFUND}, MappingError),
    ],
)
def test_a_payment_without_the_one_refund(events: list[Any], asked: dict[str, str], expected: type) -> None:
    with pytest.raises(RefundryError) as caught:
        mapped(*events, **asked)
    assert type(caught.value) is expected


def test_the_reference_of_a_partial_refund_or_nothing_at_all_finds_it() -> None:
    both = [event(), event(command=OTHER, refundReference="return-2")]
    assert mapped(*both, merchant_refund_id="return-2").connector_refund_id == OTHER
    assert mapped(event(), refund_reason="-").connector_refund_id == REFUND


def test_the_reference_of_the_payment_takes_a_second_step() -> None:
    query = RefundQuery(metadata={"merchant_transaction_id": "order-1"})
    request = HOOKS.fetch_refund(query)
    assert (request.path, dict(request.params)) == ("/paymentQueries/payments", {"transactionReference": "order-1"})
    found: dict[str, Any] = {
        "_links": {"self": {"href": "/paymentQueries/payments"}},
        "_embedded": {"payments": [payment()]},
    }
    following = HOOKS.map_refund(query, answered(found), ())
    assert following == HOOKS.fetch_refund(RefundQuery(connector_transaction_id=PAYMENT))
    assert isinstance(HOOKS.map_refund(query, answered(payment(event())), (answered(found),)), Refund)
    with pytest.raises(RefundNotFound):
        HOOKS.map_refund(query, answered({"_links": found["_links"]}), ())
    with pytest.raises(MappingError):
        HOOKS.map_refund(query, answered({}), ())
    found["_embedded"]["payments"] *= 2
    with pytest.raises(AmbiguousRefund):
        HOOKS.map_refund(query, answered(found), ())


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "accessDenied", AuthenticationError),
        (404, "paymentNotFound", RefundNotFound),
        (404, "endpointNotFound", ConnectorError),
        (400, "startDateTooOld", ConnectorError),
        (406, "headerIsMissing", ConnectorError),
    ],
)
def test_a_refusal_is_told_by_its_name(status: int, code: str, expected: type) -> None:
    body = json.dumps({"errorName": code, "message": "about a customer"}).encode()
    error = HOOKS.map_error(Response(status, {}, body))
    assert error is not None
    assert type(error) is expected
    assert error.code == code
    assert "customer" not in str(error)


# List


def test_a_list_goes_through_the_payments_and_their_pages() -> None:
    made = [
        Refund(
            connector_refund_id=f"cmd{number}",
            connector_transaction_id=f"pay{number // 2}",
            status=PENDING,
            connector_status="refundRequested",
            created_at=MADE + timedelta(hours=number),
        )
        for number in range(6)
    ]
    wiring = Wiring(Worldpay, made)
    listed = wiring.client().list(since=MADE + timedelta(hours=1), until=MADE + timedelta(hours=5), page_size=2)
    assert {one.connector_refund_id for one in listed} == {"cmd1", "cmd2", "cmd3", "cmd4"}
    first = str(wiring.sent[0].url)
    assert "startDate=2025-08-07T05%3A05%3A06Z" in first, "payments may be half a year older than their refunds"
    assert "receivedEvents=refundRequested" in first
    assert [str(one.url).partition("?")[0].rpartition("/")[2] for one in wiring.sent].count("payments") == 2


@pytest.mark.parametrize(
    ("since", "start"),
    [
        (timedelta(days=30), timedelta(days=210)),
        (timedelta(days=200), timedelta(days=364)),  # half a year earlier would be too long ago for Worldpay
        (timedelta(days=400), timedelta(days=400)),  # to be refused, and not to be shortened unseen
    ],
)
def test_a_list_of_an_earlier_time_reaches_back_as_far_as_worldpay_allows(since: timedelta, start: timedelta) -> None:
    wiring = Wiring(Worldpay)
    now = wiring.clock.now()
    assert list(wiring.client().list(since=now - since, until=now - since + timedelta(days=10))) == []
    (asked,) = wiring.sent
    assert dict(parse_qsl(urlsplit(str(asked.url)).query))["startDate"] == f"{now - start:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("link", [{"href": ""}, {"href": 1}, {"href": "/paymentQueries/payments"}, {}])
def test_an_odd_link_to_the_next_page_is_no_end(link: object) -> None:
    wiring = Wiring(Worldpay)
    body = {"_links": {"self": {"href": "/"}, "next": link}, "_embedded": {"payments": []}}
    wiring.tamper = lambda _: answered(body)
    with pytest.raises(MappingError, match="next"):
        list(wiring.client().list(since=MADE))


# Webhooks


def notice(kind: str = "refundFailed", **changes: Any) -> dict[str, Any]:
    details = {
        "classification": "payment",
        "transactionReference": "order-1",
        "type": kind,
        "reference": "return-1",
        "amount": {"value": 750, "currencyCode": "GBP"},
        **changes,
    }
    return {"eventId": "our-event-1", "eventTimestamp": "2026-02-03T04:05:06.700", "eventDetails": details}


def signature(body: bytes, key: bytes | None = None) -> str:
    return hmac.new(key or bytes.fromhex(SECRET), body, hashlib.sha256).hexdigest()


def received(body: object, header: str = "7/SHA256/{}", secret: Any = SECRET, key: bytes | None = None) -> Delivery:
    raw = json.dumps(body).encode()
    client = RefundClient("worldpay", event_signature_secret=secret)
    return client.handle_event(body=raw, headers={"Event-Signature": header.format(signature(raw, key))})


def test_a_failure_says_why() -> None:
    (one,) = received(notice(refund={"refusal": {"code": "5", "description": "no"}})).events
    assert one.refund is not None
    assert (one.refund.status, one.refund.error) == (FAILED, ErrorInfo(code="5", message="no"))
    assert one.refund.refund_amount == Money(750, "GBP")
    assert one.query.merchant_refund_id == "return-1"
    assert one.event_id == "our-event-1"


def test_the_only_word_for_success_comes_without_the_refunds_id() -> None:
    (one,) = received(notice("refunded", reference=None)).events
    assert one.refund is not None
    assert one.refund.status is SUCCEEDED
    assert one.query.given() == {"currency", "metadata.merchant_transaction_id"}


def test_an_amount_whose_unit_is_not_clear_is_a_problem() -> None:
    (one,) = received(notice(amount={"value": 750, "currencyCode": "JPY"})).events
    assert one.refund is not None
    assert one.refund.refund_amount is None
    assert len(one.refund.problems) == 1


@pytest.mark.parametrize("changes", [{"classification": "payout"}, {"type": "sentForSettlement"}, {"type": None}])
def test_other_events_are_acknowledged(changes: dict[str, Any]) -> None:
    assert received(notice(**changes)).events == []


def test_the_key_id_chooses_the_secret_and_the_secret_is_hex_or_text() -> None:
    assert received(notice(), "6/SHA256/00,7/SHA256/{}", {"7": SECRET, "6": "00ff"}).events
    assert received(notice(), key=SECRET.encode()).events
    assert received(notice(), secret="our text", key=b"our text").events
    for header in ("7/SHA256/{}", "7/SHA1/{}", "7", ",", "7/SHA256/"):
        with pytest.raises(SignatureError):
            received(notice(), header, {"6": SECRET})
    with pytest.raises(SignatureError):
        received(notice(), key=b"another")
