"""The fold: any order and repetition of observations gives one state, and no contradiction is lost."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refundry.model import (
    FAILED,
    MANUAL_REVIEW,
    PENDING,
    SUCCEEDED,
    UNKNOWN,
    ErrorInfo,
    Money,
    Refund,
    RefundQuery,
    RefundStatus,
)
from refundry.state import (
    ATTENTION,
    CLOCK_SKEW,
    TRANSITIONS,
    Flag,
    Observation,
    Source,
    State,
    diagram,
    fold,
    in_order,
    observe,
    observe_gone,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SOURCES: tuple[Source, ...] = ("get", "list", "webhook", "import")


def said(
    status: RefundStatus, minute: int = 0, *, dated: int | None = None, source: Source = "webhook", **more: Any
) -> Observation:
    """An observation of this minute; ``dated`` is the minute that the processor gives."""
    facts: dict[str, Any] = {
        "account": "shop",
        "connector_refund_id": "re_1",
        "merchant_refund_id": None,
        "connector_transaction_id": "pi_1",
        "status": status,
        "connector_status": status.lower(),
        "amount": Money(1050, "EUR"),
        "provider_time": None if dated is None else START + timedelta(minutes=dated),
        "observed_at": START + timedelta(minutes=minute),
        "source": source,
        "digest": f"{status}-{minute}-{dated}",
    }
    return Observation(**{**facts, **more})


def gone(minute: int) -> Observation:
    return observe_gone("shop", RefundQuery(connector_refund_id="re_1"), observed_at=START + timedelta(minutes=minute))


observations = st.builds(
    said,
    st.sampled_from(RefundStatus),
    st.integers(0, 30),
    dated=st.none() | st.integers(0, 40),
    source=st.sampled_from(SOURCES),
    amount=st.sampled_from([None, Money(1050, "EUR"), Money(1000, "EUR"), Money(1050, "USD")]),
    foreign=st.booleans(),
) | st.builds(gone, st.integers(0, 30))


@given(st.lists(observations, max_size=12), st.data())
@settings(max_examples=200, deadline=None)
def test_any_order_and_repetition_gives_the_same_state(history: list[Observation], data: st.DataObject) -> None:
    expected = fold(history)
    repeated = history + data.draw(st.lists(st.sampled_from(history), max_size=6)) if history else []
    assert fold(data.draw(st.permutations(repeated))) == expected


@given(st.lists(st.tuples(st.sampled_from(RefundStatus), st.integers(0, 20)), max_size=12), st.data())
@settings(max_examples=200, deadline=None)
def test_where_the_processor_dates_its_words_their_arrival_does_not_matter(
    words: list[tuple[RefundStatus, int]], data: st.DataObject
) -> None:
    def arriving(minutes: list[int]) -> State:
        history = [
            said(status, minute, dated=dated, digest=f"{number}")
            for number, ((status, dated), minute) in enumerate(zip(words, minutes, strict=True))
        ]
        state = fold(history)
        return attrs.evolve(state, first_observed=None, last_observed=None, decided_by=None)

    minutes = [21 + number for number in range(len(words))]
    assert arriving(minutes) == arriving(data.draw(st.permutations(minutes)))


@given(st.lists(observations, max_size=12))
@settings(max_examples=200, deadline=None)
def test_the_status_was_said_and_a_settled_one_is_never_invented(history: list[Observation]) -> None:
    state = fold(history)
    statuses = {one.status for one in history if one.kind == "status"}
    assert state.status in statuses or (state.status is None and not statuses)
    if statuses & {SUCCEEDED, FAILED} and Flag.REOPENED not in state.flags:
        assert state.status in (SUCCEEDED, FAILED)


def test_a_life_ends_where_it_ends_and_keeps_when() -> None:
    state = fold([said(PENDING, 0), said(PENDING, 5, source="get"), said(SUCCEEDED, 9), said(SUCCEEDED, 20)])
    assert state.status is SUCCEEDED
    assert state.since == START + timedelta(minutes=9)
    assert state.first_observed == START
    assert state.last_observed == START + timedelta(minutes=20)
    assert state.flags == frozenset()
    assert state.observations == 4
    assert state.decided_by == said(SUCCEEDED, 9)


def test_nothing_said_is_no_status() -> None:
    assert fold([]) == State()
    assert fold([gone(3)]).flags == frozenset()
    assert fold([gone(3)]).status is None


def test_a_success_that_turns_is_flagged_once() -> None:
    turning = [said(SUCCEEDED, 1), said(FAILED, 2), said(FAILED, 3, source="get")]
    assert fold(turning).status is FAILED
    assert fold(turning).flags == {Flag.REGRESSED}
    back = fold([*turning, said(SUCCEEDED, 4)])
    assert back.status is SUCCEEDED
    assert back.flags >= {Flag.REGRESSED, Flag.RECOVERED}


def test_a_late_success_does_not_overwrite_the_failure_that_came_after_it() -> None:
    failed, late = said(FAILED, 10, dated=9), said(SUCCEEDED, 30, dated=5)
    state = fold([failed, late])
    assert state.status is FAILED
    assert state.flags == {Flag.REGRESSED}
    assert fold([late, failed]) == state


def test_success_and_failure_of_one_moment_are_taken_in_the_order_of_life() -> None:
    assert fold([said(FAILED, 4, dated=3), said(SUCCEEDED, 9, dated=3)]).status is FAILED


@pytest.mark.parametrize("settled", [SUCCEEDED, FAILED])
@pytest.mark.parametrize("late", [PENDING, MANUAL_REVIEW])
def test_an_open_status_after_a_settled_one_counts_only_when_the_processor_dates_it_later(
    settled: RefundStatus, late: RefundStatus
) -> None:
    assert fold([said(settled, 3), said(late, 5)]) == attrs.evolve(
        fold([said(settled, 3)]), last_observed=START + timedelta(minutes=5), observations=2
    )
    reopened = fold([said(settled, 3, dated=3), said(late, 5, dated=5)])
    assert reopened.status is late
    assert reopened.flags == {Flag.REOPENED}


@pytest.mark.parametrize("settled", [SUCCEEDED, FAILED])
def test_an_unknown_word_never_hides_a_settled_status_and_is_flagged_until_it_is_understood(
    settled: RefundStatus,
) -> None:
    odd = said(UNKNOWN, 7, dated=7, connector_status="reticulated")
    state = fold([said(settled, 3), odd])
    assert state.status is settled
    assert state.connector_status == settled.lower()
    assert state.flags == {Flag.UNKNOWN_WORD}
    assert fold([said(settled, 3), odd, said(settled, 9)]).flags == frozenset()


def test_an_unknown_word_replaces_an_open_status() -> None:
    state = fold([said(PENDING, 3), said(UNKNOWN, 7, connector_status="reticulated")])
    assert (state.status, state.connector_status, state.flags) == (
        UNKNOWN,
        "reticulated",
        frozenset({Flag.UNKNOWN_WORD}),
    )


def test_amounts_and_currencies_that_differ_are_flagged() -> None:
    euro, less, dollar = Money(1050, "EUR"), Money(1000, "EUR"), Money(1050, "USD")
    assert fold([said(PENDING, 1), said(SUCCEEDED, 2, amount=None)]).flags == frozenset()
    assert fold([said(PENDING, 1), said(SUCCEEDED, 2, amount=less)]).flags == {Flag.AMOUNT_DIFFERS}
    assert fold([said(PENDING, 1), said(SUCCEEDED, 2, amount=less)]).amount == less
    assert fold([said(PENDING, 1)], expected=less).flags == {Flag.AMOUNT_DIFFERS}
    assert fold([said(PENDING, 1)], expected=euro).flags == frozenset()
    assert fold([said(PENDING, 1)], expected=dollar).flags == {Flag.CURRENCY_DIFFERS}


def test_the_reason_of_a_failure_and_the_reference_of_the_bank_are_kept() -> None:
    reason = ErrorInfo(code="expired_or_canceled_card")
    history = [
        said(SUCCEEDED, 1, acquirer_reference_number="74123456789012345678901"),
        said(FAILED, 2),
        said(FAILED, 3, error=reason),
        said(FAILED, 4, source="get"),
    ]
    state = fold(history)
    assert (state.error, state.acquirer_reference_number) == (reason, "74123456789012345678901")
    assert fold([*history, said(SUCCEEDED, 5)]).error is None


def test_gone_is_flagged_after_it_was_seen_and_is_no_failure() -> None:
    state = fold([said(PENDING, 1), gone(2)])
    assert (state.status, state.flags) == (PENDING, frozenset({Flag.GONE}))
    assert fold([said(PENDING, 1), gone(2), said(PENDING, 3, source="get")]).flags == frozenset()


def test_an_answer_that_contradicts_a_later_word_is_flagged_until_the_next_one_agrees() -> None:
    history = [said(SUCCEEDED, 1, dated=1), said(FAILED, 5, dated=5)]
    asked = said(SUCCEEDED, 8, dated=1, source="get")
    assert fold([*history, asked]).status is FAILED
    assert fold([*history, asked]).flags == {Flag.REGRESSED, Flag.DISPUTED}
    agreed = said(FAILED, 9, dated=5, source="get")
    assert fold([*history, asked, agreed]).flags == {Flag.REGRESSED}


def test_an_answer_of_the_same_moment_as_a_later_word_disputes_nothing() -> None:
    settled = said(SUCCEEDED, 5, dated=5)
    asked = [said(PENDING, 5, source="get", observed_at=START + timedelta(minutes=5, seconds=late)) for late in (1, 31)]
    assert fold([settled, asked[0]]).flags == frozenset()
    assert fold([settled, asked[1]]).flags == {Flag.DISPUTED}


def test_a_foreign_refund_is_recorded_as_such_and_needs_nobody() -> None:
    assert fold([said(PENDING, foreign=True)]).flags == {Flag.FOREIGN}
    assert Flag.FOREIGN not in ATTENTION


def test_a_date_in_the_future_orders_nothing() -> None:
    planned = attrs.evolve(said(PENDING, 1), provider_time=START + timedelta(days=5))
    assert planned.moment == planned.observed_at
    assert fold([planned, said(SUCCEEDED, 9)]).status is SUCCEEDED
    skewed = attrs.evolve(planned, provider_time=planned.observed_at + CLOCK_SKEW)
    assert skewed.moment == skewed.provider_time


def test_an_answer_that_comes_again_still_holds_and_a_webhook_that_comes_again_is_old() -> None:
    def repeated(source: Source) -> State:
        first, last = said(SUCCEEDED, 1, source=source), said(FAILED, 2, source=source)
        return fold([first, last, attrs.evolve(first, observed_at=START + timedelta(minutes=3))])

    assert repeated("get").status is SUCCEEDED
    assert repeated("webhook").status is FAILED
    assert repeated("import").status is FAILED


def test_each_evidence_is_kept_as_it_first_came() -> None:
    first, again = said(PENDING, 1), attrs.evolve(said(PENDING, 1), observed_at=START + timedelta(minutes=8))
    assert in_order([again, first]) == [first]


def test_whatever_differs_in_what_was_said_is_other_evidence() -> None:
    base = said(PENDING, 1, dated=1)
    changes: dict[str, Any] = {
        "account": "other",
        "connector_refund_id": "re_2",
        "merchant_refund_id": "order",
        "connector_transaction_id": None,
        "status": SUCCEEDED,
        "connector_status": None,
        "amount": Money(1050, "USD"),
        "provider_time": None,
        "source": "get",
        "digest": "other",
        "kind": "gone",
        "foreign": True,
    }
    # What came with the same body needs no place of its own.
    free = {"observed_at", "error", "acquirer_reference_number"}
    assert set(changes) == {field.name for field in attrs.fields(Observation)} - free
    others = {attrs.evolve(base, **{name: value}).evidence for name, value in changes.items()}
    assert len(others | {base.evidence}) == len(changes) + 1


def test_an_observation_has_the_newer_of_the_processors_times() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)
    later = START + timedelta(minutes=2)
    for processed, updated, expected in ((day, later, later), (later, None, later), (None, None, None)):
        refund = Refund(status=SUCCEEDED, processed_at=processed, updated_at=updated)
        assert observe("shop", refund, source="get", observed_at=START).provider_time == expected
        told = observe("shop", refund, source="webhook", observed_at=START, occurred_at=later)
        assert told.provider_time == later


def test_the_table_has_a_move_for_everything_that_can_be_said() -> None:
    assert set(TRANSITIONS) == {(known, word) for known in (None, *RefundStatus) for word in RefundStatus}


def test_the_diagram_has_every_move_that_changes_the_status_and_nothing_else() -> None:
    lines = diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    SUCCEEDED --> FAILED: regressed" in lines
    changing = [key for key, move in TRANSITIONS.items() if move.to is not key[0]]
    assert len(lines) == 1 + len(changing) == len(set(lines))


def test_a_long_history_folds_as_any_shuffle_of_it() -> None:
    history = [said(status, n, dated=n if n % 2 else None) for n in range(60) for status in RefundStatus]
    shuffled = history[:]
    random.Random(7).shuffle(shuffled)
    assert fold(shuffled) == fold(history)
