"""Paystack keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import Delivery, RefundClient, RefundQuery, errors
from refundry.http import Response
from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN, ErrorInfo, Money, Refund, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_paystack import Paystack

KEY: dict[str, Any] = {"secret_key": "sk_test_ours"}
START = datetime(2026, 2, 14, 7, 30, tzinfo=UTC)
WINDOW = Window(since=START, until=START + timedelta(days=1), page_size=2)


class TestPaystack(ConnectorContract):
    connector = Paystack
    # paystack.com/docs/payments/refunds and support.paystack.com/en/articles/2130434
    documented = {"pending", "processing", "processed", "failed", "needs-attention"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "id": 7100017,
        "transaction": 4200017,
        "transaction_reference": "T-return-17",
        "domain": "test",
        "amount": 123450,
        "deducted_amount": None,
        "fully_deducted": 1,
        "currency": "NGN",
        "status": "processed",
        "refunded_at": "2026-02-15T09:00:00.000Z",
        "expected_at": "2026-02-21T07:30:00.000Z",
        "customer_note": "one cup was broken",
        "merchant_note": "by the shop",
        "bank_reference": "700000017",
        "reason": "PROCESSED",
        "createdAt": "2026-02-14T07:30:00.250Z",
        "updatedAt": "2026-02-15T09:00:01.000Z",
        **changes,
    }


def answer(data: object, **envelope: object) -> Response:
    return Response(200, {}, json.dumps({"status": True, "message": "ours", "data": data, **envelope}).encode())


def mapped(**changes: object) -> Refund:
    refund = connector_hooks(Paystack(**KEY)).map_refund(RefundQuery(), answer(entity(**changes)), ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id="7100017",
        connector_transaction_id="4200017",
        status=SUCCEEDED,
        connector_status="processed",
        refund_amount=Money(123450, "NGN"),
        refund_reason="one cup was broken",
        created_at=START.replace(microsecond=250_000),
        updated_at=datetime(2026, 2, 15, 9, 0, 1, tzinfo=UTC),
        processed_at=datetime(2026, 2, 15, 9, tzinfo=UTC),
        acquirer_reference_number="700000017",
        metadata={"transaction_reference": "T-return-17"},
    )


WORDS = {"pending": PENDING, "processing": PENDING, "processed": SUCCEEDED, "failed": FAILED}
SPELLINGS = {"needs-attention": MANUAL_REVIEW, "needs_attention": UNKNOWN, "Processed": UNKNOWN, "reversed": UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *SPELLINGS.items(), (None, UNKNOWN)])
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    # Neither the time of refunding nor the state text says anything about the status.
    refund = mapped(status=word, reason="PROCESSED", reversed_at="2026-02-16T09:00:00.000Z")
    assert (refund.status, refund.connector_status) == (status, word)
    assert (refund.processed_at is not None) is (status is SUCCEEDED)
    assert refund.error == (ErrorInfo(message="PROCESSED") if status in (FAILED, MANUAL_REVIEW) else None)


def test_times_and_payment_come_in_two_shapes_and_notes_in_two_fields() -> None:
    times: dict[str, object] = {"created_at": "2026-02-14T07:30:00.000Z", "updated_at": "2026-02-14T08:30:00.000Z"}
    payment = {"id": 4200018, "reference": "T-18", "amount": 9}
    refund = mapped(createdAt=None, updatedAt=None, customer_note=None, transaction=payment, **times)
    assert (refund.created_at, refund.updated_at) == (START, START + timedelta(hours=1))
    assert (refund.connector_transaction_id, refund.refund_reason) == ("4200018", "by the shop")
    assert refund.query().metadata == {"transaction_reference": "T-18"}


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (123450, "XOF", None),
        (123400, "XOF", Money(1234, "XOF")),
        ("123400", "rwf", Money(1234, "RWF")),
        ("5000", "GHS", Money(5000, "GHS")),
        (0, "KES", Money(0, "KES")),
        (10, "KWD", Money(100, "KWD")),
        (1.5, "NGN", None),
        (-1, "NGN", None),
        (5000, None, None),
    ],
)
def test_amounts_have_two_decimals_whatever_the_currency(amount: object, currency: object, expected: object) -> None:
    refund = mapped(amount=amount, currency=currency)
    assert refund.refund_amount == expected
    assert bool(refund.problems) is (expected is None)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"status": False, "code": "odd"}, errors.ConnectorError),
        (200, {"data": entity()}, errors.MappingError),
        (200, {"status": "true", "data": entity()}, errors.MappingError),
        (200, {"status": True, "data": [entity()]}, errors.MappingError),
        (400, {"status": False, "code": "missing_params"}, errors.ConnectorError),
        (401, {"status": False, "message": "Invalid key"}, errors.AuthenticationError),
        (401, "odd", errors.AuthenticationError),
        (403, {}, errors.AuthenticationError),
        (404, {"status": False, "message": "Entity not found", "code": ["odd"]}, errors.RefundNotFound),
        (404, None, errors.RefundNotFound),
        (422, {"status": False, "type": "validation_error", "code": "invalid_params"}, errors.ConnectorError),
        (429, {"status": False}, errors.RateLimited),
        (500, {"status": False, "type": "api_error"}, errors.ProcessorUnavailable),
    ],
)
def test_errors_are_told_by_their_status(status: int, body: object, expected: Any) -> None:
    wiring = Wiring(Paystack)
    wiring.tamper = lambda _: Response(status, {}, json.dumps(body).encode())
    with pytest.raises(errors.RefundryError) as caught:
        wiring.client().get(connector_refund_id="7100017")
    code = body.get("code") if isinstance(body, dict) else None
    assert (type(caught.value), caught.value.code) == (expected, code if isinstance(code, str) else None)


def test_a_key_of_the_other_mode_is_refused() -> None:
    with pytest.raises(errors.ConfigurationError, match="secret_key"):
        RefundClient("paystack", secret_key="sk_live_ours", environment="SANDBOX")


def made(number: int, payment: str = "4200017") -> Refund:
    ids: dict[str, Any] = {"connector_refund_id": f"71{number:05}", "connector_transaction_id": payment}
    return Refund(status=SUCCEEDED, connector_status="processed", created_at=START + timedelta(days=number), **ids)


def test_a_list_by_time_asks_for_more_than_the_window_and_returns_no_more() -> None:
    wiring = Wiring(Paystack, map(made, range(6)))
    listed = wiring.client().list(since=START + timedelta(days=1), until=START + timedelta(days=4), page_size=2)
    assert [one.connector_refund_id for one in listed] == ["7100003", "7100002", "7100001"]
    request = connector_hooks(Paystack(**KEY)).fetch_refunds(WINDOW, "/3")
    times = {"from": "2026-02-14T07:29:59Z", "to": "2026-02-15T07:30:01Z"}
    assert dict(request.params) == {"perPage": 2, "page": 3, **times}


@pytest.mark.parametrize(("payment", "calls"), [("4200017", 2), ("T-return/17", 3), ("0x1F", 3), ("\u0664\u0662", 3)])
def test_a_payment_is_found_by_its_reference_too(payment: str, calls: int) -> None:
    wiring = Wiring(Paystack, [made(-400, payment), made(1, payment), made(2, "4200018"), made(3, payment)])
    listed = wiring.client().list(connector_transaction_id=payment, page_size=2)
    assert [one.connector_refund_id for one in listed] == ["7100003", "7100001", "71-0400"]
    assert len(wiring.sent) == calls
    assert all("from=" not in str(request.url) for request in wiring.sent)


PAGES = {"pageCount": 2}
STRINGS = {"perPage": "2", "pageCount": "2"}


@pytest.mark.parametrize(
    ("cursor", "items", "meta", "following"),
    [
        (None, 2, PAGES, "/2"),
        ("/2", 2, PAGES, None),
        ("/2", 2, STRINGS, None),
        ("4200017/1", 1, STRINGS, "4200017/2"),
        (None, 1, None, "/2"),
        (None, 1, {"pageCount": ["odd"]}, "/2"),
        ("/2", 0, None, None),
        ("/2", 0, {"pageCount": 9}, None),
    ],
)
def test_a_list_ends_with_the_last_page_or_an_empty_one(
    cursor: str | None, items: int, meta: object, following: str | None
) -> None:
    response = answer([entity(id=number) for number in range(items)], meta=meta)
    found = connector_hooks(Paystack(**KEY)).map_refunds(WINDOW, cursor, response)
    assert (len(found.refunds), found.cursor) == (items, following)


def event(kind: str = "refund.processed", **changes: object) -> dict[str, Any]:
    """An event of the documented shape."""
    facts = {"transaction_reference": "T-return-17", "refund_reference": "TRF_17", "amount": "5000", "currency": "NGN"}
    return {"event": kind, "data": {"status": kind.removeprefix("refund."), **facts, **changes}}


def delivered(body: object, received_at: datetime = START) -> Delivery:
    raw = json.dumps(body).encode()
    headers = {"x-paystack-signature": hmac.new(KEY["secret_key"].encode(), raw, hashlib.sha512).hexdigest()}
    return RefundClient("paystack", **KEY).handle_event(body=raw, headers=headers, received_at=received_at)


def test_an_event_names_the_payment_whose_refunds_are_to_be_listed() -> None:
    (one,) = delivered(event()).events
    assert one.is_hint
    assert one.query == RefundQuery(connector_transaction_id="T-return-17")
    assert one.event_id == "refund.processed/T-return-17/TRF_17"


def test_an_event_with_the_refunds_id_says_how_it_stands() -> None:
    (one,) = delivered(event("refund.needs-attention", id="7100017", amount=5306)).events
    assert one.refund is not None
    assert (one.refund.status, one.refund.refund_amount) == (MANUAL_REVIEW, Money(5306, "NGN"))
    assert one.query.connector_refund_id == "7100017"
    assert one.refund.connector_transaction_id is None


def test_equal_refunds_without_a_reference_are_no_duplicates() -> None:
    twin = event("refund.pending", refund_reference=None)
    early, late = delivered(twin), delivered(twin, START + timedelta(minutes=3))
    assert early.events[0].event_id != late.events[0].event_id


def test_an_event_about_something_else_is_acknowledged_and_ignored() -> None:
    delivery = delivered({"event": "charge.success", "data": {"id": 1, "status": "success"}})
    assert (list(delivery.events), delivery.reply.status_code) == ([], 200)


@pytest.mark.parametrize("data", [None, [], {"status": "processed"}, {"transaction_reference": ["odd"]}])
def test_an_event_that_names_nothing_is_a_mapping_error(data: object) -> None:
    with pytest.raises(errors.MappingError):
        delivered({"event": "refund.processed", "data": data})
