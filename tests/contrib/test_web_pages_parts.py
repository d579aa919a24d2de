"""What the pages are made of: timelines, plots, reasons and raw bodies, as pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from desks import RunningDesk, running_desk
from hypothesis import given, settings
from hypothesis import strategies as st
from observed import observed

from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN, ErrorInfo, Money, RefundStatus
from refundry.state import ATTENTION, Flag, Observation, in_order
from refundry_ledger import Total
from refundry_web.pages.plots import DAYS, SECONDS, in_words, span_plot, states_plot, sums_of
from refundry_web.pages.raws import lay_out
from refundry_web.pages.rendering import clean, lines
from refundry_web.pages.timeline import timeline
from refundry_web.pages.viewing import reasons_of
from refundry_web.pages.words import KINDS, REASONS, SOURCES, STATUSES

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def said(status: RefundStatus = PENDING, minutes: float = 0, **more: Any) -> Observation:
    """An answer so many minutes later."""
    return observed(status, NOW + timedelta(minutes=minutes), **more)


def test_every_status_flag_and_source_has_words() -> None:
    assert set(STATUSES) == {None, *RefundStatus}
    assert set(REASONS) == ATTENTION
    assert {reason.kind for reason in REASONS.values()} <= set(KINDS)
    assert set(SOURCES) == {"get", "list", "webhook", "import"}


def test_the_timeline_says_what_changed_and_folds_what_did_not() -> None:
    money = Money(1050, "EUR")
    history = [
        said(PENDING, 0, amount=money),
        *(said(PENDING, minutes, amount=money) for minutes in (1, 2, 3)),
        said(SUCCEEDED, 4, amount=money, acquirer_reference_number="745", source="webhook"),
        said(FAILED, 5, amount=Money(1000, "EUR"), error=ErrorInfo(code="closed")),
        said(UNKNOWN, 6, kind="gone", connector_status=None),
    ]
    newest_first = timeline(in_order(history))
    assert [(len(group.entries), group.folded) for group in newest_first] == [(3, False), (3, True), (1, False)]
    gone, failed, succeeded = newest_first[0].entries
    assert gone.status.text == "Not found any more"
    assert "Amount: €10.50 is now €10.00" in failed.changes
    assert "Reason: closed" in failed.changes
    assert "Status: Pending is now Succeeded" in succeeded.changes
    assert "Bank reference: 745" in succeeded.changes
    assert succeeded.source == "webhook"
    assert newest_first[2].entries[0].changes == ("Amount: €10.50",)


def test_the_time_of_hearing_is_told_where_it_is_another() -> None:
    late = said(source="webhook", provider_time=NOW - timedelta(hours=2))
    entry = timeline([late])[0].entries[0]
    assert (entry.moment.text, entry.heard and entry.heard.text) == ("2 Mar 2026, 07:00", "2 Mar 2026, 09:00")
    assert timeline([said()])[0].entries[0].heard is None


@settings(deadline=None)
@given(st.lists(st.builds(said, st.sampled_from(RefundStatus), st.integers(0, 9)), max_size=12))
def test_no_observation_is_missing_from_the_timeline(history: list[Observation]) -> None:
    ordered = in_order(history)
    numbers = [entry.number for group in timeline(ordered) for entry in group.entries]
    assert numbers == list(range(len(ordered), 0, -1))


# Reasons


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.mark.parametrize(
    ("status", "attention", "days", "kinds"),
    [
        (FAILED, "regressed", 1, ["returned"]),
        (SUCCEEDED, "amount differs; unknown word", 1, ["contradiction", "unknown"]),
        (PENDING, "still PENDING after 30 days: ask Stripe", 40, ["overdue"]),
        (None, "Stripe does not know this refund: check its identifier", 1, ["asking"]),
        (MANUAL_REVIEW, "gone; still MANUAL_REVIEW after 30 days: ask Stripe", 40, ["contradiction", "overdue"]),
        (SUCCEEDED, None, 1, []),
    ],
)
def test_a_reason_has_its_kind(
    running: RunningDesk, status: RefundStatus | None, attention: str | None, days: int, kinds: list[str]
) -> None:
    record = attrs.evolve(running.add(heard=False), status=status, attention=attention, added_at=NOW)
    reasons = list(reasons_of(record, NOW + timedelta(days=days), None))
    assert [reason.kind for reason in reasons] == kinds
    assert all(reason.text.endswith(".") for reason in reasons)


def test_a_flag_is_told_in_a_sentence() -> None:
    for flag in ATTENTION:
        assert REASONS[flag].text.endswith(".")
        assert REASONS[flag].title != flag.value
    assert REASONS[Flag.GONE].text == "The processor knows it no longer. That is no failure."


# Plots

SPANS = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.lists(st.timedeltas(timedelta(0), timedelta(days=90)), min_size=1, max_size=30).map(sorted),
    max_size=2,
)
TOTALS = st.lists(
    st.builds(
        Total,
        account=st.sampled_from(["a", "b", "c"]),
        connector=st.none(),
        status=st.sampled_from([None, *RefundStatus]),
        currency=st.sampled_from(["EUR", "JPY"]),
        refunds=st.integers(1, 10**6),
        minor_amount=st.integers(0, 10**20),
    ),
    max_size=9,
)


@settings(deadline=None)
@given(spans=SPANS, scale=st.sampled_from([DAYS, SECONDS]))
def test_the_bars_of_a_plot_hold_every_span(spans: dict[str, list[timedelta]], scale: Any) -> None:
    plot = span_plot("key", "Title", spans, scale, "things", str.upper)
    every = [span for of_account in spans.values() for span in of_account]
    assert sum(int(bar.label or 0) for bar in plot.bars) == len(every)
    for bar in plot.bars:
        assert 0 <= bar.x < bar.x + bar.width <= 100
        assert bar.y + bar.height == pytest.approx(100)
        assert (bar.height > 0) == bool(bar.label)
    assert [row[:2] for row in plot.table] == [
        (name.upper(), str(len(of_account))) for name, of_account in spans.items()
    ]


@settings(deadline=None)
@given(totals=TOTALS)
def test_the_rows_of_a_plot_hold_every_refund(totals: list[Total]) -> None:
    plot = states_plot(totals, str.upper)
    assert sum(row.total for row in plot.rows) == sum(total.refunds for total in totals)
    assert [int(row[-1]) for row in plot.table] == [row.total for row in plot.rows]
    assert all(len(row) == len(plot.columns) for row in plot.table)
    for row, line in zip(plot.rows, plot.table, strict=True):
        assert sum(map(int, line[1:-1])) == row.total
        assert all(bar.x >= 0 and bar.x + bar.width <= 100.01 for bar in row.bars)
    assert sum(one.refunds for one in sums_of(totals)) == sum(total.refunds for total in totals)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "0.0 s"),
        (timedelta(seconds=61), "1.0 m"),
        (timedelta(hours=36), "1.5 d"),
        (timedelta(minutes=90), "1.5 h"),
    ],
)
def test_a_span_is_told_in_its_largest_unit(span: timedelta, words: str) -> None:
    assert in_words(span) == words


# Raw bodies

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=9,
)


@settings(deadline=None)
@given(JSON)
def test_laying_out_changes_nothing_but_spaces(value: Any) -> None:
    laid_out = lay_out(json.dumps(value))
    assert laid_out is not None
    assert json.dumps(json.loads(laid_out)) == json.dumps(value)


@pytest.mark.parametrize("text", ['{"amount": 10.50}', '{"a":1,"a":2}', '{"a":1e3}', "no json", "", "[" * 10**5])
def test_what_laying_out_would_change_stays_as_it_came(text: str) -> None:
    assert lay_out(text) is None


@settings(deadline=None)
@given(st.text())
def test_lines_are_escaped_and_clean(text: str) -> None:
    shown = lines(text)
    assert "<" not in shown
    assert all(letter.isprintable() or letter in "\n\xa0\u202f" for letter in shown)
    assert shown.count("\n") == text.replace("\r\n", "\n").count("\n")
    assert clean(clean(text)) == clean(text)
