"""Retries, budget, limits: on a clock that takes no time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundry import ConnectorError, ProcessorUnavailable, RateLimited
from refundry.policy import Policy, RateLimiter, RetryBudget
from refundry.schedule import Schedule, next_delay, spread
from refundry.times import read_retry_after

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", timedelta(seconds=5)),
        ("0", timedelta(0)),
        (" 1.5 ", timedelta(seconds=1.5)),
        ("-5", timedelta(0)),
        ("999999999999", DAY),
        ("1e300", DAY),
        ("inf", DAY),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Mon, 02 Mar 2026 09:00:30 GMT", timedelta(seconds=30)),
        ("Mon, 02 Mar 2026 08:00:00 GMT", timedelta(0)),
        ("Mon, 02 Mar 2099 08:00:00 GMT", DAY),
    ],
)
def test_retry_after_is_clamped(value: str | None, expected: timedelta | None) -> None:
    assert read_retry_after(value, NOW) == expected


@given(st.text())
def test_any_retry_after_is_between_now_and_a_day(value: str) -> None:
    asked = read_retry_after(value, NOW)
    assert asked is None or timedelta(0) <= asked <= DAY


def test_three_tries_with_full_jitter() -> None:
    policy = Policy(chance=lambda: 1.0)
    error = ProcessorUnavailable("down")
    assert [policy.retry_delay(tries, error, 100) for tries in (1, 2, 3)] == [0.5, 1.0, None]
    assert Policy(chance=lambda: 0.0).retry_delay(1, error, 100) == 0.0


def test_what_is_not_retryable_is_not_retried() -> None:
    assert Policy().retry_delay(1, ConnectorError("no"), 100) is None


def test_the_processors_wait_is_kept_up_to_the_deadline() -> None:
    policy = Policy(chance=lambda: 0.0)
    asked = RateLimited("slow", retry_after=timedelta(seconds=7))
    assert policy.retry_delay(1, asked, 10) == 7
    assert policy.retry_delay(1, asked, 7) is None


def test_under_total_failure_the_budget_stops_retries() -> None:
    policy = Policy(chance=lambda: 0.0)
    requests = 0
    for _ in range(100):
        tries = 0
        while True:
            tries += 1
            requests += 1
            policy.budget.failed()
            if policy.retry_delay(tries, ProcessorUnavailable("down"), 100) is None:
                break
    assert 100 < requests <= 110


def test_successes_give_the_budget_back() -> None:
    budget = RetryBudget()
    for _ in range(20):
        budget.failed()
    assert not budget.allows()
    for _ in range(51):
        budget.succeeded()
    assert budget.allows()


@given(st.floats(0.5, 200), st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_second_sees_more_than_the_rate(rate: float, gaps: list[float]) -> None:
    limiter, now, starts = RateLimiter(rate), 0.0, []
    for gap in gaps:
        now += gap
        starts.append(now + limiter.reserve(now, float("inf")))
    for start in starts:
        within = [other for other in starts if start <= other < start + 1 - 1e-6]
        assert len(within) <= max(1, int(rate) + 1)


def test_no_rate_means_no_wait() -> None:
    assert [RateLimiter(None).reserve(0, 0) for _ in range(5)] == [0] * 5


def test_a_wait_beyond_the_deadline_is_an_error_and_takes_no_place() -> None:
    limiter = RateLimiter(1)
    assert limiter.reserve(0, 0) == 0
    for _ in range(5):
        with pytest.raises(RateLimited, match="rate limit"):
            limiter.reserve(0, 0.5)
    assert limiter.reserve(0, 1) == 1


def test_the_schedule_asks_at_most_twelve_times_on_the_first_day() -> None:
    schedule, age, asked = Schedule(), timedelta(0), 1
    while (age := age + spread(next_delay(schedule, age), 0.0)) < DAY:
        asked += 1
    assert asked <= 12


@given(st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_delay_is_bounded(age: timedelta) -> None:
    schedule = Schedule()
    assert schedule.first <= next_delay(schedule, age) <= schedule.longest


@given(st.timedeltas(timedelta(seconds=1), DAY), st.floats(0, 1, exclude_max=True))
def test_spread_moves_by_a_tenth_at_most(delay: timedelta, chance: float) -> None:
    assert abs(spread(delay, chance) - delay) <= delay * 0.1 + timedelta(microseconds=1)
