"""Revolut keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import RefundClient
from refundry.errors import (
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
from refundry_revolut import Revolut

KEYS: dict[str, Any] = {"secret_key": "sk_our_own"}
HOOKS = connector_hooks(Revolut(**KEYS))
REFUND, PAYMENT = "5ef00d00-0000-4000-8000-000000000017", "0de70000-0000-4000-8000-000000000017"
MADE = datetime(2026, 2, 3, 4, 5, 6, 789_012, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class TestRevolut(ConnectorContract):
    connector = Revolut
    # The states of orders and of the payments within them, in the specification of 2026-04-20.
    documented = {
        "pending",
        "processing",
        "authorised",
        "completed",
        "failed",
        "cancelled",
        "processing/declined",
        "processing/failed",
        "processing/cancelled",
        "soft_declined",
        "refund_validated",
        "refund_started",
        "authentication_challenge",
        "authentication_verified",
        "authorisation_started",
        "authorisation_passed",
        "capture_started",
        "captured",
        "completing",
        "cancellation_started",
        "cancelling",
        "declining",
        "failing",
    }


def order(state: str = "processing", *payments: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A refund order of the documented shape."""
    made = {
        "id": REFUND,
        "type": "refund",
        "state": state,
        "created_at": "2026-02-03T04:05:06.789012Z",
        "updated_at": "2026-02-03T04:05:07.789012Z",
        "description": "too small",
        "amount": 1234,
        "currency": "GBP",
        "merchant_order_data": {"reference": "return-17"},
        "related_order_id": PAYMENT,
        "payments": list(payments),
    }
    return {**made, **changes}


def mapped(body: dict[str, Any]) -> Refund:
    response = Response(200, {}, json.dumps(body).encode())
    refund = HOOKS.map_refund(RefundQuery(connector_refund_id=REFUND), response, ())
    assert isinstance(refund, Refund)
    return refund


# Get


def test_a_whole_answer() -> None:
    payment = {"state": "completed", "settled_amount": -1234, "payment_method": {"type": "card", "arn": "7" * 23}}
    assert mapped(order("completed", payment)) == Refund(
        connector_refund_id=REFUND,
        connector_transaction_id=PAYMENT,
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="completed",
        refund_amount=Money(1234, "GBP"),
        refund_reason="too small",
        created_at=MADE,
        updated_at=MADE + SECOND,
        acquirer_reference_number="7" * 23,
    )


def test_every_request_names_the_version() -> None:
    request = HOOKS.fetch_refund(RefundQuery(connector_refund_id=REFUND))
    assert request.path == f"/api/orders/{REFUND}"
    assert request.headers == {"Revolut-Api-Version": "2026-04-20"}


@pytest.mark.parametrize(
    ("state", "payments", "status", "condition"),
    [
        ("processing", ["declined"], FAILED, "processing/declined"),
        ("processing", ["declined", "refund_started"], PENDING, "processing"),
        ("processing", ["refund_started", "declined"], PENDING, "processing"),
        ("processing", ["declined", "failed"], FAILED, "processing/failed"),
        ("processing", ["soft_declined"], PENDING, "processing"),
        ("processing", ["completed"], PENDING, "processing"),
        ("processing", ["something new"], PENDING, "processing"),
        ("processing", [], PENDING, "processing"),
        ("completed", ["declined"], SUCCEEDED, "completed"),
        ("authorised", ["declined"], PENDING, "authorised"),
        ("COMPLETED", [], UNKNOWN, "COMPLETED"),
        ("something new", ["declined"], UNKNOWN, "something new"),
    ],
)
def test_the_payments_count_where_the_order_is_undecided(
    state: str, payments: list[str], status: object, condition: str
) -> None:
    refund = mapped(order(state, *({"state": one} for one in payments)))
    assert (refund.status, refund.connector_status) == (status, condition)


def test_a_declined_refund_says_why() -> None:
    refund = mapped(
        order("processing", {"state": "declined", "decline_reason": "suspected_fraud", "bank_message": "no"})
    )
    assert refund.error == ErrorInfo(code="suspected_fraud", message="no")


def test_the_order_of_a_payment_is_no_refund() -> None:
    with pytest.raises(NotARefund):
        mapped(order("completed", type="payment"))


@pytest.mark.parametrize(
    "changes", [{"type": None}, {"state": []}, {"id": ""}, {"payments": {}}, {"payments": ["odd"]}]
)
def test_what_cannot_be_read_is_a_mapping_error(changes: dict[str, Any]) -> None:
    with pytest.raises(MappingError):
        mapped(order(**changes))


def test_an_odd_reference_is_a_problem() -> None:
    refund = mapped(order("completed", {"state": "completed", "payment_method": {"arn": [1]}}))
    assert (refund.acquirer_reference_number, len(refund.problems)) == (None, 1)


@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (400, {"code": "bad_request", "message": "about a customer"}, ConnectorError, "bad_request"),
        (401, {"code": "unauthenticated"}, AuthenticationError, "unauthenticated"),
        (403, {"code": "forbidden"}, AuthenticationError, "forbidden"),
        (404, {"code": 1024}, RefundNotFound, "1024"),
        (422, {"errorId": "e1", "code": None}, ConnectorError, None),
    ],
)
def test_a_refusal_keeps_its_code(status: int, body: object, expected: type[RefundryError], code: str | None) -> None:
    error = HOOKS.map_error(Response(status, {}, json.dumps(body).encode()))
    assert error is not None
    assert (type(error), error.code) == (expected, code)
    assert "customer" not in str(error)


# List


def booked(number: int, created: datetime, word: str = "completed") -> Refund:
    status = Revolut.statuses[word]
    return Refund(connector_refund_id=f"refund{number}", status=status, connector_status=word, created_at=created)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_overlap_and_lose_nothing_of_one_second(size: int) -> None:
    made = [booked(number, MADE + timedelta(microseconds=number // 2)) for number in range(7)]
    listed = Wiring(Revolut, made).client().list(since=MADE - timedelta(days=1), until=MADE + SECOND, page_size=size)
    assert sorted(one.connector_refund_id or "" for one in listed) == [f"refund{number}" for number in range(7)]


def test_undecided_refunds_are_asked_for_and_payments_are_left_out() -> None:
    wiring = Wiring(Revolut, [booked(1, MADE, "processing/declined"), booked(2, MADE)])

    def with_a_payment(response: Response) -> Response:
        body = response.json()
        if "orders" in body:
            body["orders"] += [order(type="payment", id="pay"), order(id="early", created_at="2020-01-01T00:00:00Z")]
        return Response(200, {}, json.dumps(body).encode())

    wiring.tamper = with_a_payment
    listed = list(wiring.client().list(since=MADE - SECOND, until=MADE + SECOND))
    assert {(one.connector_refund_id, one.status) for one in listed} == {("refund1", FAILED), ("refund2", SUCCEEDED)}
    assert [str(one.url).partition("?")[0].rpartition("/")[2] for one in wiring.sent] == ["orders", "refund1"]


@pytest.mark.parametrize("times", [["2026-02-03T04:00:00Z", "2026-02-03T05:00:00Z"], [None, "soon"]])
def test_another_order_of_a_full_page_is_an_error_and_no_loss(times: list[Any]) -> None:
    wiring = Wiring(Revolut)
    orders = [order("completed", id=f"refund{number}", created_at=time) for number, time in enumerate(times)]
    wiring.tamper = lambda _: Response(200, {}, json.dumps({"orders": orders}).encode())
    with pytest.raises(MappingError, match="newest first"):
        list(wiring.client().list(since=MADE - SECOND, until=MADE + SECOND, page_size=2))


# Webhooks

# developer.revolut.com, "Webhook signature verification".
PUBLISHED_SECRET = "wsk_r59a4HfWVAKycbCaNO1RvgCJec02gRd8"
PUBLISHED_TIME = "1683650202360"
PUBLISHED_BODY = (
    b'{"data":{"id":"645a7696-22f3-aa47-9c74-cbae0449cc46","new_state":"completed","old_state":"pending",'
    b'"request_id":"app_charges-9f5d5eb3-1e06-46c5-b1c0-3914763e0bcb"},"event":"TransactionStateChanged",'
    b'"timestamp":"2023-05-09T16:36:38.028960Z"}'
)
PUBLISHED_SIGNATURE = "v1=bca326fb378d0da7f7c490ad584a8106bab9723d8d9cdd0d50b4c5b3be3837c0"


def received(body: bytes, signature: str, timestamp: str = PUBLISHED_TIME, late: int = 0) -> Delivery:
    client = RefundClient("revolut", webhook_signing_secret=PUBLISHED_SECRET)
    headers = {"Revolut-Request-Timestamp": timestamp, "Revolut-Signature": signature}
    moment = datetime.fromtimestamp(1683650202, UTC) + timedelta(seconds=late)
    return client.handle_event(body=body, headers=headers, received_at=moment)


def signed(body: bytes, timestamp: str = PUBLISHED_TIME) -> str:
    text = b"v1." + timestamp.encode() + b"." + body
    return f"v1={hmac.new(PUBLISHED_SECRET.encode(), text, hashlib.sha256).hexdigest()}"


def test_the_published_signature_alone_or_among_others() -> None:
    for signature in (PUBLISHED_SIGNATURE, f"v1={'0' * 64}, {PUBLISHED_SIGNATURE}"):
        assert received(PUBLISHED_BODY, signature).events == []
    for signature in (PUBLISHED_SIGNATURE.removeprefix("v1="), PUBLISHED_SIGNATURE.replace("v1", "v2"), "v1="):
        with pytest.raises(SignatureError):
            received(PUBLISHED_BODY, signature)


def test_a_time_that_is_old_or_odd_is_refused() -> None:
    with pytest.raises(SignatureError, match="old"):
        received(PUBLISHED_BODY, PUBLISHED_SIGNATURE, late=302)
    with pytest.raises(SignatureError, match="time"):
        received(PUBLISHED_BODY, signed(PUBLISHED_BODY, "soon"), "soon")


@pytest.mark.parametrize("kind", ["ORDER_COMPLETED", "ORDER_FAILED", "ORDER_CANCELLED", "ORDER_PAYMENT_DECLINED"])
def test_an_event_only_names_an_order(kind: str) -> None:
    body = json.dumps({"event": kind, "order_id": REFUND, "merchant_order_ext_ref": "order-1"}).encode()
    (one,) = received(body, signed(body)).events
    assert one.is_hint
    assert one.query == RefundQuery(connector_refund_id=REFUND)


def test_other_events_are_acknowledged() -> None:
    body = json.dumps({"event": "ORDER_AUTHORISED", "order_id": PAYMENT}).encode()
    assert received(body, signed(body)).events == []
