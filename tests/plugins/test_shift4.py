"""Shift4 keeps the contract, and what is particular to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from refundry import Delivery, Money, Refund, RefundClient, RefundQuery, Window, errors
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_shift4 import Shift4

KEYS: dict[str, Any] = {"api_key": "pr_test_ours"}
HOOKS = connector_hooks(Shift4(**KEYS))
START = datetime(2026, 2, 1, tzinfo=UTC)
WINDOW = Window(since=START, until=START + timedelta(days=1, microseconds=1), page_size=2)


class TestShift4(ConnectorContract):
    connector = Shift4
    # com.shift4.enums.RefundStatus of shift4developer/shift4-java
    documented = {"pending", "successful", "failed"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "id": "re_OurOwnRefund",
        "created": 1_771_054_200,
        "objectType": "refund",
        "amount": 1230,
        "currency": "EUR",
        "charge": "char_OurOwnCharge",
        "reason": "fraudulent",
        "status": "successful",
        "metadata": {"order_id": "return-17", "rma": "18"},
        **changes,
    }


def answer(body: object, status_code: int = 200) -> Response:
    return Response(status_code, {"Content-Type": "application/json"}, json.dumps(body).encode())


def mapped(settings: dict[str, Any] = KEYS, **changes: object) -> Refund:
    refund = connector_hooks(Shift4(**settings)).map_refund(RefundQuery(), answer(entity(**changes)), ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id="re_OurOwnRefund",
        connector_transaction_id="char_OurOwnCharge",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="successful",
        refund_amount=Money(1230, "EUR"),
        refund_reason="fraudulent",
        created_at=datetime(2026, 2, 14, 7, 30, tzinfo=UTC),
    )


WORDS = {"pending": PENDING, "processing": PENDING, "successful": SUCCEEDED, "failed": FAILED}
SPELLINGS = {"SUCCESSFUL": SUCCEEDED, "Failed": FAILED, "success": UNKNOWN, "refunded": UNKNOWN, None: UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *SPELLINGS.items()])
def test_a_status_word_is_read_in_any_case_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status, refund.error) == (status, word, None)


@pytest.mark.parametrize("created", [1_771_054_200, 1_771_054_200_000])
def test_the_time_is_in_seconds_or_in_milliseconds(created: int) -> None:
    assert mapped(created=created).created_at == datetime(2026, 2, 14, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize("created", [0, -1, True, 1.5e12, "soon", 10**40, []])
def test_a_time_that_cannot_be_read_is_a_problem(created: object) -> None:
    refund = mapped(created=created)
    assert (refund.status, refund.created_at, len(refund.problems)) == (SUCCEEDED, None, 1)


@pytest.mark.parametrize(("currency", "code"), [("JPY", "JPY"), ("kwd", "KWD")])
def test_amounts_are_in_minor_units_of_the_currency(currency: str, code: str) -> None:
    assert mapped(amount=1230, currency=currency).refund_amount == Money(1230, code)


def test_the_merchants_own_id_is_where_the_setting_says() -> None:
    assert mapped({**KEYS, "metadata_key": "rma"}).merchant_refund_id == "18"
    for metadata in (None, {"other": "7"}, [7], "text"):
        refund = mapped(metadata=metadata)
        assert (refund.merchant_refund_id, refund.problems) == (None, ())


@pytest.mark.parametrize("kind", ["charge", "credit", {}])
def test_another_object_is_no_refund(kind: object) -> None:
    assert mapped(objectType=None).status is SUCCEEDED
    with pytest.raises(errors.MappingError, match="objectType"):
        mapped(objectType=kind)


def test_the_key_is_the_user_name_without_a_password() -> None:
    wiring = Wiring(Shift4)
    with pytest.raises(errors.AuthenticationError):
        wiring.client({"api_key": "pr_test_ours"}).get(connector_refund_id="re_1")
    sent = wiring.sent[0]
    assert (sent.method, sent.url, sent.body) == ("GET", "https://api.shift4.com/refunds/re_1", None)
    assert sent.headers["Authorization"] == "Basic cHJfdGVzdF9vdXJzOg=="


@pytest.mark.parametrize("key", ["pr_test_ours", "sk_test_ours"])
def test_a_test_key_is_refused_in_production(key: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="api_key"):
        RefundClient("shift4", api_key=key, environment="PRODUCTION")


KINDS: dict[Any, list[tuple[int, object, object, str | None]]] = {
    errors.ConnectorError: [
        (400, "invalid_request", None, "invalid_request"),
        (402, "card_error", "card_declined", "card_declined"),
        (400, ["odd"], None, None),
    ],
    errors.AuthenticationError: [(401, "invalid_request", None, None), (403, "invalid_request", None, None)],
    errors.RefundNotFound: [(404, "invalid_request", None, "invalid_request"), (404, None, None, None)],
    errors.RateLimited: [(429, "rate_limit_error", None, "rate_limit_error"), (429, None, None, None)],
    errors.ProcessorUnavailable: [(500, "gateway_error", None, "gateway_error"), (503, "invalid_request", None, None)],
    errors.MappingError: [(200, "invalid_request", None, None)],
}


@pytest.mark.parametrize(("expected", "answers"), KINDS.items())
def test_every_documented_error(expected: Any, answers: list[tuple[int, object, object, str | None]]) -> None:
    for status_code, kind, code, kept in answers:
        wiring = Wiring(Shift4)
        error = answer({"error": {"type": kind, "code": code, "message": "Kim Miller's refund"}}, status_code)
        wiring.tamper = lambda _, error=error: error  # type: ignore[misc]
        with pytest.raises(errors.RefundryError) as caught:
            wiring.client().get(connector_refund_id="re_1")
        assert (type(caught.value), caught.value.code) == (expected, kept)
        assert "Miller" not in str(caught.value)


def test_a_list_covers_the_window() -> None:
    request = HOOKS.fetch_refunds(WINDOW, "re_7")
    times = {"created[gte]": 1_769_904_000, "created[lt]": 1_769_990_401}
    assert (request.path, dict(request.params)) == ("/refunds", {"limit": 2, "startingAfterId": "re_7", **times})
    one = attrs.evolve(WINDOW, connector_transaction_id="char_1")
    assert dict(HOOKS.fetch_refunds(one, None).params) == {"limit": 2, "startingAfterId": None, "chargeId": "char_1"}


@pytest.mark.parametrize(("count", "more", "following"), [(2, True, "re_1"), (2, False, None), (0, True, None)])
def test_a_page_goes_on_after_its_last_refund(count: int, more: bool, following: str | None) -> None:
    items = [entity(id=f"re_{number}") for number in range(count)]
    found = HOOKS.map_refunds(WINDOW, None, answer({"list": items, "hasMore": more}))
    assert (len(found.refunds), found.cursor) == (count, following)


@pytest.mark.parametrize("body", [[], {}, {"hasMore": False}, {"list": []}, {"list": [], "hasMore": "false"}])
def test_a_list_that_may_lack_pages_is_a_mapping_error(body: object) -> None:
    with pytest.raises(errors.MappingError):
        HOOKS.map_refunds(WINDOW, None, answer(body))


def test_the_refunds_of_one_charge_are_listed_whenever_they_were_made() -> None:
    made = [attrs.evolve(mapped(), connector_refund_id=f"re_{n}", created_at=START - timedelta(days=n)) for n in (0, 9)]
    listed = Wiring(Shift4, made).client().list(connector_transaction_id="char_OurOwnCharge", since=START, page_size=1)
    assert [refund.connector_refund_id for refund in listed] == ["re_0", "re_9"]


def delivered(kind: object, data: object) -> Delivery:
    facts = {"id": "event_OurOwn", "created": 1_771_054_200, "objectType": "event", "type": kind, "data": data}
    return RefundClient("shift4").handle_event(body=json.dumps(facts).encode(), headers={})


CHARGE = {"id": "char_OurOwnCharge", "objectType": "charge", "refunds": [{"created": 1_771_054_200_000, "amount": 9}]}


@pytest.mark.parametrize(
    ("kind", "data", "query"),
    [
        ("REFUND_UPDATED", entity(), RefundQuery(connector_refund_id="re_OurOwnRefund")),
        ("CHARGE_REFUNDED", CHARGE, RefundQuery(connector_transaction_id="char_OurOwnCharge")),
    ],
)
def test_an_event_proves_nothing_and_says_what_to_ask_for(kind: str, data: object, query: RefundQuery) -> None:
    delivery = delivered(kind, data)
    (event,) = delivery.events
    assert (event.query, event.refund, event.event_id) == (query, None, "event_OurOwn")
    assert delivery.reply.status_code == 200


@pytest.mark.parametrize("kind", ["CHARGE_UPDATED", "CHARGE_SUCCEEDED", "refund_updated", "", None])
def test_an_event_about_something_else_is_acknowledged_and_ignored(kind: object) -> None:
    delivery = delivered(kind, CHARGE)
    assert (list(delivery.events), delivery.reply.status_code) == ([], 200)


@pytest.mark.parametrize("data", [None, {}, [], {"id": None}, {"id": {}}, {"id": "a\nb"}])
def test_an_event_that_cannot_be_read_does_not_block_those_after_it(data: object) -> None:
    for kind in ("REFUND_UPDATED", "CHARGE_REFUNDED"):
        with pytest.raises(errors.MappingError) as caught:
            delivered(kind, data)
        assert caught.value.reply is not None
        assert caught.value.reply.status_code == 200
