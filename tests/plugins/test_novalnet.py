"""Novalnet keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from refundry import RefundClient
from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    MappingError,
    NotARefund,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.http import Response
from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN, Delivery, Money, Refund, RefundQuery
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_novalnet import Novalnet

KEY = "our_own_access_key"
REFUND, PAYMENT = "14000000000000117", "14000000000000100"


class TestNovalnet(ConnectorContract):
    connector = Novalnet
    # sandboxdeveloper.novalnet.com/resources/status-code: the transaction's status; SUCCESS is the result's.
    documented = {"CONFIRMED", "PENDING", "PROGRESS", "ON_HOLD", "DEACTIVATED", "FAILURE", "SUCCESS"}


def answer(**changes: object) -> Response:
    """A refund's own booking, of the documented shape."""
    transaction: dict[str, object] = {
        "tid": int(REFUND),
        "payment_type": "CREDITCARD_BOOKBACK",
        "status": "CONFIRMED",
        "amount": 1999,
        "currency": "EUR",
        "date": "2026-02-14 08:30:00",
        "order_no": "order-17",
        "test_mode": 1,
    }
    result = {"status": "SUCCESS", "status_code": 100, "status_text": "Successful"}
    return Response(200, {}, json.dumps({"result": result, "transaction": {**transaction, **changes}}).encode())


def mapped(**changes: object) -> Refund:
    hooks = connector_hooks(Novalnet(payment_access_key=KEY))
    refund = hooks.map_refund(RefundQuery(connector_refund_id=REFUND), answer(**changes), ())
    assert isinstance(refund, Refund)
    return refund


# Get


def test_the_refunds_own_tid_is_asked_for_with_the_key_in_a_header() -> None:
    wiring = Wiring(Novalnet)
    with pytest.raises(RefundNotFound):
        wiring.client().get(connector_refund_id=REFUND)
    assert wiring.sent[0].url == "https://payport.novalnet.de/v2/transaction/details"
    assert json.loads(wiring.sent[0].body or b"") == {"transaction": {"tid": REFUND}, "custom": {"lang": "EN"}}
    assert wiring.sent[0].headers["X-NN-Access-Key"] == "MGY1ZTFkMmMzYjRhNTk2ODc3ODZhNWI0YzNkMmUxZjA="


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id=REFUND,
        status=SUCCEEDED,
        connector_status="CONFIRMED",
        refund_amount=Money(1999, "EUR"),
    )


@pytest.mark.parametrize("word", ["SUCCESS", "confirmed", None])
def test_a_word_that_is_no_status_is_never_guessed(word: str | None) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (UNKNOWN, word)


def test_the_status_table() -> None:
    words = {"CONFIRMED": SUCCEEDED, "PENDING": PENDING, "PROGRESS": PENDING, "ON_HOLD": PENDING, "FAILURE": FAILED}
    assert {word: mapped(status=word).status for word in words} == words
    assert mapped(status="DEACTIVATED").status is MANUAL_REVIEW


@pytest.mark.parametrize(
    "kind", ["PAYPAL_BOOKBACK", "REFUND_BY_BANK_TRANSFER_EU", "PRZELEWY24_REFUND", "GUARANTEED_SEPA_BOOKBACK"]
)
def test_the_types_of_refunds_are_known(kind: str) -> None:
    assert mapped(payment_type=kind).status is SUCCEEDED


@pytest.mark.parametrize("kind", ["CREDITCARD", "DIRECT_DEBIT_SEPA", "CREDITCARD_CHARGEBACK", "RETURN_DEBIT_SEPA"])
def test_a_paid_payment_is_no_successful_refund(kind: str) -> None:
    with pytest.raises(NotARefund):
        mapped(payment_type=kind)


def test_a_payment_cancelled_before_it_was_collected_needs_a_person() -> None:
    refund = mapped(payment_type="DIRECT_DEBIT_SEPA", status="DEACTIVATED")
    assert (refund.status, refund.refund_amount) == (MANUAL_REVIEW, None)


@pytest.mark.parametrize("changes", [{"tid": PAYMENT}, {"tid": None}, {"payment_type": None}, {"status": []}])
def test_an_answer_that_may_be_about_something_else_is_a_mapping_error(changes: dict[str, object]) -> None:
    wiring = Wiring(Novalnet)
    wiring.tamper = lambda _: answer(**changes)
    with pytest.raises(MappingError):
        wiring.client().get(connector_refund_id=REFUND)


def test_an_amount_may_be_text() -> None:
    assert mapped(amount="1999").refund_amount == Money(1999, "EUR")
    assert mapped(amount="19.99").problems


# Errors


def failure(code: object) -> dict[str, object]:
    return {"status": "FAILURE", "status_code": code}


@pytest.mark.parametrize(
    ("http", "result", "expected"),
    [
        *((200, failure(code), AuthenticationError) for code in (1001, 1002, 1003, "1007", 1008)),
        *((200, failure(code), RefundNotFound) for code in (200010, 200014, 200018)),
        (200, failure(300085), ConnectorError),
        (200, {"status": "FAILURE"}, ConnectorError),
        (200, {"status": "success"}, MappingError),
        (200, {"status": True}, MappingError),
        (200, {}, MappingError),
        (200, None, MappingError),
        (429, failure(300085), RateLimited),
        (500, {"status": "SUCCESS"}, ProcessorUnavailable),
    ],
)
def test_an_error_is_told_by_its_code_and_is_no_failed_refund(http: int, result: Any, expected: type) -> None:
    wiring = Wiring(Novalnet)
    body = json.loads(answer(status="FAILURE").body)
    wiring.tamper = lambda _: Response(http, {}, json.dumps({**body, "result": result}).encode())
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(connector_refund_id=REFUND)
    assert type(caught.value) is expected


# Webhooks


def body_of(key: str = KEY, **changes: object) -> dict[str, Any]:
    """An event with the checksum, computed here on its own."""
    event: dict[str, Any] = {"type": "TRANSACTION_REFUND", "tid": int(REFUND), "parent_tid": int(PAYMENT), **changes}
    transaction = {"tid": int(PAYMENT), "amount": 5000, "currency": "EUR", "refund": {"tid": 1, "amount": 1}}
    signed = f"{event['tid']}{event['type']}SUCCESS5000EUR{''.join(reversed(key))}"
    event["checksum"] = hashlib.sha256(signed.encode()).hexdigest()
    return {"event": event, "result": {"status": "SUCCESS"}, "transaction": transaction}


def delivered(body: object, key: str = KEY) -> Delivery:
    client = RefundClient("novalnet", payment_access_key=key)
    return client.handle_event(body=json.dumps(body).encode(), headers={})


def test_an_authentic_event_is_a_hint_with_what_the_checksum_covers() -> None:
    (event,) = delivered(body_of()).events
    assert event.is_hint
    assert event.query == RefundQuery(connector_refund_id=REFUND, connector_transaction_id=PAYMENT)


def test_the_checksum_is_what_was_computed_by_hand() -> None:
    body = body_of("test_access_key", tid="14000000000000002")
    body["transaction"]["amount"] = 1000
    body["event"]["checksum"] = "fc38ec8fa45d9dc6b3163c48f9c89b1ec05f15de17cb2938f9aa242b7d6f85c7"
    assert delivered(body, "test_access_key").events


def test_absent_values_are_left_out_of_the_checksum() -> None:
    body = body_of()
    del body["transaction"]
    body["event"]["checksum"] = hashlib.sha256(f"{REFUND}TRANSACTION_REFUNDSUCCESS{KEY[::-1]}".encode()).hexdigest()
    assert delivered(body).events


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("event", "tid", 14000000000000118),
        ("event", "checksum", None),
        ("event", "checksum", ["odd"]),
        ("result", "status", "FAILURE"),
        ("transaction", "amount", 5001),
        ("transaction", "amount", 50.5),
        ("transaction", "currency", "\ud800"),
    ],
)
def test_a_changed_event_is_refused(part: str, name: str, value: object) -> None:
    body = body_of()
    body[part][name] = value
    with pytest.raises(SignatureError):
        delivered(body)


@pytest.mark.parametrize("kind", ["PAYMENT", "CHARGEBACK", "RETURN_DEBIT", "TRANSACTION_UPDATE"])
def test_an_event_about_something_else_is_acknowledged_and_ignored(kind: str) -> None:
    delivery = delivered(body_of(type=kind))
    assert (delivery.events, delivery.reply.status_code) == ([], 200)
