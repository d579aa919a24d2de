"""Mercado Pago keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    MappingError,
    Money,
    ProcessorUnavailable,
    RateLimited,
    Refund,
    RefundClient,
    RefundNotFound,
    RefundryError,
    RefundStatus,
    SignatureError,
)
from refundry.http import Request, Response
from refundry.model import Delivery, RefundPage, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_mercadopago import MercadoPago

REFUND, PAYMENT = 1000000017, 17000000001
IDS: dict[str, Any] = {"connector_refund_id": str(REFUND), "connector_transaction_id": str(PAYMENT)}
HOOKS = connector_hooks(MercadoPago(access_token="TEST-our-own"))


class TestMercadoPago(ConnectorContract):
    connector = MercadoPago
    documented = {
        # mercadopago/openapi, status of a refund
        "approved",
        "in_process",
        "rejected",
        # the reference of mercadopago.com/developers
        "cancelled",
        "authorized",
        # the Orders API, mercadopago/sdk-java
        "processed",
    }


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    made: dict[str, Any] = {
        "id": REFUND,
        "payment_id": PAYMENT,
        "amount": 12.5,
        "metadata": {"order_id": "return-17"},
        "source": {"id": "4711", "name": "Our Own Shop", "type": "collector"},
        "date_created": "2026-02-14T03:30:00.250-04:00",
        "unique_sequence_number": None,
        "refund_mode": "standard",
        "adjustment_amount": 0,
        "status": "approved",
        "reason": None,
        "labels": [],
        "partition_details": [],
    }
    return {name: value for name, value in {**made, **changes}.items() if value != "leave out"}


def answer(body: object) -> Response:
    return Response(200, {}, json.dumps(body).encode())


def mapped(currency: str = "BRL", **changes: object) -> Refund:
    refund = HOOKS.map_refund(RefundQuery(**IDS, currency=currency), answer(entity(**changes)), ())
    assert isinstance(refund, Refund)
    return refund


# Get


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id="1000000017",
        connector_transaction_id="17000000001",
        merchant_refund_id="return-17",
        status=RefundStatus.SUCCEEDED,
        connector_status="approved",
        refund_amount=Money(1250, "BRL"),
        created_at=datetime(2026, 2, 14, 7, 30, 0, 250_000, tzinfo=UTC),
    )


def test_the_payment_is_asked_for_the_currency_unless_it_is_known() -> None:
    first = answer(entity(amount=1250))
    request = HOOKS.map_refund(RefundQuery(**IDS), first, ())
    assert isinstance(request, Request)
    assert request.path == f"/v1/payments/{PAYMENT}"
    refund = HOOKS.map_refund(RefundQuery(**IDS), answer({"id": PAYMENT, "currency_id": "CLP"}), (first,))
    assert isinstance(refund, Refund)
    assert refund.refund_amount == Money(1250, "CLP")


def test_without_a_currency_the_amount_is_a_problem() -> None:
    refund = HOOKS.map_refund(RefundQuery(**IDS), answer({"id": PAYMENT}), (answer(entity()),))
    assert isinstance(refund, Refund)
    assert refund.refund_amount is None
    assert any("currency" in problem for problem in refund.problems)


@pytest.mark.parametrize("word", ["leave out", None, "", "processed", "refunded", "APPROVED"])
def test_a_refund_without_a_documented_status_is_unknown(word: object) -> None:
    assert mapped(status=word).status is RefundStatus.UNKNOWN


@pytest.mark.parametrize(
    ("metadata", "expected"), [({}, None), ("leave out", None), ([], None), ({"order_id": 17}, "17")]
)
def test_the_merchants_own_id(metadata: object, expected: object) -> None:
    assert mapped(metadata=metadata).merchant_refund_id == expected


# List


def window(**changes: Any) -> Window:
    given = {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 3, 1, tzinfo=UTC), "page_size": 2}
    return Window(**{**given, **changes})


def found(results: object, paging: object = None, cursor: str | None = None) -> RefundPage:
    return HOOKS.map_refunds(window(), cursor, answer({"paging": paging, "results": results}))


def payment(*refunds: object, **changes: object) -> dict[str, Any]:
    return {"id": PAYMENT, "status": "refunded", "currency_id": "ARS", "refunds": list(refunds), **changes}


def test_a_search_is_by_time_of_change_newest_first_and_one_day_longer() -> None:
    assert dict(HOOKS.fetch_refunds(window(), "4").params) == {
        "sort": "date_last_updated",
        "criteria": "desc",
        "range": "date_last_updated",
        "begin_date": "2026-02-01T00:00:00.000Z",
        "end_date": "2026-03-02T00:00:00.000Z",
        "offset": "4",
        "limit": 2,
    }


def test_the_refunds_of_the_payments_found_are_listed() -> None:
    page = found([payment(), payment(entity(id=1), entity(id=2)), payment(entity(id=3), status="approved")])
    assert [refund.connector_refund_id for refund in page.refunds] == ["1", "2", "3"]
    assert page.refunds[0].refund_amount == Money(1250, "ARS")
    assert page.problems == []


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {"odd": True},
        payment(refunds={"id": 1}),
        payment(refunds="odd"),
        payment(None),
        payment(entity(id=None)),
        payment(id=None, refunds=[]),
        payment(transaction_amount_refunded=12.5),
        payment(refunds=None, transaction_amount_refunded=12),
    ],
)
def test_a_payment_that_cannot_be_read_is_one_problem_and_no_refund(odd: object) -> None:
    page = found([payment(entity(id=1)), odd])
    assert [refund.connector_refund_id for refund in page.refunds] == ["1"]
    assert len(page.problems) == 1


@pytest.mark.parametrize(
    ("count", "paging", "cursor"),
    [
        (2, {"total": 7}, "6"),
        (2, {"total": 6}, None),
        (0, {"total": 9}, None),
        (2, None, "6"),
        (1, {"total": "7"}, "5"),
    ],
)
def test_where_a_search_ends(count: int, paging: object, cursor: str | None) -> None:
    assert found([payment()] * count, paging, "4").cursor == cursor


def test_one_payments_refunds_are_listed_in_its_currency() -> None:
    made = [
        Refund(
            connector_refund_id=str(number),
            connector_transaction_id=str(payment),
            status=RefundStatus.SUCCEEDED,
            connector_status="approved",
            refund_amount=Money(500, "CLP"),
            created_at=datetime(2019, 1, number, tzinfo=UTC),
        )
        for number, payment in ((1, PAYMENT), (2, 4), (3, PAYMENT))
    ]
    listed = list(Wiring(MercadoPago, made).client().list(connector_transaction_id=str(PAYMENT)))
    assert [(one.connector_refund_id, one.refund_amount) for one in listed] == [
        ("3", Money(500, "CLP")),
        ("1", Money(500, "CLP")),
    ]


# Errors


@pytest.mark.parametrize(
    ("status", "error", "cause", "expected", "code"),
    [
        (404, "not_found", [{"code": 2000}], RefundNotFound, "2000"),
        (404, "not_found", [{"code": "2032"}], RefundNotFound, "2032"),
        (400, "bad_request", {"code": 2032}, RefundNotFound, "2032"),
        (404, "not_found", [], RefundNotFound, None),
        (401, "unauthorized", [{"code": 5}], AuthenticationError, "5"),
        (401, "unauthorized", [], AuthenticationError, "unauthorized"),
        (403, "forbidden", None, AuthenticationError, "forbidden"),
        (400, "bad_request", [{"code": 2063}], ConnectorError, "2063"),
        (400, "bad_request", [None], ConnectorError, "bad_request"),
        (405, "method_not_allowed", [{"code": "Method not allowed"}], ConnectorError, None),
        (429, "too_many_requests", [{"code": 2032}], RateLimited, None),
        (500, "internal_error", [{"code": 2032}], ProcessorUnavailable, None),
    ],
)
def test_the_code_says_the_kind(status: int, error: str, cause: object, expected: object, code: object) -> None:
    wiring = Wiring(MercadoPago)
    body = json.dumps({"message": "for your eyes", "error": error, "status": status, "cause": cause}).encode()
    wiring.tamper = lambda _: Response(status, {}, body)
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(**IDS)
    assert (type(caught.value), caught.value.code) == (expected, code)
    assert "eyes" not in str(caught.value)


def test_a_test_token_is_refused_for_production() -> None:
    with pytest.raises(ConfigurationError, match="access_token"):
        RefundClient("mercadopago", access_token="TEST-our-own", environment="PRODUCTION")
    RefundClient("mercadopago", access_token="APP_USR-of-a-test-user", environment="SANDBOX")


# Webhooks

SENT = datetime(2026, 2, 14, 7, 30, tzinfo=UTC)
SIGNED = "id:17000000001;request-id:4f2c;ts:1771054200;"


def delivered(signed: str, query: str = "data.id=17000000001&type=payment", **options: Any) -> Delivery:
    pairs = dict(pair.split(":") for pair in signed.strip(";").split(";"))
    signature = hmac.new(b"our own secret", signed.encode(), hashlib.sha256).hexdigest()
    headers = {"x-signature": f"ts={pairs['ts']}, v1={signature}", "x-request-id": pairs.get("request-id", "")}
    given = {"body": b'{"id":31,"type":"payment","data":{"id":"1"}}', "headers": headers, "received_at": SENT}
    client = RefundClient("mercadopago", webhook_secret="our own secret")
    return client.handle_event(url=f"https://shop.example/hooks?{query}", **{**given, **options})


@pytest.mark.parametrize("signed", [SIGNED, SIGNED.replace("00;", "00000;"), SIGNED.replace("request-id:4f2c;", "")])
def test_an_event_is_a_hint_at_the_payment_in_the_signed_address(signed: str) -> None:
    (event,) = delivered(signed).events
    assert event.is_hint
    assert event.query == RefundQuery(connector_transaction_id="17000000001"), "not what the unsigned body says"
    assert event.event_id == "31"


def signed_with(signature: str) -> dict[str, str]:
    return {"x-signature": f"ts=1771054200,v1={signature}", "x-request-id": "4f2c"}


def test_the_signature() -> None:
    # Made with openssl dgst -sha256 -hmac from the documented rule; no vector with a key is published.
    signature = "cf61a62e23505bc6590f242c0adc8cc3d93f49e347cc10169ac142b600a16e40"
    assert delivered(SIGNED, headers=signed_with(signature)).events
    for wrong in ("", "0" * 64, signature[::-1]):
        with pytest.raises(SignatureError):
            delivered(SIGNED, headers=signed_with(wrong))


@pytest.mark.parametrize("letters", ["ORD01JABC", "ord01jabc"])
def test_letters_may_be_signed_as_they_came_or_small(letters: str) -> None:
    signed = SIGNED.replace("17000000001", letters)
    assert delivered(signed, "data.id=ORD01JABC&type=order").events == []


@pytest.mark.parametrize("query", ["", "data.id=17000000002&type=payment", "type=payment"])
def test_another_address_is_refused(query: str) -> None:
    with pytest.raises(SignatureError):
        delivered(SIGNED, query)


@pytest.mark.parametrize("days", [-9, 9])
def test_a_time_in_seconds_is_looked_at_like_one_in_milliseconds(days: int) -> None:
    for signed in (SIGNED, SIGNED.replace("00;", "00000;")):
        with pytest.raises(SignatureError, match="old" if days > 0 else "future"):
            delivered(signed, received_at=SENT + timedelta(days=days))


def test_an_event_of_another_type_is_acknowledged_and_ignored() -> None:
    delivery = delivered(SIGNED, "data.id=17000000001&type=topic_claims_integration_wh")
    assert (delivery.events, delivery.reply.status_code) == ([], 200)


def test_an_unsigned_event_is_a_hint_without_a_secret_and_refused_with_one() -> None:
    given: dict[str, Any] = {"body": b'{"id":31,"type":"payment"}', "headers": {}}
    url = "https://shop.example/hooks?data.id=17000000001"
    (event,) = RefundClient("mercadopago", access_token="TEST-our-own").handle_event(url=url, **given).events
    assert event.query == RefundQuery(connector_transaction_id="17000000001")
    with pytest.raises(SignatureError):
        RefundClient("mercadopago", webhook_secret="our own secret").handle_event(url=url, **given)
    with pytest.raises(MappingError, match=r"data\.id"):
        RefundClient("mercadopago", access_token="TEST-our-own").handle_event(**given)
