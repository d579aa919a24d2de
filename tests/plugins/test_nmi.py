"""NMI keeps the contract, and what is particular to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from refundry import RefundClient
from refundry.errors import (
    AmbiguousRefund,
    AuthenticationError,
    ConnectorError,
    MappingError,
    NotARefund,
    RateLimited,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.http import Moment, Response, parse_form
from refundry.model import (
    FAILED,
    MANUAL_REVIEW,
    PENDING,
    SUCCEEDED,
    UNKNOWN,
    Delivery,
    ErrorInfo,
    Money,
    Refund,
    RefundQuery,
    Window,
)
from refundry.plugins import connector_hooks
from refundry.signing import hmac_hex
from refundry.testing import ConnectorContract, Wiring
from refundry_nmi import NMI

KEYS: dict[str, Any] = {"security_key": "our own security key", "webhook_signing_key": "test-signing-key"}
MADE = datetime(2026, 3, 4, 15, 6, 7, tzinfo=UTC)
SALE = "<action><action_type>sale</action_type><success>1</success><date>20260301000000</date></action>"
WINDOW = Window(since=MADE, until=MADE.replace(day=5, microsecond=5), page_size=2)


class TestNMI(ConnectorContract):
    connector = NMI
    # docs.nmi.com: conditions of the Query API, events of the webhooks; the rest are conditions of several fields.
    documented = {
        *("pending", "pendingsettlement", "in_progress", "abandoned", "failed", "canceled", "complete", "unknown"),
        *("transaction.refund.success", "transaction.refund.failure", "transaction.refund.unknown"),
        *("refund/0", "refund/1", "refund/1/settle", "complete/check_return", "complete/check_late_return"),
    }


def action(kind: str = "refund", success: str = "1", date: str = "20260304150607", more: str = "") -> str:
    return f"<action><action_type>{kind}</action_type><success>{success}</success><date>{date}</date>{more}</action>"


def transaction(actions: str, condition: str = "complete", number: str = "8001", more: str = "") -> str:
    ids = f"<transaction_id>{number}</transaction_id><order_id>return-17</order_id><currency>USD</currency>"
    return f"<transaction>{ids}<condition>{condition}</condition>{more}{actions}</transaction>"


def answer(*transactions: str) -> Response:
    return Response(200, {}, f"<nm_response>{''.join(transactions)}</nm_response>".encode())


def mapped(*transactions: str, **query: str) -> Refund:
    asked = RefundQuery(**(query or {"connector_refund_id": "8001"}))  # type: ignore[arg-type]
    refund = connector_hooks(NMI(**KEYS)).map_refund(asked, answer(*transactions), ())
    assert isinstance(refund, Refund)
    return refund


# A refund as a transaction of its own, or as an action of its payment


def test_a_whole_transaction_of_its_own() -> None:
    body = action(more="<amount>-1.01</amount>") + action("settle", date="20260305010000")
    more = "<original_transaction_id>7001</original_transaction_id>"
    assert mapped(transaction(body, more=more)) == Refund(
        connector_refund_id="8001",
        connector_transaction_id="7001",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="complete",
        refund_amount=Money(101, "USD"),
        created_at=MADE,
        processed_at=datetime(2026, 3, 5, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("actions", "condition", "word", "status"),
    [
        (action(success="0"), "complete", "refund/0", FAILED),
        (action(success="0"), "pendingsettlement", "refund/0", FAILED),
        (action(success="0"), "unknown", "unknown", MANUAL_REVIEW),
        (action(success="0") + action(), "complete", "complete", SUCCEEDED),
        (action(success="2"), "complete", "refund/2", UNKNOWN),
        (action() + action("check_return"), "complete", "complete/check_return", FAILED),
        (action() + action("return"), "complete", "complete/return", UNKNOWN),
        (action() + action("check_return", success="0"), "complete", "complete", SUCCEEDED),
        (action() + action("void"), "canceled", "canceled", FAILED),
        (action() + action("void"), "complete", "complete/void", UNKNOWN),
        (SALE + action(), "complete", "refund/1", PENDING),
        (SALE + action(), "failed", "refund/1", PENDING),
        (SALE + action(success="0"), "complete", "refund/0", FAILED),
        (SALE + action("settle", date="20260302000000") + action(), "complete", "refund/1", PENDING),
        (SALE + action() + action("settle", date="20260302000000"), "complete", "refund/1", PENDING),
        (SALE + action() + action("settle", date="20260305000000"), "complete", "refund/1/settle", SUCCEEDED),
        (SALE + action() + action("settle", success="0"), "complete", "refund/1", PENDING),
        (SALE + action() + action("settle", success=""), "complete", "refund/1/settle:", UNKNOWN),
        (SALE + action() + action("settle", success="2"), "complete", "refund/1/settle:2", UNKNOWN),
        (action() + action("settle", success=""), "complete", "complete", SUCCEEDED),
        (action() + action("check_return", success=""), "complete", "complete/check_return:", UNKNOWN),
        (SALE + action() + action("void"), "complete", "refund/1/void", UNKNOWN),
        (action(), "COMPLETE", "COMPLETE", UNKNOWN),
        (action(), "", None, UNKNOWN),
    ],
)
def test_the_condition_counts_only_where_it_is_the_refunds(
    actions: str, condition: str, word: str | None, status: object
) -> None:
    refund = mapped(transaction(actions, condition))
    assert (refund.connector_status, refund.status) == (word, status)


def test_an_action_of_a_payment_shares_its_identifier() -> None:
    refund = mapped(transaction(SALE + action()))
    assert (refund.connector_refund_id, refund.connector_transaction_id) == ("8001", "8001")
    with pytest.raises(AmbiguousRefund):
        mapped(transaction(SALE + action() + action()))


def test_the_transaction_that_was_asked_for_is_read() -> None:
    both = transaction(SALE, number="7001"), transaction(action(), "pendingsettlement")
    assert mapped(*both).status is PENDING
    with pytest.raises(NotARefund):
        mapped(*both, connector_refund_id="7001")
    with pytest.raises(MappingError):
        mapped(*both, connector_refund_id="7002")


def test_an_order_id_finds_the_one_refund() -> None:
    found = mapped(transaction(SALE, number="7001"), transaction(action()), merchant_refund_id="return-17")
    assert found.connector_refund_id == "8001"
    with pytest.raises(AmbiguousRefund):
        mapped(transaction(action()), transaction(action(), number="8002"), merchant_refund_id="return-17")
    with pytest.raises(NotARefund):
        mapped(transaction(SALE), merchant_refund_id="return-17")


def test_a_refused_refund_says_why() -> None:
    codes = "<response_code>300</response_code><response_text>Too much</response_text>"
    assert mapped(transaction(action(success="0", more=codes))).error == ErrorInfo(code="300", message="Too much")
    approved = action(more="<response_code>100</response_code>")
    assert mapped(transaction(approved, "canceled")).error is None


def test_a_missing_currency_is_the_accounts() -> None:
    body = transaction(action(more="<amount>5.00</amount>")).replace("USD", "")
    assert mapped(body).refund_amount is None
    assert mapped(body, connector_refund_id="8001", currency="CAD").refund_amount == Money(500, "CAD")
    given = connector_hooks(NMI(**KEYS, currency="USD"))
    refund = given.map_refund(RefundQuery(connector_refund_id="8001"), answer(body), ())
    assert isinstance(refund, Refund)
    assert refund.refund_amount == Money(500, "USD")


@pytest.mark.parametrize("date", ["2026030415060", "2026-03-04 15:06", "20261304150607", "later"])
def test_an_odd_date_or_amount_is_reported(date: str) -> None:
    refund = mapped(transaction(action(date=date, more="<amount>--1</amount>")))
    assert (refund.created_at, refund.refund_amount, len(refund.problems)) == (None, None, 2)


@pytest.mark.parametrize("odd", ["<transaction/>", "<transaction>1</transaction>", transaction("<action>1</action>")])
def test_what_is_no_transaction_is_a_mapping_error(odd: str) -> None:
    with pytest.raises(MappingError):
        mapped(odd)


# Errors come with HTTP 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<nm_response/>", RefundNotFound),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n<nm_response>\n</nm_response>', RefundNotFound),
        (b"<nm_response><error_response>Invalid Username/Password REFID:77</error_response></nm_response>", 1),
        (b"<nm_response><error_response>Rate limit exceeded REFID:77</error_response></nm_response>", RateLimited),
        (b"<nm_response><error_response>Invalid date</error_response></nm_response>", ConnectorError),
        (b"<nm_response><error_response/></nm_response>", ConnectorError),
        (b"<nm_response><error_response><a>1</a></error_response></nm_response>", ConnectorError),
        (b"<html><body>A gateway</body></html>", MappingError),
        (b"response=3&responsetext=no&response_code=300", MappingError),
    ],
)
def test_the_body_says_what_is_wrong(body: bytes, expected: Any) -> None:
    wiring = Wiring(NMI)
    wiring.tamper = lambda _: Response(200, {}, body)
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(connector_refund_id="8001")
    assert type(caught.value) is (AuthenticationError if expected == 1 else expected)
    if b"REFID" in body:
        assert caught.value.request_id == "77"


def test_a_user_name_and_password_serve_instead_of_a_key() -> None:
    login: dict[str, Any] = {"username": "we", "password": "a password", "webhook_signing_key": "k"}
    hooks = connector_hooks(NMI(**login))
    request = hooks.fetch_refund(RefundQuery(connector_refund_id="8001"))
    assert request.auth is not None
    wire = request.auth(request.to_wire(), Moment(now=MADE, nonce="1"))
    assert parse_form(wire.body or b"") == {"username": "we", "password": "a password", "transaction_id": "8001"}


# List


def test_a_list_asks_by_time_of_change_and_widens_to_whole_seconds() -> None:
    form: Any = connector_hooks(NMI(**KEYS)).fetch_refunds(WINDOW, "3").form
    assert (form["start_date"], form["end_date"]) == ("20260304150607", "20260305150608")
    assert (form["action_type"], form["result_limit"], form["page_number"]) == ("refund", 2, "3")


@pytest.mark.parametrize(("count", "cursor"), [(0, None), (1, None), (2, "1"), (3, None)])
def test_a_page_that_is_not_full_or_too_full_is_the_last(count: int, cursor: str | None) -> None:
    items = [transaction(action(), number=str(number)) for number in range(count)]
    page = connector_hooks(NMI(**KEYS)).map_refunds(WINDOW, None, answer(*items))
    assert (len(page.refunds), page.cursor) == (count, cursor)


def test_two_refunds_under_one_identifier_cost_one_item_of_a_list() -> None:
    items = transaction(SALE + action() + action()), transaction(action(), number="8002"), transaction(SALE)
    page = connector_hooks(NMI(**KEYS)).map_refunds(WINDOW, None, answer(*items))
    assert ([one.connector_refund_id for one in page.refunds], len(page.problems)) == (["8002"], 1)


# Webhooks


def delivered(body: bytes, nonce: str = "nonce123", signature: str | None = None) -> Delivery:
    signed = signature or hmac_hex(b"test-signing-key", nonce.encode() + b"." + body)
    return RefundClient("nmi", **KEYS).handle_event(body=body, headers={"Webhook-Signature": f"t={nonce},s={signed}"})


def event(kind: str, **more: Any) -> bytes:
    subject = {"transaction_id": "8001", "order_id": "return-17", "currency": "USD", **more}
    return json.dumps({"event_id": "e1", "event_type": kind, "event_body": subject}).encode()


def test_the_nonce_is_signed_and_is_no_time() -> None:
    body = b'{"event_id":"e1","event_type":"transaction.refund.success"}'
    signature = "cc774c44d73810958f34b68eb0d09b2eb05c80e02b8e4d07c64fcdbea5dca788"
    with pytest.raises(MappingError, match="transaction_id"):  # authentic, and without its refund
        delivered(body, signature=signature)
    with pytest.raises(SignatureError):
        delivered(body, nonce="nonce124", signature=signature)


@pytest.mark.parametrize("kind", ["transaction.refund.success", "transaction.void.success"])
def test_an_accepted_refund_or_a_void_is_a_hint(kind: str) -> None:
    (one,) = delivered(event(kind)).events
    assert one.is_hint
    assert (one.query.connector_refund_id, one.event_id) == ("8001", "e1")


@pytest.mark.parametrize(("kind", "status"), [("failure", FAILED), ("unknown", MANUAL_REVIEW)])
def test_a_failed_or_unclear_attempt_is_said_by_the_event(kind: str, status: object) -> None:
    said = {"amount": "5.00", "action_type": "refund", "response_code": "300", "date": "20260304150607"}
    (one,) = delivered(event(f"transaction.refund.{kind}", action=said)).events
    assert one.refund is not None
    assert (one.refund.status, one.refund.refund_amount) == (status, Money(500, "USD"))
    assert one.refund.error == (ErrorInfo(code="300") if status is FAILED else None)


@pytest.mark.parametrize("kind", ["transaction.sale.success", "transaction.refund", "complete", "refund/0"])
def test_an_event_about_something_else_is_ignored(kind: str) -> None:
    assert delivered(event(kind)).events == []
