"""Deleting old raw bodies: what goes, what stays, and that nothing else notices, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import ledgers
import pytest
from sqlalchemy import func, select

from refundry.errors import InvalidQuery, MappingError
from refundry.hookspecs import hookimpl
from refundry.http import Event
from refundry.model import SUCCEEDED, Refund, RefundEvent, RefundQuery
from refundry.testing import Wiring
from refundry_ledger import Ledger
from refundry_ledger.inbox import Inbox
from refundry_ledger.pruning import BATCH
from refundry_ledger.records import Pass, Pruned
from refundry_ledger.schema import event_items, events, observations
from refundry_stripe import Stripe

AGE = timedelta(days=400)


@pytest.fixture
def wiring() -> Wiring:
    return Wiring(Stripe)


def event(wiring: Wiring, word: str = "succeeded", number: int = 1) -> Event:
    return ledgers.stripe_event(wiring, ledgers.stripe_refund(word, number))


def bodies(ledger: Ledger) -> list[bytes]:
    with ledger.database.reading() as connection:
        return list(connection.execute(select(events.c.body).order_by(events.c.id)).scalars())


def outcomes(ledger: Ledger) -> list[str]:
    with ledger.database.reading() as connection:
        return list(connection.execute(select(events.c.outcome).order_by(events.c.id)).scalars())


def said(ledger: Ledger) -> list[Any]:
    with ledger.database.reading() as connection:
        return list(connection.execute(select(observations).order_by(observations.c.id)).mappings())


def asked(ledger: Ledger, wiring: Wiring, word: str = "pending", number: int = 1) -> int:
    """A refund of which the processor has answered this; the ledger's number of it."""
    wiring.book.refunds[f"re_{number}"] = ledgers.stripe_refund(word, number)
    known = ledger.track("stripe", connector_refund_id=f"re_{number}")
    ledger.ask_now(wiring.client(), known.id)
    return known.id


def later(wiring: Wiring, span: timedelta = AGE) -> datetime:
    """What is older than this was there before the span began."""
    start = wiring.clock.now() + timedelta(seconds=1)
    wiring.clock.advance(span)
    return start


def test_old_bodies_go_and_what_they_said_stays(ledger: Ledger, wiring: Wiring) -> None:
    ledgers.take(ledger, wiring, event(wiring))
    number = asked(ledger, wiring, "pending", 2)
    before = later(wiring)
    ledgers.take(ledger, wiring, event(wiring, "failed", 3))
    kept = (said(ledger), ledger.history("stripe", "re_1").state, ledger.history("stripe", number).state)

    assert ledger.prune(before, dry_run=True) == Pruned(answers=1, events=1)
    assert len(ledger.answers_of(number)) == 1
    assert ledger.prune(before) == Pruned(answers=1, events=1)
    assert ledger.prune(before) == Pruned()

    assert ledger.answers_of(number) == {}
    assert [bool(one) for one in bodies(ledger)] == [False, True]
    (old,) = ledger.events_of(ledger.find("re_1")[0].id)
    assert (old.body, dict(old.headers), old.url, old.pruned_at) == (b"", {}, None, wiring.clock.now())
    assert (said(ledger), ledger.history("stripe", "re_1").state, ledger.history("stripe", number).state) == kept
    assert ledger.history("stripe", "re_1").observations[0].evidence == kept[0][0]["evidence"]


def test_what_waits_or_failed_is_left_alone_and_can_still_be_read(
    ledger: Ledger, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Stripe, "_refund", unreadable)
        ledgers.take(ledger, wiring, event(wiring, number=1))
    Inbox(ledger).keep(wiring.client(), [event(wiring, number=2)])
    assert outcomes(ledger) == ["unmapped", "waiting"]
    before = later(wiring)
    assert ledger.prune(before) == Pruned()
    assert all(bodies(ledger))
    assert Inbox(ledger).read(wiring.client()).done == 1
    assert ledger.replay(wiring.client()).done == 1
    assert [ledger.find(f"re_{number}")[0].status for number in (1, 2)] == [SUCCEEDED] * 2
    assert ledger.prune(before) == Pruned(events=2)
    assert ledger.replay(wiring.client()) == Pass()


def unreadable(self: Stripe, body: object) -> Refund:
    raise MappingError("status is not text", field="status")


def test_a_webhook_that_comes_again_is_still_a_duplicate(ledger: Ledger, wiring: Wiring) -> None:
    one = event(wiring)
    ledgers.take(ledger, wiring, one)
    ledger.prune(later(wiring))
    counts = ledgers.row_counts(ledger, events, event_items, observations)
    assert ledgers.take(ledger, wiring, one).duplicate
    Inbox(ledger).keep(wiring.client(), [one])
    assert Inbox(ledger).waiting() == {}
    assert ledgers.row_counts(ledger, events, event_items, observations) == counts
    assert bodies(ledger) == [b""]


class Hinting(Stripe):
    """Its webhooks name a refund, and nothing proves them."""

    unsigned_events = True

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        return False

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        return [RefundEvent(query=RefundQuery.of(event.json()))]


def test_a_hint_in_the_same_words_is_read_again_after_its_body_was_deleted(address: str) -> None:
    wiring = Wiring(Hinting, [ledgers.stripe_refund("pending")])
    with Ledger(address, clock=wiring.clock) as ledger:
        inbox, client = Inbox(ledger), wiring.client()
        for asked_for in (1, 2):
            named = Event(headers={}, body=b'{"refund_id":"re_1"}', received_at=wiring.clock.now())
            inbox.keep(client, [named])
            assert inbox.read(client) == Pass(done=1)
            ledger.run_once([client])
            assert len(wiring.sent) == asked_for
            assert ledger.prune(later(wiring)).events == 1


def test_an_answer_that_is_heard_again_is_as_old_as_its_last_hearing(ledger: Ledger, wiring: Wiring) -> None:
    number = asked(ledger, wiring)
    before = later(wiring)
    ledger.ask_now(wiring.client(), number)
    assert ledger.prune(before) == Pruned()
    assert len(ledger.answers_of(number)) == 1


def test_batches_limits_and_stopping(ledger: Ledger, wiring: Wiring) -> None:
    for number in range(7):
        ledgers.take(ledger, wiring, event(wiring, number=number))
    before = later(wiring)
    assert ledger.prune(before, dry_run=True, limit=2) == Pruned(events=2)
    assert ledger.prune(before, batch=2, limit=3) == Pruned(events=3)
    stop = threading.Event()
    stop.set()
    assert ledger.prune(before, stop=stop) == Pruned()
    assert ledger.prune(before, batch=2) == Pruned(events=4)
    assert BATCH <= 500
    with pytest.raises(InvalidQuery):
        ledger.prune(before.replace(tzinfo=None))


def test_pruning_holds_up_no_webhook_and_misses_none(address: str, wiring: Wiring) -> None:
    with Ledger(address, clock=wiring.clock) as ledger:
        for number in range(60):
            ledgers.take(ledger, wiring, event(wiring, number=number))
        before = later(wiring)
        with Ledger(address, clock=wiring.clock) as other:
            found: list[Pruned] = []
            threads = [
                threading.Thread(target=lambda one=one: found.append(one.prune(before, batch=5)))  # type: ignore[misc]
                for one in (ledger, other)
            ]
            for thread in threads:
                thread.start()
            for number in range(10):
                ledgers.take(ledger, wiring, event(wiring, "failed", number))
            for thread in threads:
                thread.join()
        assert sum(one.events for one in found) == 60
        with ledger.database.reading() as connection:
            left = connection.execute(select(func.count()).where(events.c.pruned_at.is_(None))).scalar_one()
        assert left == 10
