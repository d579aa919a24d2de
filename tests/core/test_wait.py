"""Waiting until a refund settles, on a clock that takes no time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from acme import DONE, Acme, Asked, json_answer, serving

from refundry import NotARefund, RefundClient, RefundNotFound, RefundStatus, WaitEnd
from refundry.errors import AuthenticationError
from refundry.http import Response
from refundry.testing import FakeClock

OPEN = {**DONE, "status": "open"}


def waiting(answers: list[Response], last: Response, **options: Any) -> Any:
    """The outcome of a wait that gets these answers and then the last one for ever, and its clock."""
    clock = FakeClock()

    def answer(_: Asked) -> Response:
        return answers.pop(0) if answers else last

    with serving(answer) as server, RefundClient(Acme, key="k-123456", base_url=server.url, clock=clock) as acme:
        return acme.wait(connector_refund_id="r1", **options), clock


def test_it_asks_ever_less_often_until_the_refund_settles() -> None:
    seen: list[RefundStatus] = []
    outcome, clock = waiting([json_answer(OPEN)] * 4, json_answer(DONE), on_poll=lambda one: seen.append(one.status))
    assert outcome.reason is WaitEnd.SETTLED
    assert outcome.refund.status is RefundStatus.SUCCEEDED
    assert outcome.polls == 5
    assert [status.value for status in seen] == ["PENDING"] * 4 + ["SUCCEEDED"]
    assert clock.slept == sorted(clock.slept)
    assert "settled: SUCCEEDED (asked 5 times" in outcome.explanation


@pytest.mark.parametrize("word", ["open", "never heard"])
def test_time_is_up_and_the_last_look_is_at_the_end(word: str) -> None:
    outcome, clock = waiting([], json_answer({**DONE, "status": word}), timeout=100)
    assert outcome.reason is WaitEnd.OPEN
    assert sum(clock.slept) == pytest.approx(100)
    assert "still" in outcome.explanation


def test_a_fresh_refund_may_be_not_found_for_a_while() -> None:
    outcome, _ = waiting([json_answer({}, 404)] * 2, json_answer(DONE))
    assert outcome.reason is WaitEnd.SETTLED


def test_not_found_for_longer_is_an_error() -> None:
    with pytest.raises(RefundNotFound):
        waiting([], json_answer({}, 404))


def test_not_found_within_a_short_wait_is_an_outcome() -> None:
    outcome, _ = waiting([], json_answer({}, 404), timeout=5)
    assert outcome.reason is WaitEnd.NOT_FOUND
    assert outcome.refund is None
    assert "does not show" in outcome.explanation


def test_gone_after_it_was_seen_is_an_error() -> None:
    with pytest.raises(RefundNotFound):
        waiting([json_answer(OPEN)], json_answer({}, 404))


def test_a_payments_id_is_an_error_at_once() -> None:
    with pytest.raises(NotARefund):
        waiting([], json_answer({"kind": "payment"}))


def test_trouble_that_passes_is_waited_out() -> None:
    outcome, _ = waiting([json_answer({}, 500)] * 6, json_answer(DONE))
    assert outcome.reason is WaitEnd.SETTLED


def test_trouble_that_stays_is_said() -> None:
    outcome, clock = waiting([json_answer(OPEN)], json_answer({}, 503), timeout=timedelta(hours=1).total_seconds())
    assert outcome.reason is WaitEnd.UNREACHABLE
    assert outcome.refund.status is RefundStatus.PENDING
    assert outcome.error is not None
    assert "could not be asked" in outcome.explanation
    assert sum(clock.slept) == pytest.approx(3600)


def test_what_does_not_pass_is_raised() -> None:
    with pytest.raises(AuthenticationError):
        waiting([], json_answer({}, 401))
