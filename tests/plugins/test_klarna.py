"""Klarna keeps the contract, and what is particular to it."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from refundry import RefundClient, errors
from refundry.http import Response
from refundry.model import SUCCEEDED, UNKNOWN, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.sandbox import json_response
from refundry.testing import ConnectorContract, Wiring
from refundry_klarna import Klarna

ORDER = "0de7e000-1111-4222-8333-444455556666"
REFUND = "7ef00d00-1111-4222-8333-444455556666"
ASKED = RefundQuery(connector_transaction_id=ORDER, connector_refund_id=REFUND)
COMPLETE = attrs.evolve(ASKED, currency="SEK")
KEYS: dict[str, Any] = {"username": "11112222-3333-4444-8555-666677778888", "password": "klarna_test_api_madeup"}
WINDOW = Window(since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC))


class TestKlarna(ConnectorContract):
    connector = Klarna
    # A refund has no status of its own: the others are those of orders, and rows of a payout.
    documented = {
        "refunded_at=present",
        *("AUTHORIZED", "PART_CAPTURED", "CAPTURED", "CANCELLED", "EXPIRED", "CLOSED"),
        *("RETURN", "REVERSAL", "FEE_REFUND"),
    }


def one(**changes: Any) -> dict[str, Any]:
    """A refund of the documented shape."""
    made = {
        "refund_id": REFUND,
        "reference": "return-17",
        "refunded_amount": 12_345,
        "refunded_at": "2026-02-03T04:05:06Z",
        "description": "two shirts came back",
        "order_lines": [],
    }
    return {**made, **changes}


def order(*refunds: object, **changes: Any) -> Response:
    """An order with these refunds."""
    facts = {"order_id": ORDER, "status": "CAPTURED", "captured_amount": 50_000, "purchase_currency": "SEK"}
    return json_response({**facts, "refunds": list(refunds), **changes})


def mapped(answer: Response, query: RefundQuery = ASKED) -> Any:
    return connector_hooks(Klarna(**KEYS)).map_refund(query, answer, ())


# Settings


@pytest.mark.parametrize(("region", "host"), [("eu", "api"), ("na", "api-na"), ("oc", "api-oc")])
def test_the_region_decides_the_host(region: str, host: str) -> None:
    for environment, domain in (("SANDBOX", "playground.klarna.com"), ("PRODUCTION", "klarna.com")):
        client = RefundClient("klarna", environment=environment, username="u", password="p", region=region)
        assert client.account.urls == {"api": f"https://{host}.{domain}"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({**KEYS, "region": "us"}, "eu, na, oc"),
        ({**KEYS, "region": "evil.example"}, "eu, na, oc"),
        ({**KEYS, "password": "klarna_live_api_madeup"}, "password"),
        ({"api_key": "klarna_live_api_madeup"}, "api_key"),
        ({"api_key": "klarna_test_api_madeup", "environment": "PRODUCTION"}, "api_key"),
        ({"username": "u"}, "password and username, or api_key"),
    ],
)
def test_settings_that_do_not_fit_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=named):
        RefundClient("klarna", **settings)


def test_a_key_is_sent_as_it_is_and_a_password_with_its_username() -> None:
    pair = b64encode(f"{KEYS['username']}:{KEYS['password']}".encode()).decode()
    for settings, sent in ((KEYS, pair), ({"api_key": "klarna_test_api_bWFkZQ=="}, "klarna_test_api_bWFkZQ==")):
        wiring = Wiring(Klarna)
        with pytest.raises(errors.AuthenticationError):
            wiring.client(settings).get(ASKED)
        assert wiring.sent[0].headers["Authorization"] == f"Basic {sent}"


# Get


def test_a_whole_answer() -> None:
    expected = Refund(
        connector_refund_id=REFUND,
        connector_transaction_id=ORDER,
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="refunded_at=present",
        refund_amount=Money(12_345, "SEK"),
        refund_reason="two shirts came back",
        created_at=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
    )
    assert mapped(order(one(refund_id="another"), one())) == expected
    assert mapped(json_response(one()), COMPLETE) == expected


def test_only_a_query_without_the_currency_or_the_id_asks_for_the_whole_order() -> None:
    hooks = connector_hooks(Klarna(**KEYS))
    by_reference = attrs.evolve(COMPLETE, connector_refund_id=None, merchant_refund_id="return-17")
    for query, rest in ((ASKED, ""), (by_reference, ""), (COMPLETE, f"/refunds/{REFUND}")):
        assert hooks.fetch_refund(query).path == f"/ordermanagement/v1/orders/{ORDER}{rest}"


@pytest.mark.parametrize("refunded_at", [None, "", "yesterday", 0, True, "2026-02-03T04:05:06", {}])
def test_a_refund_without_the_time_of_it_is_unknown(refunded_at: object) -> None:
    refund = one(refunded_at=refunded_at)
    for found in (mapped(order(refund)), mapped(json_response(refund), COMPLETE)):
        assert (found.status, found.connector_status, found.created_at) == (UNKNOWN, None, None)
        assert bool(found.problems) == (refunded_at not in (None, ""))


@pytest.mark.parametrize("status", ["AUTHORIZED", "PART_CAPTURED", "CANCELLED", "EXPIRED", "CLOSED", None, "odd", 3])
def test_the_status_of_the_order_does_not_count(status: object) -> None:
    assert mapped(order(one(), status=status)).status is SUCCEEDED
    assert mapped(order(one(refunded_at=None), status=status)).status is UNKNOWN


@pytest.mark.parametrize(("currency", "expected"), [("usd", "USD"), ("JPY", "JPY"), (None, None), ("kronor", None)])
def test_amounts_are_in_minor_units_of_the_orders_currency(currency: str | None, expected: str | None) -> None:
    refund = mapped(order(one(), purchase_currency=currency))
    assert refund.refund_amount == (Money(12_345, expected) if expected else None)
    assert bool(refund.problems) == (expected is None)
    assert refund.status is SUCCEEDED


def test_a_refund_is_found_by_its_id_or_by_a_reference_of_its_own() -> None:
    by_reference = RefundQuery(connector_transaction_id=ORDER, merchant_refund_id="return-17")
    assert mapped(order(one(refund_id="a", reference="other"), one()), by_reference).connector_refund_id == REFUND
    with pytest.raises(errors.AmbiguousRefund, match="reference"):
        mapped(order(one(refund_id="a"), one()), by_reference)
    without, another = one(reference=None), one(refund_id="a")
    for answer, query in ((order(without), by_reference), (order(), ASKED), (order(another), ASKED)):
        with pytest.raises(errors.RefundNotFound):
            mapped(answer, query)


@pytest.mark.parametrize("odd", [None, 3, "text", {}, one(refund_id=None), one(refund_id={})])
def test_a_refund_that_cannot_be_read_may_be_the_one_asked_for(odd: object) -> None:
    with pytest.raises(errors.MappingError):
        mapped(order(one(refund_id="another"), odd))
    assert mapped(order(odd, one())).connector_refund_id == REFUND
    for changes in ({"refunds": odd}, {"order_id": None}):
        with pytest.raises(errors.MappingError):
            mapped(order(one(), **changes))


# Errors


@pytest.mark.parametrize(
    ("expected", "answers"),
    [
        (errors.RefundNotFound, [(400, "NOT_FOUND"), (404, "NOT_FOUND"), (404, "NO_SUCH_ORDER")]),
        (errors.AuthenticationError, [(401, "UNAUTHORIZED"), (403, "NOT_ALLOWED")]),
        (errors.ConnectorError, [(400, "BAD"), (409, "CONFLICT"), (422, "UNPROCESSABLE_ENTITY"), (413, "TOO_LARGE")]),
        (errors.RateLimited, [(429, "TOO_MANY_REQUESTS"), (429, "NOT_FOUND")]),
        (errors.ProcessorUnavailable, [(500, "INTERNAL_SERVER_ERROR"), (503, "TEMPORARILY_UNAVAILABLE")]),
        (errors.MappingError, [(200, "NOT_FOUND")]),
    ],
)
def test_every_documented_error(expected: type[errors.RefundryError], answers: list[tuple[int, str]]) -> None:
    for status_code, code in answers:
        body = {"error_code": code, "error_messages": ["text"], "correlation_id": "c0441"}
        wiring = Wiring(Klarna)
        wiring.tamper = lambda _, body=body, status_code=status_code: json_response(body, status_code)  # type: ignore[misc]
        with pytest.raises(errors.RefundryError) as caught:
            wiring.client().get(ASKED)
        assert type(caught.value) is expected
        if expected in (errors.RefundNotFound, errors.AuthenticationError, errors.ConnectorError):
            assert (caught.value.code, caught.value.request_id) == (code, "c0441")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error_code": ["odd"]}'])
def test_a_refusal_without_a_readable_body_names_the_region(body: bytes) -> None:
    wiring = Wiring(Klarna)
    wiring.tamper = lambda _: Response(401, {"Klarna-Correlation-Id": "from a header"}, body)
    with pytest.raises(errors.AuthenticationError, match="region") as caught:
        wiring.client().get(ASKED)
    assert caught.value.request_id == "from a header"


# List


def row(**changes: Any) -> dict[str, Any]:
    made = {"type": "RETURN", "amount": 12_345, "currency_code": "SEK", "order_id": ORDER, "refund_id": REFUND}
    return {**made, **changes}


def test_payouts_are_read_to_their_end_and_their_returns_are_asked_for() -> None:
    hooks = connector_hooks(Klarna(**KEYS))
    more = {"next": "https://api.klarna.com/settlements/v1/x?offset=2&size=2"}
    payouts = [{"payment_reference": "A"}, {"payment_reference": "B"}]
    answers: list[tuple[str, int, dict[str, Any]]] = [
        ("payouts", 0, {"payouts": payouts, "pagination": more}),
        ("A", 0, {"transactions": [row(), row(type="SALE", refund_id=None)], "pagination": more}),
        ("A", 2, {"transactions": [row(type="REVERSAL")], "pagination": {"next": ""}}),
        ("B", 0, {"transactions": [], "pagination": {}}),
        ("payouts", 2, {"payouts": [], "pagination": {"count": 0}}),
    ]
    dates = {"start_date": "2026-02-01T00:00:00Z", "end_date": "2026-02-03T04:05:06Z"}
    assert dates.items() <= dict(hooks.fetch_refunds(WINDOW, None).params).items()
    cursor, hints = None, list[RefundQuery]()
    for what, offset, answer in answers:
        params: dict[str, Any] = dict(hooks.fetch_refunds(WINDOW, cursor).params)
        assert (params.get("payment_reference", "payouts"), params["offset"]) == (what, offset)
        found = hooks.map_refunds(WINDOW, cursor, json_response(answer))
        hints, cursor = [*hints, *found.hints], found.cursor
    assert hints == [ASKED]
    assert cursor is None


@pytest.mark.parametrize("odd", [None, {}, row(refund_id=""), row(refund_id=None), row(order_id=[]), row(type=None)])
def test_a_row_that_cannot_be_read_is_reported(odd: object) -> None:
    answer = json_response({"transactions": [odd, row()], "pagination": {}})
    found = connector_hooks(Klarna(**KEYS)).map_refunds(WINDOW, json.dumps([["A"], 0, None]), answer)
    assert (list(found.hints), len(found.problems), found.cursor) == ([ASKED], 1, None)


@pytest.mark.parametrize("link", ["https://x/?size=2", "offset=two", "?offset=2x", 3, {}, "?offset=" + "9" * 5000])
def test_a_link_without_an_offset_is_no_end(link: object) -> None:
    answer = json_response({"payouts": [], "pagination": {"next": link}})
    with pytest.raises(errors.MappingError, match="next"):
        connector_hooks(Klarna(**KEYS)).map_refunds(WINDOW, None, answer)


def test_the_refunds_of_one_order_are_listed_without_payouts() -> None:
    made = [mapped(order(one(refund_id=name)), RefundQuery(connector_refund_id=name)) for name in ("a", "b")]
    wiring = Wiring(Klarna, made)
    assert {refund.connector_refund_id for refund in wiring.client().list(connector_transaction_id=ORDER)} == {"a", "b"}
    assert [str(request.url).rpartition("/")[2] for request in wiring.sent] == [ORDER]
