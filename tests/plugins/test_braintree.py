"""Braintree keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from refundry import RefundClient, errors
from refundry.http import Request, Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, ErrorInfo, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.wiring import deliver
from refundry_braintree import Braintree

KEYS: dict[str, Any] = {"public_key": "our_public_key", "private_key": "our own private key"}
CREATED = datetime(2026, 2, 14, 7, 30, 0, 120_000, tzinfo=UTC)


class TestBraintree(ConnectorContract):
    connector = Braintree
    # The enumeration PaymentStatus of the GraphQL schema; the last is of the older SDKs.
    documented = {
        "AUTHORIZATION_EXPIRED",
        "AUTHORIZED",
        "AUTHORIZING",
        "FAILED",
        "GATEWAY_REJECTED",
        "PROCESSOR_DECLINED",
        "SETTLED",
        "SETTLEMENT_CONFIRMED",
        "SETTLEMENT_DECLINED",
        "SETTLEMENT_PENDING",
        "SETTLING",
        "SUBMITTED_FOR_SETTLEMENT",
        "VOIDED",
        "settlement_failed",
    }


def node(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    made: dict[str, Any] = {
        "__typename": "Refund",
        "id": "cmVmdW5kX3JlZnVuZHJ5",
        "createdAt": "2026-02-14T07:30:00.120000Z",
        "amount": {"value": "12.34", "currencyCode": "EUR"},
        "orderId": "return-17",
        "status": "SETTLED",
        "refundedTransaction": {"id": "dHJhbnNhY3Rpb25fcmVm"},
        "details": {"reason": None, "description": "sent back"},
        "statusHistory": [
            {"status": "SETTLED", "timestamp": "2026-02-16T01:00:00.000000Z"},
            {"status": "SUBMITTED_FOR_SETTLEMENT", "timestamp": "2026-02-14T07:30:01.000000Z"},
        ],
    }
    return {**made, **changes}


def answered(body: object) -> Refund | Request:
    hooks = connector_hooks(Braintree(**KEYS))
    return hooks.map_refund(
        RefundQuery(connector_refund_id="x"), Response(200, {}, json.dumps({"data": body}).encode()), ()
    )


def mapped(**changes: object) -> Refund:
    refund = answered({"node": node(**changes)})
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id="cmVmdW5kX3JlZnVuZHJ5",
        connector_transaction_id="dHJhbnNhY3Rpb25fcmVm",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="SETTLED",
        refund_amount=Money(1234, "EUR"),
        refund_reason="sent back",
        created_at=CREATED,
        updated_at=datetime(2026, 2, 16, 1, tzinfo=UTC),
        processed_at=datetime(2026, 2, 16, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("word", "status"), [("SUBMITTED_FOR_SETTLEMENT", PENDING), ("SETTLEMENT_CONFIRMED", UNKNOWN), (None, UNKNOWN)]
)
def test_a_refund_that_waits_for_settlement_has_not_succeeded(word: str | None, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (status, word)


def test_the_history_says_why_it_failed_and_when_it_was_settled_before() -> None:
    declined = {
        "status": "SETTLEMENT_DECLINED",
        "timestamp": "2026-02-20T00:00:00Z",
        "processorResponse": {"legacyCode": "4001", "message": "Settlement Declined"},
    }
    refund = mapped(status="SETTLEMENT_DECLINED", statusHistory=[declined, *node()["statusHistory"]])
    assert refund.status is FAILED
    assert refund.error == ErrorInfo(code="4001", message="Settlement Declined")
    assert refund.processed_at == datetime(2026, 2, 16, 1, tzinfo=UTC)
    assert refund.updated_at == datetime(2026, 2, 20, tzinfo=UTC)
    rejected = {"status": "GATEWAY_REJECTED", "timestamp": None, "gatewayRejectionReason": "FRAUD"}
    assert mapped(status="GATEWAY_REJECTED", statusHistory=[rejected]).error == ErrorInfo(code="FRAUD")


@pytest.mark.parametrize("history", [None, [], {}, ["odd"], [[]], "odd", 3])
def test_an_odd_history_costs_the_history_alone(history: object) -> None:
    refund = mapped(statusHistory=history)
    assert refund.status is SUCCEEDED
    assert (refund.updated_at, refund.processed_at) == (None, None)
    assert bool(refund.problems) is (history not in (None, []))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"node": None}, errors.RefundNotFound),
        ({"node": {"__typename": "Transaction"}}, errors.NotARefund),
        ({}, errors.MappingError),
    ],
)
def test_an_answer_without_a_refund_says_what_is_wrong(data: object, expected: type[errors.RefundryError]) -> None:
    with pytest.raises(expected) as caught:
        answered(data)
    assert type(caught.value) is expected


def test_a_short_id_is_converted_first_and_answered_with_the_other() -> None:
    refund = mapped()
    wiring = Wiring(Braintree, [refund])
    (event,) = deliver(wiring.client(), wiring.event(refund)).events
    assert wiring.client().get(event.query).connector_refund_id == refund.connector_refund_id
    assert ["idFromLegacyId" in str(request.body) for request in wiring.sent] == [True, False]
    with pytest.raises(errors.RefundNotFound):
        wiring.client().get(connector_refund_id="a1b2c3d4")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("AUTHENTICATION", errors.AuthenticationError),
        ("AUTHORIZATION", errors.AuthenticationError),
        ("NOT_FOUND", errors.RefundNotFound),
        ("VALIDATION", errors.ConnectorError),
        ("RESOURCE_LIMIT", errors.RateLimited),
        ("INTERNAL", errors.ProcessorUnavailable),
        ("SERVICE_AVAILABILITY", errors.ProcessorUnavailable),
        ("UNSUPPORTED_CLIENT", errors.ConnectorError),
        (None, errors.ConnectorError),
    ],
)
def test_an_error_inside_a_good_answer_is_an_error_even_beside_data(
    word: str | None, expected: type[errors.RefundryError]
) -> None:
    wiring = Wiring(Braintree)
    extensions = {"errorClass": word, "legacyCode": "96704"}
    body = {
        "data": {"node": node()},
        "errors": [{"message": "of a customer", "extensions": extensions}],
        "extensions": {"requestId": "our-request"},
    }
    wiring.tamper = lambda _: Response(200, {}, json.dumps(body).encode())
    with pytest.raises(expected) as caught:
        wiring.client().get(connector_refund_id="cmVmdW5kX3JlZnVuZHJ5")
    assert type(caught.value) is expected
    assert (caught.value.code, caught.value.request_id) == ("96704", "our-request")
    assert "customer" not in str(caught.value)


def test_the_list_asks_for_a_merchant_account_and_by_payment() -> None:
    window: dict[str, Any] = {
        "since": datetime(2026, 2, 1, tzinfo=UTC),
        "until": datetime(2026, 3, 1, tzinfo=UTC),
        "page_size": 20,
    }
    hooks = connector_hooks(Braintree(**KEYS, merchant_account_id="our_account"))
    request: Any = hooks.fetch_refunds(Window(**window), "next")
    created = {"greaterThanOrEqualTo": "2026-02-01T00:00:00Z", "lessThanOrEqualTo": "2026-03-01T00:00:00Z"}
    assert request.json["variables"] == {
        "input": {"createdAt": created, "merchantAccountId": {"is": "our_account"}},
        "first": 20,
        "after": "next",
    }
    refund = mapped()
    listed = Wiring(Braintree, [refund]).client().list(connector_transaction_id="dHJhbnNhY3Rpb25fcmVm")
    assert [one.connector_refund_id for one in listed] == [refund.connector_refund_id]


@pytest.mark.parametrize("node_of", [None, {}, {"refunds": None}])
def test_a_payment_whose_refunds_are_missing_has_no_empty_list(node_of: object) -> None:
    wiring = Wiring(Braintree)
    wiring.tamper = lambda _: Response(200, {}, json.dumps({"data": {"node": node_of}}).encode())
    with pytest.raises(errors.MappingError):
        list(wiring.client().list(connector_transaction_id="dHJhbnNhY3Rpb25fcmVm"))


def delivered(kind: str, subject: str, *, signed: str = "", payload: str | None = None) -> Delivery:
    document = f"<notification><kind>{kind}</kind><timestamp>2026-02-14T07:30:00Z</timestamp>{subject}</notification>"
    sent = base64.encodebytes(document.encode()).decode() if payload is None else payload
    key = hashlib.sha1(KEYS["private_key"].encode()).digest()  # noqa: S324
    digest = hmac.new(key, (sent + signed).encode(), "sha1").hexdigest()
    form = {"bt_signature": f"another_key|{'0' * 40}&{KEYS['public_key']}|{digest}", "bt_payload": sent}
    return RefundClient("braintree", **KEYS).handle_event(body=urlencode(form).encode(), headers={})


def subject(inner: str) -> str:
    return f"<subject><transaction><id>a1b2c3d4</id>{inner}</transaction></subject>"


@pytest.mark.parametrize(
    ("kind", "inner"),
    [
        ("refund_failed", "<status>processor_declined</status>"),
        ("transaction_settled", "<type>credit</type>"),
        ("transaction_settled", "<refunded-transaction-id>e5f6g7h8</refunded-transaction-id>"),
        ("transaction_settlement_declined", "<refunded-transaction-fk>1</refunded-transaction-fk>"),
    ],
)
def test_an_event_about_a_refund_is_a_hint_with_its_short_id(kind: str, inner: str) -> None:
    # Braintree's own libraries accept a signature over one line end more, too.
    (event,) = delivered(kind, subject(inner)).events
    assert delivered(kind, subject(inner), signed="\n").events == [event]
    assert event.is_hint
    assert event.query.connector_refund_id == "a1b2c3d4"
    assert event.event_id == f"{kind}/a1b2c3d4/2026-02-14T07:30:00Z"


@pytest.mark.parametrize(
    ("kind", "inner"),
    [
        ("transaction_settled", "<type>sale</type><refunded-transaction-id nil='true'/>"),
        ("transaction_disbursed", "<type>credit</type>"),
        ("check", ""),
    ],
)
def test_an_event_about_something_else_is_ignored(kind: str, inner: str) -> None:
    assert delivered(kind, subject(inner)).events == []
    assert delivered("check", "<subject><check>true</check></subject>").events == []


def test_a_failure_without_its_refund_is_not_passed_over() -> None:
    with pytest.raises(errors.MappingError):
        delivered("refund_failed", "<subject/>")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("", errors.SignatureError),
        ("<xml/>", errors.SignatureError),
        ("=", errors.MappingError),
        ("AAAA", errors.MappingError),
        (base64.b64encode(b"<!DOCTYPE x><x/>").decode(), errors.MappingError),
    ],
)
def test_a_payload_that_cannot_be_read_is_a_typed_error(payload: str, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        delivered("refund_failed", "", payload=payload)


def challenged(challenge: str, **options: Any) -> Delivery:
    keys: dict[str, Any] = {"public_key": "integration_public_key", "private_key": "integration_private_key"}
    url = f"https://shop.example/webhook?bt_challenge={challenge}"
    return RefundClient("braintree", **keys).handle_event(body=b"", headers={}, url=url, **options)


def test_the_published_challenge_has_the_published_answer() -> None:
    # braintree/braintree_python, tests of webhook_notification_gateway.
    delivery = challenged("20f9f8ed05f77439fe955c977e4c8a53", method="GET")
    assert delivery.reply.body == b"integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4"
    assert delivery.events == []


@pytest.mark.parametrize(
    ("challenge", "method"), [("20f9f8ed05f77439fe955c977e4c8a53", "POST"), ("short", "GET"), ("bad+chars", "GET")]
)
def test_nothing_else_is_signed_for_the_asking(challenge: str, method: str) -> None:
    with pytest.raises(errors.SignatureError):
        challenged(challenge, method=method)
