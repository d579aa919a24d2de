"""The tracker: asks for what is due, once, in time, and stops with a reason."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import attrs
import pytest
from ledgers import DATABASES, database, stripe_event, stripe_refund, take

from refundry.errors import (
    AmbiguousRefund,
    ConfigurationError,
    ConnectorError,
    InvalidQuery,
    MappingError,
    NetworkError,
    NotARefund,
    RateLimited,
    RefundNotFound,
    RefundryError,
    UnsupportedOperation,
)
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, RefundQuery
from refundry.state import Flag
from refundry.testing import FakeClock, Wiring
from refundry_adyen import Adyen
from refundry_ledger import Ledger, RefundRecord
from refundry_ledger.accounts import lock_account
from refundry_ledger.claims import begin_run
from refundry_ledger.recording import hint, record
from refundry_ledger.records import Pass
from refundry_ledger.scheduling import MOST_FAILURES, after_answer, after_error, plan_of
from refundry_ledger.tracking import ask, write_answer
from refundry_stripe import Stripe

DAY = timedelta(days=1)
HALF = 0.5
"""A chance that spreads nothing."""


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with database(request.param, tmp_path) as address:
        yield address


@pytest.fixture
def wiring() -> Wiring:
    return Wiring(Stripe, [stripe_refund("pending")])


@pytest.fixture
def ledger(url: str, wiring: Wiring) -> Iterator[Ledger]:
    with Ledger.open(url, clock=wiring.clock) as opened:
        yield opened


def the_refund(ledger: Ledger, name: str = "re_1") -> RefundRecord:
    (record,) = ledger.find(name)
    return record


def run_until_nothing_is_due(ledger: Ledger, wiring: Wiring, until: timedelta = 100 * DAY) -> None:
    """Let time pass from one due refund to the next."""
    client, end = wiring.client(), wiring.clock.now() + until
    while (due := ledger.next_due()) is not None and due < end:
        wiring.clock.advance(max(due - wiring.clock.now(), timedelta(0)) + timedelta(milliseconds=1))
        ledger.run_once([client])


def test_an_open_refund_is_asked_for_ever_less_often_until_a_person_must_look(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", refund_id="re_1")
    run_until_nothing_is_due(ledger, wiring, DAY)
    assert 6 <= len(wiring.sent) <= 12
    run_until_nothing_is_due(ledger, wiring)
    record = the_refund(ledger)
    assert record.next_due is None
    assert record.attention == "still PENDING after 30 days: ask Stripe"
    assert len(wiring.sent) < 40
    take(ledger, wiring, stripe_event(wiring, stripe_refund("succeeded")))
    assert not the_refund(ledger).needs_attention


def test_a_person_is_told_once_that_a_refund_is_late_and_it_is_asked_for_all_the_same(
    ledger: Ledger, wiring: Wiring
) -> None:
    ledger.track("stripe", refund_id="re_1")
    run_until_nothing_is_due(ledger, wiring, 9 * DAY)
    assert not the_refund(ledger).needs_attention
    run_until_nothing_is_due(ledger, wiring, 2 * DAY)
    assert the_refund(ledger).attention == "still PENDING after 10 days: ask Stripe"
    ledger.acknowledge(the_refund(ledger).id)
    run_until_nothing_is_due(ledger, wiring, 10 * DAY)
    assert not the_refund(ledger).needs_attention
    wiring.book.refunds["re_1"] = stripe_refund("succeeded")
    run_until_nothing_is_due(ledger, wiring, 8 * DAY)
    assert the_refund(ledger).status is SUCCEEDED


def test_a_settled_refund_is_sampled_while_it_may_turn(ledger: Ledger, wiring: Wiring) -> None:
    wiring.book.refunds["re_1"] = stripe_refund("succeeded")
    ledger.track("stripe", refund_id="re_1")
    run_until_nothing_is_due(ledger, wiring, 10 * DAY)
    assert 4 <= len(wiring.sent) <= 8
    wiring.book.refunds["re_1"] = stripe_refund("failed")
    run_until_nothing_is_due(ledger, wiring)
    record = the_refund(ledger)
    assert (record.status, record.flags, record.next_due) == (FAILED, frozenset({Flag.REGRESSED}), None)
    assert len(wiring.sent) <= 20


def test_a_webhook_that_contradicts_is_checked_at_once(ledger: Ledger, wiring: Wiring) -> None:
    wiring.book.refunds["re_1"] = stripe_refund("succeeded")
    ledger.track("stripe", refund_id="re_1")
    ledger.run_once([wiring.client()])
    wiring.clock.advance(timedelta(minutes=5))
    take(ledger, wiring, stripe_event(wiring, stripe_refund("failed")))
    assert [one.id for one in ledger.due()] == [1]


def test_a_refund_that_the_processor_never_knew_needs_a_person_and_may_still_appear(
    ledger: Ledger, wiring: Wiring
) -> None:
    client = wiring.client()
    ledger.track("stripe", refund_id="re_late")
    ledger.run_once([client])
    assert not the_refund(ledger, "re_late").needs_attention
    run_until_nothing_is_due(ledger, wiring, timedelta(hours=2))
    assert "does not know this refund" in (the_refund(ledger, "re_late").attention or "")
    wiring.book.refunds["re_late"] = stripe_refund(connector_refund_id="re_late")
    run_until_nothing_is_due(ledger, wiring, DAY)
    assert the_refund(ledger, "re_late").status is PENDING
    assert not the_refund(ledger, "re_late").needs_attention


def test_a_refund_that_is_gone_is_flagged_and_no_failure(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", refund_id="re_1")
    ledger.run_once([wiring.client()])
    del wiring.book.refunds["re_1"]
    wiring.clock.advance(timedelta(hours=1))
    ledger.run_once([wiring.client()])
    record = the_refund(ledger)
    assert (record.status, record.flags, record.attention) == (PENDING, frozenset({Flag.GONE}), "gone")
    assert record.next_due is not None


def test_one_bad_refund_harms_no_other_and_is_told_in_the_end(ledger: Ledger, wiring: Wiring) -> None:
    wiring.book.refunds["re_2"] = stripe_refund("succeeded", 2)
    for name in ("re_1", "re_2"):
        ledger.track("stripe", refund_id=name)
    wiring.tamper = lambda good: Response(200, {}, b"[]") if b"re_1" in good.body else good
    result = ledger.run_once([wiring.client()])
    assert (result.done, result.failed, result.errors) == (1, 1, {})
    assert the_refund(ledger, "re_2").status is SUCCEEDED
    for _ in range(MOST_FAILURES):
        wiring.clock.advance(DAY)
        ledger.run_once([wiring.client()])
    record = the_refund(ledger)
    assert record.status is None
    assert "not an object" in (record.attention or "")


def test_one_bad_account_harms_no_other(ledger: Ledger, wiring: Wiring) -> None:
    wiring.book.refunds |= {f"re_{number}": stripe_refund("succeeded", number) for number in range(2, 30)}
    bad = wiring.client({**wiring.settings, "api_key": "sk_test_wrong"}, account_name="bad")
    good = wiring.client(account_name="good")
    for name in wiring.book.refunds:
        for account in ("bad", "good"):
            ledger.track(account, refund_id=name)
    result = ledger.run_once({"bad": bad, "good": good})
    assert set(result.errors) == {"bad"}
    assert "credentials" in result.errors["bad"]
    assert "sk_test_wrong" not in result.errors["bad"]
    assert result.done == 29
    asked = Counter(str(one.headers["Authorization"]) for one in wiring.sent)
    assert asked["Bearer sk_test_wrong"] <= 16, "it gives up after the batch under way"
    left = ledger.claim_due(100, account="bad")
    assert len(left) == 29, "nothing of the account is lost or held"
    assert all(one.refund.attempts == 0 for one in left)


def test_what_passes_by_itself_is_asked_again_later(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", refund_id="re_1")
    wiring.tamper = lambda _: Response(503, {"Retry-After": "600"}, b"")
    ledger.run_once([wiring.client(timeout=1)])
    record = the_refund(ledger)
    assert (record.attempts, record.needs_attention) == (1, False)
    assert record.next_due is not None
    assert record.next_due >= wiring.clock.now() + timedelta(minutes=10)


def test_two_trackers_at_once_ask_once(url: str, wiring: Wiring) -> None:
    wiring.book.refunds |= {f"re_{number}": stripe_refund("succeeded", number) for number in range(2, 41)}
    with Ledger.open(url, clock=wiring.clock) as first, Ledger.open(url, clock=wiring.clock) as second:
        for name in wiring.book.refunds:
            first.track("stripe", refund_id=name)
        with ThreadPoolExecutor(2) as pool:
            passes = list(pool.map(lambda one: one.run_once([wiring.client()]), (first, second)))
    asked = Counter(str(one.url) for one in wiring.sent)
    assert len(asked) == sum(asked.values()) == sum(one.done for one in passes) == 40


def test_claims_at_once_never_share_a_refund(ledger: Ledger) -> None:
    for number in range(60):
        ledger.track("stripe", refund_id=f"re_{number}")
    with ThreadPoolExecutor(6) as pool:
        claimed = [one.refund.id for part in pool.map(ledger.claim_due, [10] * 6) for one in part]
    assert len(claimed) == len(set(claimed)) == 60
    assert ledger.claim_due(10) == []


def test_a_claim_of_a_killed_process_is_free_after_its_lease(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", refund_id="re_1")
    (lost,) = ledger.claim_due(1, lease=timedelta(minutes=5))
    with ledger.database.writing() as connection:
        assert begin_run(connection, "stripe", "killed", now=wiring.clock.now(), lease=timedelta(minutes=5))
    assert ledger.run_once([wiring.client()]).done == 0
    wiring.clock.advance(timedelta(minutes=5))
    assert ledger.run_once([wiring.client()]).done == 1
    scheduled = the_refund(ledger).next_due
    late(ledger, wiring, lost)
    assert the_refund(ledger).next_due == scheduled
    ledger.release(lost)
    assert the_refund(ledger).next_due == scheduled


@pytest.mark.parametrize("way", ["run_once", "ask_now", "check"])
def test_no_other_process_asks_while_a_slow_client_may_still_be_answered(
    url: str, ledger: Ledger, wiring: Wiring, way: str
) -> None:
    known = ledger.track("stripe", refund_id="re_1")
    slow = wiring.client(timeout=1200.0)

    def answered_late(good: Response) -> Response:
        wiring.clock.advance(timedelta(seconds=1190))
        with Ledger(url, clock=wiring.clock) as other:
            assert other.run_once([wiring.client()]) == Pass(elapsed=ANY)
            assert other.claim("stripe", known.id) is None
        return good

    wiring.tamper = answered_late
    match way:
        case "run_once":
            assert ledger.run_once([slow]).done == 1
        case "ask_now":
            ledger.ask_now(slow, known.id)
        case _:
            claim = ledger.claim("stripe", known.id, lease=timedelta(minutes=5))
            assert claim is not None
            assert ledger.check(slow, claim).done == 1
    assert len(wiring.sent) == 1
    assert the_refund(ledger).status is PENDING


def test_the_last_refund_that_a_worker_claims_is_still_its_own(url: str, ledger: Ledger, wiring: Wiring) -> None:
    for number in range(4):
        wiring.book.refunds[f"re_{number}"] = stripe_refund("pending", number)
        ledger.track("stripe", refund_id=f"re_{number}")

    def answered_late(good: Response) -> Response:
        wiring.clock.advance(timedelta(seconds=1190))
        with Ledger(url, clock=wiring.clock) as other:
            assert other.run_once([wiring.client()]).done == 0
        return good

    wiring.tamper = answered_late
    assert ledger.run_once([wiring.client(timeout=1200.0)], concurrency=1).done == 4
    assert len(wiring.sent) == 4


def late(ledger: Ledger, wiring: Wiring, claim: Any) -> None:
    """The answer of a process whose lease has ended."""
    client = wiring.client()
    asked = ask(client, claim.refund.query)
    wiring.clock.advance(timedelta(minutes=1))
    with ledger.database.writing() as connection:
        account = lock_account(connection, "stripe", wiring.clock.now())
        write_answer(account, claim, asked, plan_of(client.account), HALF)


def test_a_released_claim_is_due_as_before(ledger: Ledger) -> None:
    before = ledger.track("stripe", refund_id="re_1")
    (claim,) = ledger.claim_due(1)
    ledger.release(claim)
    assert ledger.due() == [before]


def test_a_webhook_that_comes_while_the_processor_is_asked_is_not_lost(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", refund_id="re_1")

    def interrupted(good: Response) -> Response:
        if len(wiring.sent) == 1:
            with ledger.database.writing() as connection:
                hint(lock_account(connection, "stripe", wiring.clock.now()), RefundQuery(connector_refund_id="re_1"))
        return good

    wiring.tamper = interrupted
    wiring.clock.advance(timedelta(seconds=1))
    ledger.run_once([wiring.client()])
    assert len(wiring.sent) == 2


def test_a_stopped_tracker_gives_back_what_it_holds(ledger: Ledger, wiring: Wiring) -> None:
    stop = threading.Event()
    for number in range(30):
        ledger.track("stripe", refund_id=f"re_{number}")

    def stopping(good: Response) -> Response:
        stop.set()
        return good

    wiring.tamper = stopping
    result = ledger.run_once([wiring.client()], stop=stop, concurrency=2)
    assert result.done + result.failed <= 2
    assert result.errors == {}
    assert len(ledger.claim_due(100)) == 30 - result.done - result.failed


def test_a_pass_asks_for_no_more_than_its_limit(ledger: Ledger, wiring: Wiring) -> None:
    for number in range(30):
        ledger.track("stripe", refund_id=f"re_{number}")
    result = ledger.run_once([wiring.client()], limit=20)
    assert result.done + result.failed == 20


def test_a_strange_transport_harms_no_pass(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", refund_id="re_1")

    def strange(_: Response) -> Response:
        raise ZeroDivisionError

    wiring.tamper = strange
    assert ledger.run_once([wiring.client()]).failed == 1
    assert the_refund(ledger).attempts == 1


def test_an_answer_that_cannot_be_kept_harms_no_other_refund(
    ledger: Ledger, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring.book.refunds["re_2"] = stripe_refund("succeeded", 2)
    for name in ("re_1", "re_2"):
        ledger.track("stripe", refund_id=name)

    def odd(account: Any, said: Any, **named: Any) -> Any:
        if said.connector_refund_id == "re_1":
            raise ValueError("something odd")
        return record(account, said, **named)

    monkeypatch.setattr("refundry_ledger.tracking.record", odd)
    result = ledger.run_once([wiring.client()])
    assert (result.done, result.failed, result.errors) == (1, 1, {})
    assert the_refund(ledger).attempts == 1


def test_a_client_under_another_name_is_refused(ledger: Ledger, wiring: Wiring) -> None:
    with pytest.raises(ConfigurationError, match="account_name='shop'"):
        ledger.run_once({"shop": wiring.client()})


def test_what_was_looked_at_comes_back_when_it_happens_again(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", refund_id="re_1")
    ledger.run_once([wiring.client()])
    gone = wiring.book.refunds.pop("re_1")
    for known in (False, True, False):
        wiring.clock.advance(timedelta(hours=14))
        wiring.book.refunds = {"re_1": gone} if known else {}
        ledger.run_once([wiring.client()])
        assert the_refund(ledger).needs_attention is not known
        ledger.acknowledge(1)


def test_a_refund_whose_tracking_ended_can_be_asked_for_again(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", refund_id="re_1")
    run_until_nothing_is_due(ledger, wiring)
    wiring.book.refunds["re_1"] = stripe_refund("succeeded")
    assert ledger.ask_again(1).next_due == wiring.clock.now()
    ledger.run_once([wiring.client()])
    record = the_refund(ledger)
    assert (record.status, record.needs_attention) == (SUCCEEDED, False)
    with pytest.raises(RefundNotFound):
        ledger.ask_again(99)


def test_a_refund_is_asked_for_by_its_payment_where_its_id_is_not_known(ledger: Ledger, wiring: Wiring) -> None:
    wiring.book.refunds["re_1"] = stripe_refund("succeeded", merchant_refund_id="order-7")
    tracked = ledger.track("stripe", merchant_refund_id="order-7", connector_transaction_id="pi_1")
    ledger.run_once([wiring.client()])
    record = the_refund(ledger)
    assert (record.id, record.status, record.origin) == (tracked.id, SUCCEEDED, "tracked")


def test_a_refund_that_cannot_be_asked_for_says_what_is_missing(ledger: Ledger, wiring: Wiring) -> None:
    ledger.track("stripe", merchant_refund_id="order-7")
    ledger.run_once([wiring.client()])
    record = the_refund(ledger, "order-7")
    assert record.next_due is None
    assert "connector_refund_id" in (record.attention or "")


def test_where_only_webhooks_tell_the_end_of_the_window_is_awaited(url: str) -> None:
    wiring = Wiring(Adyen)
    with Ledger.open(url, clock=wiring.clock) as ledger:
        ledger.track("adyen", refund_id="PSP1")
        ledger.run_once([wiring.client()])
        record = the_refund(ledger, "PSP1")
        assert not record.needs_attention
        assert record.next_due is not None
        wiring.clock.advance(record.next_due - wiring.clock.now() + DAY)
        ledger.run_once([wiring.client()])
        assert "cannot be asked" in (the_refund(ledger, "PSP1").attention or "")
        assert wiring.sent == []


# The decisions


def plan() -> Any:
    return plan_of(Wiring(Stripe).client().account)


def a_record(**more: Any) -> RefundRecord:
    now = FakeClock().now()
    facts: dict[str, Any] = {field.name: None for field in attrs.fields(RefundRecord)}
    facts |= {"id": 1, "account": "stripe", "origin": "tracked", "query": RefundQuery(connector_refund_id="re_1")}
    facts |= {"flags": frozenset(), "needs_attention": False, "changes": 0, "added_at": now, "attempts": 0}
    return RefundRecord(**{**facts, **more})


def test_the_wait_grows_with_age_and_never_passes_the_window() -> None:
    record = a_record(status=PENDING)
    waits = []
    for hours in (0, 1, 5, 30, 239):
        now = record.added_at + timedelta(hours=hours)
        due = after_answer(plan(), record, now, HALF).due
        assert due is not None
        waits.append(due - now)
        assert due <= record.added_at + plan().window
    assert waits[:4] == sorted(waits[:4])


@pytest.mark.parametrize(
    ("error", "told", "stops"),
    [
        (NotARefund("that is a payment"), True, True),
        (AmbiguousRefund("several"), True, True),
        (InvalidQuery("missing"), True, True),
        (RefundNotFound("none"), False, False),
        (NetworkError("down"), False, False),
        (RateLimited("slow down"), False, False),
        (MappingError("odd"), False, False),
        (ConnectorError("no"), False, False),
        (ZeroDivisionError(), False, False),
        (UnsupportedOperation("no get"), False, False),
    ],
)
def test_what_becomes_of_a_fresh_refund_after_an_error(error: Exception, told: bool, stops: bool) -> None:
    record = a_record()
    following = after_error(plan(), record, error, record.added_at, HALF)
    assert (following.notice is not None, following.due is None) == (told, stops)
    assert not following.dropped
    hint = attrs.evolve(record, origin="hint")
    assert after_error(plan(), hint, error, record.added_at, HALF).dropped == stops


@pytest.mark.parametrize(
    "error", [RefundNotFound("none"), NetworkError("down"), MappingError("odd"), UnsupportedOperation("no get")]
)
def test_every_error_ends_with_a_reason_when_patience_does(error: RefundryError) -> None:
    record = a_record(status=PENDING, first_observed=FakeClock().now())
    following = after_error(plan(), record, error, record.added_at + plan().patience, HALF)
    assert following.due is None
    assert following.notice


def test_failures_in_a_row_wait_ever_longer_up_to_a_bound() -> None:
    waits = []
    for attempts in (0, 1, 2, 50):
        record = a_record(attempts=attempts)
        due = after_error(plan(), record, NetworkError("down"), record.added_at, HALF).due
        assert due is not None
        waits.append(due - record.added_at)
    assert waits == sorted(waits)
    assert waits[-1] <= timedelta(hours=2)
