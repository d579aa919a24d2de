"""Listing: windows, pages, hints, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from acme import DONE, Acme, Asked, json_answer, serving
from hypothesis import given
from hypothesis import strategies as st

from refundry import InvalidQuery, MappingError, ProcessorUnavailable, RefundClient, UnsupportedOperation, Window
from refundry.connector import Listing
from refundry.http import Response
from refundry.listing import split
from refundry.testing import FakeClock

NOW = FakeClock().now()


def client(url: str, connector: type[Acme] = Acme) -> RefundClient:
    return RefundClient(connector, key="k-123456", base_url=url, clock=FakeClock())


def item(number: int, minutes_ago: int = 5) -> dict[str, Any]:
    return {**DONE, "id": f"r{number}", "created": int((NOW - timedelta(minutes=minutes_ago)).timestamp())}


def params(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(asked.path).query).items()}


def test_pages_come_lazily_and_each_refund_once() -> None:
    pages = {None: (["r1", "r2"], "a"), "a": ([], "b"), "b": (["r2", "r3"], None)}

    def answer(asked: Asked) -> Response:
        ids, following = pages[params(asked).get("cursor")]
        return json_answer({"items": [{**item(0), "id": one} for one in ids], "next": following})

    with serving(answer) as server, client(server.url) as acme:
        iterator = acme.list(since=NOW - timedelta(days=1), page_size=2)
        assert server.asked == []
        assert next(iterator).connector_refund_id == "r1"
        assert len(server.asked) == 1
        assert [refund.connector_refund_id for refund in iterator] == ["r2", "r3"]
        assert iterator.pages == 3


def test_a_long_window_is_split_without_a_gap() -> None:
    with serving(lambda _: json_answer({"items": []})) as server, client(server.url) as acme:
        assert list(acme.list(since=NOW - timedelta(days=25))) == []
        windows = [(int(params(one)["since"]), int(params(one)["until"])) for one in server.asked]
    assert len(windows) == 3
    assert windows[0][0] == int((NOW - timedelta(days=25)).timestamp())
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert windows[-1][1] == int(NOW.timestamp())


@given(st.integers(1, 400), st.integers(1, 31))
def test_parts_cover_the_window_exactly(days: int, most: int) -> None:
    window = Window(since=NOW - timedelta(days=days), until=NOW)
    parts = split(window, most)
    assert parts[0].since == window.since
    assert parts[-1].until == window.until
    assert all(part.until - part.since <= timedelta(days=most) for part in parts)
    assert all(left.until == right.since for left, right in pairwise(parts))


def test_what_lies_outside_the_window_is_left_out() -> None:
    answer = json_answer({"items": [item(1), item(2, minutes_ago=60 * 24 * 3), {**item(3), "created": None}]})
    with serving(lambda _: answer) as server, client(server.url) as acme:
        listed = list(acme.list(since=NOW - timedelta(days=1)))
    assert [refund.connector_refund_id for refund in listed] == ["r1", "r3"]


def test_a_bad_item_costs_one_item_and_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    items: list[Any] = [item(number) for number in range(100)]
    items[50] = {"id": None, "card": "4111"}
    items[60] = "odd"
    with serving(lambda _: json_answer({"items": items})) as server, client(server.url) as acme:
        iterator = acme.list(since=NOW - timedelta(days=1))
        assert len(list(iterator)) == 98
    assert [problem.field for problem in iterator.problems] == ["id", "body"]
    assert "item 50" in str(iterator.problems[0])
    assert "item 50" in caplog.text
    assert "4111" not in caplog.text


def test_hints_are_looked_up_one_by_one() -> None:
    def answer(asked: Asked) -> Response:
        if asked.path.startswith("/refunds?"):
            return json_answer({"hints": ["r1", "r2", "p3", "r4", "r1"]})
        name = asked.path.removeprefix("/refunds/")
        if name == "p3":
            return json_answer({"kind": "payment"})
        return json_answer({**DONE, "id": name}) if name != "r4" else json_answer({}, 404)

    with serving(answer) as server, client(server.url) as acme:
        iterator = acme.list(since=NOW - timedelta(days=1))
        assert [refund.connector_refund_id for refund in iterator] == ["r1", "r2"]
        assert len(server.asked) == 5
    assert len(iterator.problems) == 1
    assert "could not be looked up" in str(iterator.problems[0])


@pytest.mark.parametrize("following", [lambda _: "same", lambda asked: params(asked).get("cursor", "") + "x"])
def test_a_list_without_end_is_an_error(following: Any) -> None:
    def answer(asked: Asked) -> Response:
        return json_answer({"items": [item(1)], "next": following(asked)})

    with serving(answer) as server, client(server.url) as acme:
        iterator = acme.list(since=NOW - timedelta(days=1))
        assert next(iterator).connector_refund_id == "r1"
        with pytest.raises(MappingError, match="does not end") as caught:
            list(iterator)
    assert caught.value.field == "cursor"


def test_a_page_that_fails_ends_with_its_error() -> None:
    answers = [json_answer({"items": [item(1)], "next": "a"}), *[json_answer({}, 500)] * 3]
    with serving(lambda _: answers.pop(0)) as server, client(server.url) as acme:
        iterator = acme.list(since=NOW - timedelta(days=1))
        next(iterator)
        with pytest.raises(ProcessorUnavailable) as caught:
            next(iterator)
    assert caught.value.operation == "list"


def test_the_refunds_of_one_payment() -> None:
    old = item(1, minutes_ago=60 * 24 * 100)
    with serving(lambda _: json_answer({"items": [old]})) as server, client(server.url) as acme:
        assert [one.connector_refund_id for one in acme.list(connector_transaction_id="p1")] == ["r1"]
        assert len(server.asked) == 1
        assert params(server.asked[0])["payment"] == "p1"


class ByPayment(Acme):
    name = "bypayment"
    listing = Listing(basis="payment")


class ByTime(Acme):
    name = "bytime"
    listing = Listing(basis="updated")


class NoList(Acme):
    name = "nolist"
    listing = None
    fetch_refunds = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("connector", "options", "error", "reason"),
    [
        (ByPayment, {}, UnsupportedOperation, "connector_transaction_id"),
        (ByTime, {"connector_transaction_id": "p1"}, UnsupportedOperation, "list by time"),
        (NoList, {}, UnsupportedOperation, "no list"),
        (Acme, {"since": datetime(2026, 1, 1)}, InvalidQuery, "since has no time zone"),  # noqa: DTZ001
        (Acme, {"since": NOW, "until": NOW}, InvalidQuery, "before until"),
        (Acme, {"page_size": 0}, InvalidQuery, "from 1 to 50"),
        (Acme, {"page_size": 51}, InvalidQuery, "from 1 to 50"),
        (Acme, {"connector_transaction_id": "a\nb"}, InvalidQuery, "connector_transaction_id"),
    ],
)
def test_a_list_that_cannot_be_says_why(
    connector: type[Acme], options: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason) as caught:
        client("https://x.example", connector).list(**options)
    assert getattr(caught.value, "operation", None) == "list"


def test_an_updated_basis_is_not_filtered_by_creation() -> None:
    old = item(1, minutes_ago=60 * 24 * 3)
    with serving(lambda _: json_answer({"items": [old]})) as server, client(server.url, ByTime) as acme:
        assert len(list(acme.list(since=NOW - timedelta(days=1), until=datetime.now(UTC)))) == 1
