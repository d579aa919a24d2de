"""A webhook that comes without its signature first, and then with it: the proved one counts, on both databases."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import ledgers
import pytest
from sqlalchemy import select

from refundry.hookspecs import hookimpl
from refundry.http import Event
from refundry.model import FAILED, PENDING, SUCCEEDED
from refundry.testing import Wiring
from refundry_ledger import Ledger
from refundry_ledger.inbox import Inbox
from refundry_ledger.schema import event_items, events, observations
from refundry_stripe import Stripe


class Optional(Stripe):
    """Its webhooks may come without a signature; one that is there must be right."""

    unsigned_events = True

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        return bool(event.header("stripe-signature")) and super().verify_event(event)


@pytest.fixture
def wiring() -> Wiring:
    return Wiring(Optional, [ledgers.stripe_refund("pending")])


def signed(wiring: Wiring, word: str = "succeeded", event_id: str = "same") -> Event:
    return ledgers.stripe_event(wiring, ledgers.stripe_refund(word), event_id)


def unsigned(event: Event) -> Event:
    return Event(method=event.method, url=event.url, headers={}, body=event.body, received_at=event.received_at)


def stored(ledger: Ledger) -> list[dict[str, Any]]:
    with ledger.database.reading() as connection:
        return [dict(row) for row in connection.execute(select(events).order_by(events.c.id)).mappings()]


def status(ledger: Ledger) -> Any:
    return ledger.find("re_1")[0].status


def test_the_signed_copy_of_an_unsigned_webhook_is_believed(ledger: Ledger, wiring: Wiring) -> None:
    event = signed(wiring)
    ledgers.take(ledger, wiring, unsigned(event))
    assert (status(ledger), stored(ledger)[0]["verified"]) == (None, False)
    receipt = ledgers.take(ledger, wiring, event)
    assert (receipt.duplicate, status(ledger)) == (False, SUCCEEDED)
    (row,) = stored(ledger)
    assert (row["verified"], "stripe-signature" in row["headers"]) == (True, True)
    counts = ledgers.row_counts(ledger, events, event_items, observations)
    assert counts == [1, 1, 1]
    for again in (event, unsigned(event)):
        ledgers.take(ledger, wiring, again)
        assert ledgers.row_counts(ledger, events, event_items, observations) == counts
        assert stored(ledger) == [row]


def test_what_somebody_made_up_under_the_id_of_an_event_does_not_stand_for_it(ledger: Ledger, wiring: Wiring) -> None:
    forged, event = unsigned(signed(wiring, "failed")), signed(wiring)
    ledgers.take(ledger, wiring, forged)
    assert not ledgers.take(ledger, wiring, event).duplicate
    assert [row["verified"] for row in stored(ledger)] == [False, True]
    history = ledger.history("stripe", "re_1")
    assert [one.status for one in history.observations] == [SUCCEEDED]
    assert history.refund.status is not FAILED
    assert ledgers.take(ledger, wiring, event).duplicate
    # With another body, as a processor writes it that counts its own attempts.
    other = ledgers.stripe_event(wiring, ledgers.stripe_refund("succeeded", refund_reason="x"), "same")
    assert ledgers.take(ledger, wiring, other).duplicate
    assert ledgers.row_counts(ledger, event_items, observations) == [1, 1]


@pytest.mark.parametrize("read_between", [True, False])
@pytest.mark.parametrize("body", ["the same", "another"])
def test_the_inbox_reads_the_signed_copy_too(ledger: Ledger, wiring: Wiring, body: str, *, read_between: bool) -> None:
    inbox, client, event = Inbox(ledger), wiring.client(), signed(wiring)
    inbox.keep(client, [unsigned(event if body == "the same" else signed(wiring, "failed"))])
    if read_between:
        assert inbox.read(client).done == 1
    inbox.keep(client, [event])
    inbox.read(client)
    assert status(ledger) is SUCCEEDED
    assert [one.status for one in ledger.history("stripe", "re_1").observations] == [SUCCEEDED]
    inbox.keep(client, [event])
    assert inbox.waiting() == {}
    inbox.keep(client, [unsigned(event)])
    inbox.read(client)
    assert stored(ledger)[-1]["verified"] is True
    assert ledgers.row_counts(ledger, event_items, observations) == [1, 1]


@pytest.mark.parametrize("order", list(itertools.permutations(("signed", "unsigned"))), ids="-".join)
def test_of_copies_that_come_at_one_moment_the_signed_one_counts(
    ledger: Ledger, wiring: Wiring, order: tuple[str, ...]
) -> None:
    event = signed(wiring)
    copies = {"signed": event, "unsigned": unsigned(event)}
    assert [one.status_code for one in Inbox(ledger).keep(wiring.client(), [copies[name] for name in order])] == [
        200
    ] * 2  # type: ignore[union-attr]
    Inbox(ledger).read(wiring.client())
    assert status(ledger) is SUCCEEDED


def test_the_signed_copy_counts_even_after_the_body_of_the_other_was_deleted(ledger: Ledger, wiring: Wiring) -> None:
    event = signed(wiring, "pending")
    inbox, client = Inbox(ledger), wiring.client()
    inbox.keep(client, [unsigned(event)])
    inbox.read(client)
    wiring.clock.advance(timedelta(days=2))
    assert ledger.prune(wiring.clock.now() - timedelta(days=1)).events == 1
    inbox.keep(client, [event])
    assert inbox.read(client).done == 1
    assert status(ledger) is PENDING
