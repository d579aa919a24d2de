"""Webhooks: stored before they are acknowledged, once each, and kept when they cannot be read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ledgers import (
    DATABASES,
    acknowledged_before_kill,
    database,
    delivering,
    started,
    stream,
    stripe_event,
    stripe_refund,
    take,
    write_events,
)
from ledgers import row_counts as rows
from sqlalchemy import select

from refundry.errors import MappingError, SignatureError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Money, Refund, RefundEvent, RefundQuery
from refundry.state import Flag, Observation, observe
from refundry.testing import Wiring
from refundry_adyen import Adyen
from refundry_ledger import Ledger
from refundry_ledger.recording import record
from refundry_ledger.schema import event_items, events, observations, outbox, refunds
from refundry_stripe import Stripe


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with database(request.param, tmp_path) as address:
        yield address


@pytest.fixture
def wiring() -> Wiring:
    return Wiring(Stripe)


@pytest.fixture
def ledger(url: str, wiring: Wiring) -> Iterator[Ledger]:
    with Ledger.open(url, clock=wiring.clock) as opened:
        yield opened


def stored(ledger: Ledger) -> dict[str, Any]:
    with ledger.database.reading() as connection:
        return dict(connection.execute(select(events)).mappings().one())


def test_what_is_received_is_stored_with_what_it_says(ledger: Ledger, wiring: Wiring) -> None:
    event = stripe_event(wiring, stripe_refund("succeeded"))
    receipt = take(ledger, wiring, event)
    assert (receipt.reply.status_code, receipt.duplicate, receipt.problems) == (200, False, ())
    history = ledger.history("stripe", "re_1")
    assert history.state.status is SUCCEEDED
    assert history.refund.origin == "discovered"
    row = stored(ledger)
    assert bytes(row["body"]) == event.body
    assert row["headers"] == dict(event.headers)
    assert (row["outcome"], row["verified"], row["received_at"]) == ("mapped", True, event.received_at)


def test_a_duplicate_stores_nothing(ledger: Ledger, wiring: Wiring) -> None:
    event = stripe_event(wiring, stripe_refund("succeeded"), "same")
    take(ledger, wiring, event)
    before = rows(ledger, events, event_items, observations, outbox)
    assert take(ledger, wiring, event).duplicate
    # The same event with another body, as a processor writes it that counts its own attempts.
    assert take(ledger, wiring, stripe_event(wiring, stripe_refund("succeeded", refund_reason="x"), "same")).duplicate
    assert rows(ledger, events, event_items, observations, outbox) == before == [1, 1, 1, 1]


def test_another_event_with_the_same_news_changes_nothing_but_is_kept(ledger: Ledger, wiring: Wiring) -> None:
    for _ in range(2):
        assert not take(ledger, wiring, stripe_event(wiring, stripe_refund("succeeded"))).duplicate
    assert rows(ledger, events, observations, outbox) == [2, 2, 1]


def test_a_forged_event_stores_nothing_but_a_count(ledger: Ledger, wiring: Wiring) -> None:
    event = stripe_event(wiring, stripe_refund("succeeded"))
    for count in (1, 2):
        with pytest.raises(SignatureError) as caught:
            take(ledger, wiring, event, body=event.body + b" ")
        assert caught.value.reply is not None
        assert ledger.refused_signatures("stripe") == count
    assert rows(ledger, events, observations, refunds) == [0, 0, 0]


def test_an_event_about_something_else_is_kept_and_acknowledged(ledger: Ledger, wiring: Wiring) -> None:
    event = stripe_event(wiring, stripe_refund())
    other = resigned(wiring, event, event.body.replace(b"refund.updated", b"customer.created"))
    assert take(ledger, wiring, other).reply.status_code == 200
    assert stored(ledger)["outcome"] == "ignored"
    assert take(ledger, wiring, other).duplicate
    assert rows(ledger, events, refunds) == [1, 0]


def resigned(wiring: Wiring, event: Event, body: bytes) -> Event:
    """The event with another body, signed as Stripe would."""
    from refundry.signing import hmac_hex

    sent = int(event.received_at.timestamp())
    secret = wiring.settings["webhook_secret"].encode()
    headers = {"Stripe-Signature": f"t={sent},v1={hmac_hex(secret, f'{sent}.'.encode() + body)}"}
    return Event(headers=headers, body=body, received_at=event.received_at)


def test_an_event_that_cannot_be_read_is_kept_and_replayed_later(
    ledger: Ledger, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = stripe_event(wiring, stripe_refund("succeeded"))
    with monkeypatch.context() as patch:
        patch.setattr(Stripe, "_refund", unreadable)
        receipt = take(ledger, wiring, event)
        assert receipt.reply.status_code == 200
        assert [type(one) for one in receipt.problems] == [MappingError]
        assert not take(ledger, wiring, event).events
        row = stored(ledger)
        assert row["outcome"] == "unmapped"
        assert "status" in row["reason"]
        failing = ledger.replay(wiring.client())
        assert (failing.done, failing.failed) == (0, 1)
    wiring.clock.advance(timedelta(days=9))  # long after its signature would have been too old
    assert ledger.replay(wiring.client()).done == 1
    history = ledger.history("stripe", "re_1")
    assert history.state.status is SUCCEEDED
    assert history.state.since == event.received_at
    assert stored(ledger)["outcome"] == "mapped"
    assert ledger.replay(wiring.client()).done == 0


def unreadable(self: Stripe, body: object) -> Refund:
    raise MappingError("status is not text", field="status")


def test_an_unreadable_event_that_comes_again_readable_is_mapped(
    ledger: Ledger, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = stripe_event(wiring, stripe_refund("succeeded"))
    with monkeypatch.context() as patch:
        patch.setattr(Stripe, "_refund", unreadable)
        take(ledger, wiring, event)
    assert take(ledger, wiring, event).duplicate is False
    assert stored(ledger)["outcome"] == "mapped"
    assert rows(ledger, events, observations) == [1, 1]


def test_a_defect_before_the_signature_was_checked_is_not_stored(
    ledger: Ledger, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    @hookimpl
    def broken(self: object, event: object) -> None:
        raise KeyError("sig")

    monkeypatch.setattr("refundry_stripe.connector.Stripe.verify_event", broken)
    with pytest.raises((SignatureError, MappingError)):
        take(ledger, wiring, stripe_event(wiring, stripe_refund()))
    assert rows(ledger, events) == [0]


def test_no_secret_is_kept_with_an_event(ledger: Ledger, wiring: Wiring) -> None:
    event = stripe_event(wiring, stripe_refund())
    secret = wiring.settings["webhook_secret"]
    extra = {
        "Authorization": "Basic c2VjcmV0",
        "Cookie": "a=b",
        "X-Callback-Token": secret,
        "X-Api": f"Key {wiring.settings['api_key']}",
        "X-Request-Id": "kept",
    }
    take(ledger, wiring, event, headers={**event.headers, **extra}, url=f"https://shop.example/hook?token={secret}")
    row = stored(ledger)
    assert set(row["headers"]) == {name.lower() for name in event.headers} | {"x-request-id"}
    assert row["url"] == "https://shop.example/hook?token=***"


class Hinting(Stripe):
    """Its webhooks name a refund or a payment, say nothing of it that may be believed, and carry no id."""

    unsigned_events = True

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        return False

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        return [RefundEvent(query=RefundQuery.of(event.json()), refund=stripe_refund("succeeded"))]


@pytest.fixture
def hinting() -> Wiring:
    return Wiring(Hinting, [stripe_refund("pending"), stripe_refund("failed", 2, connector_transaction_id="pi_1")])


def hint(ledger: Ledger, wiring: Wiring, body: bytes) -> Any:
    return ledger.receive(wiring.client(), body=body, headers={}, received_at=wiring.clock.now())


def test_a_hint_makes_the_refund_due_and_is_not_believed(ledger: Ledger, hinting: Wiring) -> None:
    ledger.clock = hinting.clock
    hint(ledger, hinting, b'{"refund_id":"re_1"}')
    (record,) = ledger.find("re_1")
    assert (record.status, record.origin, record.next_due) == (None, "hint", hinting.clock.now())
    assert stored(ledger)["verified"] is False
    ledger.run_once([hinting.client()])
    (record,) = ledger.find("re_1")
    assert (record.status, record.origin) == (PENDING, "discovered")


def test_a_hint_in_the_same_words_asks_again(ledger: Ledger, hinting: Wiring) -> None:
    ledger.clock = hinting.clock
    for body in (b'{"refund_id":"re_1"}', b'{"refund_id":"re_1"}'):
        hint(ledger, hinting, body)
        ledger.run_once([hinting.client()])
        hinting.clock.advance(timedelta(hours=1))
    assert len(hinting.sent) == 2
    assert rows(ledger, events, event_items) == [1, 1]


def test_a_hint_in_the_same_words_asks_again_whatever_the_registered_address(ledger: Ledger, hinting: Wiring) -> None:
    ledger.clock = hinting.clock
    client = hinting.client({**hinting.settings, "webhook_url": "https://shop.example/hook?shop=1"})
    for asked in (1, 2):
        ledger.receive(client, body=b'{"refund_id":"re_1"}', headers={}, received_at=hinting.clock.now())
        ledger.run_once([client])
        (record,) = ledger.find("re_1")
        assert record.asked_at == hinting.clock.now(), f"not asked the {asked}. time"
        hinting.clock.advance(timedelta(hours=1))
        ledger.run_once([client])
        hinting.clock.advance(timedelta(minutes=1))


def test_many_hints_do_not_ask_faster_than_the_least_gap(ledger: Ledger, hinting: Wiring) -> None:
    ledger.clock = hinting.clock
    for _ in range(30):
        hint(ledger, hinting, b'{"refund_id":"re_1"}')
        ledger.run_once([hinting.client()])
        hinting.clock.advance(timedelta(seconds=1))
    assert len(hinting.sent) <= 4


def test_a_hint_at_a_payment_finds_all_its_refunds(ledger: Ledger, hinting: Wiring) -> None:
    ledger.clock = hinting.clock
    hint(ledger, hinting, b'{"connector_transaction_id":"pi_1"}')
    ledger.run_once([hinting.client()])
    assert {(one.query.connector_refund_id, one.status) for one in ledger.find("pi_1")} == {
        ("re_1", PENDING),
        ("re_2", FAILED),
    }


def test_a_hint_that_leads_nowhere_is_forgotten(ledger: Ledger, hinting: Wiring) -> None:
    ledger.clock = hinting.clock
    hint(ledger, hinting, b'{"refund_id":"re_none"}')
    ledger.run_once([hinting.client()])
    assert len(ledger.find("re_none")) == 1, "a fresh refund may not show yet"
    hinting.clock.advance(timedelta(hours=1))
    ledger.run_once([hinting.client()])
    assert ledger.find("re_none") == []


def test_another_accounts_refund_is_recorded_as_foreign_and_not_asked_for(ledger: Ledger, wiring: Wiring) -> None:
    client = wiring.client({**wiring.settings, "stripe_account": "acct_other"})
    event = stripe_event(wiring, stripe_refund("pending"))
    ledger.receive(client, body=event.body, headers=event.headers, received_at=event.received_at)
    (record,) = ledger.find("re_1")
    assert record.flags == {Flag.FOREIGN}
    assert (record.next_due, record.needs_attention) == (None, False)


def test_a_hint_at_a_foreign_refund_asks_nobody(ledger: Ledger, hinting: Wiring) -> None:
    ledger.clock = hinting.clock
    now = hinting.clock.now()
    ledger.observe(observe("stripe", stripe_refund(), source="webhook", observed_at=now, foreign=True))
    hint(ledger, hinting, b'{"refund_id":"re_1"}')
    assert ledger.next_due() is None


def test_a_late_success_does_not_overwrite_a_later_failure(url: str) -> None:
    """Adyen says it twice, in any order, and dates both."""
    wiring = Wiring(Adyen)
    failed_at = wiring.clock.now()
    with Ledger.open(url, clock=wiring.clock) as ledger:
        for word, status, minutes in (("REFUND_FAILED/true", FAILED, 0), ("REFUND/true", SUCCEEDED, -60)):
            refund = Refund(
                connector_refund_id="PSP1",
                connector_transaction_id="PAY1",
                status=status,
                connector_status=word,
                refund_amount=Money(1050, "EUR"),
                updated_at=failed_at + timedelta(minutes=minutes),
            )
            take(ledger, wiring, stripe_event(wiring, refund))
        history = ledger.history("adyen", "PSP1")
    assert (history.state.status, history.state.flags) == (FAILED, frozenset({Flag.REGRESSED}))
    assert history.refund.changes == 1


def test_webhooks_that_overtake_each_other_are_put_in_order_by_the_time_in_their_envelopes(
    ledger: Ledger, wiring: Wiring
) -> None:
    sent = []
    for word in ("succeeded", "failed"):
        sent.append(stripe_event(wiring, stripe_refund(word)))
        wiring.clock.advance(timedelta(minutes=1))
    for event in reversed(sent):
        take(ledger, wiring, event, received_at=wiring.clock.now())
    history = ledger.history("stripe", "re_1")
    assert (history.state.status, history.state.flags) == (FAILED, frozenset({Flag.REGRESSED}))
    assert [one.provider_time for one in history.observations] == [event.received_at for event in sent]


class Batch(Stripe):
    """Several items in one webhook, of which one cannot be read until it is mended."""

    mended = False

    @hookimpl
    def map_event(  # type: ignore[override]
        self, event: Event
    ) -> Sequence[RefundEvent | MappingError]:
        good = stripe_refund("succeeded")
        odd = stripe_refund("failed", 2)
        items: list[RefundEvent | MappingError] = [RefundEvent(query=good.query(), refund=good, event_id="one")]
        if not Batch.mended:
            return [*items, MappingError("item 1: status is not text")]
        return [*items, RefundEvent(query=odd.query(), refund=odd, event_id="one")]


def test_one_bad_item_of_a_batch_costs_one_item_and_is_replayed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring = Wiring(Batch)
    ledger.clock = wiring.clock
    take(ledger, wiring, stripe_event(wiring, stripe_refund()))
    assert ledger.find("re_2") == []
    assert ledger.history("stripe", "re_1").state.status is SUCCEEDED
    assert stored(ledger)["outcome"] == "unmapped"
    monkeypatch.setattr(Batch, "mended", True)
    assert ledger.replay(wiring.client()).done == 1
    assert ledger.history("stripe", "re_2").state.status is FAILED
    assert rows(ledger, observations, event_items) == [2, 2]


@pytest.mark.parametrize("word", ["nul \x00", "lone \ud800", "long " * 9000, "emoji \U0001f600"])
def test_whatever_a_processor_writes_can_be_stored(ledger: Ledger, wiring: Wiring, word: str) -> None:
    refund = stripe_refund("pending", connector_status=word, merchant_refund_id=word, status=UNKNOWN)
    record = ledger.observe(observe("stripe", refund, source="import", observed_at=wiring.clock.now()))
    assert record is not None
    assert record.status is UNKNOWN


def test_an_amount_that_no_64_bits_hold_is_not_stored_wrongly(ledger: Ledger, wiring: Wiring) -> None:
    refund = stripe_refund(refund_amount=Money(10**30, "EUR"))
    record = ledger.observe(observe("stripe", refund, source="import", observed_at=wiring.clock.now()))
    assert record is not None
    assert record.amount is None


def test_an_event_whose_news_cannot_be_stored_is_kept_all_the_same(
    ledger: Ledger, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*arguments: object, **named: object) -> None:
        raise ValueError("something odd")

    event = stripe_event(wiring, stripe_refund("succeeded"))
    with monkeypatch.context() as patch:
        patch.setattr("refundry_ledger.recording.refold", odd)
        receipt = take(ledger, wiring, event)
    assert (receipt.reply.status_code, len(receipt.problems)) == (200, 1)
    assert rows(ledger, events, observations) == [1, 0]
    assert ledger.replay(wiring.client()).done == 1
    assert ledger.history("stripe", "re_1").state.status is SUCCEEDED


@pytest.mark.parametrize("kind", [ValueError, KeyError])
def test_a_webhook_that_can_never_be_stored_keeps_no_other_from_being_replayed(
    ledger: Ledger, wiring: Wiring, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def odd(account: Any, said: Observation, **named: Any) -> Any:
        if said.connector_refund_id in odd_ones:
            raise kind("something odd")
        return record(account, said, **named)

    odd_ones = {"re_1", "re_2"}
    monkeypatch.setattr("refundry_ledger.receiving.record", odd)
    for number in (1, 2):
        receipt = take(ledger, wiring, stripe_event(wiring, stripe_refund("succeeded", number)))
        assert (receipt.reply.status_code, len(receipt.problems)) == (200, 1)
    odd_ones.remove("re_2")
    done = ledger.replay(wiring.client())
    assert (done.done, done.failed) == (1, 1)
    assert ledger.history("stripe", "re_2").state.status is SUCCEEDED


def test_a_thousand_deliveries_of_one_event_over_two_processes_make_one_change(
    url: str, ledger: Ledger, wiring: Wiring, tmp_path: Path
) -> None:
    path = tmp_path / "events"
    write_events(path, [stripe_event(wiring, stripe_refund("succeeded"))])
    with started(delivering(url, path, times=500), delivering(url, path, times=500)) as processes:
        acknowledged = [len(stream(process.stdout).readlines()) for process in processes]
        assert [process.wait() for process in processes] == [0, 0]
    assert acknowledged == [500, 500]
    assert rows(ledger, events, event_items, observations, refunds, outbox) == [1] * 5


def test_what_was_acknowledged_is_there_after_kill_9(url: str, ledger: Ledger, tmp_path: Path) -> None:
    """A few of the rounds of tests/benchmarks/ledger_kill.py."""
    chance = random.Random(7)
    acknowledged: set[int] = set()
    for turn in range(2):
        numbers = range(turn * 1000, turn * 1000 + 500)
        acknowledged |= acknowledged_before_kill(url, tmp_path / f"events-{turn}", numbers, chance.uniform(0, 0.2))
    assert acknowledged
    for number in acknowledged:
        assert ledger.history("stripe", f"re_{number}").state.status is SUCCEEDED
    counted = rows(ledger, events, event_items, observations, refunds, outbox)
    assert len(set(counted)) == 1, "what was not acknowledged is there as a whole or not at all"


def test_a_reply_of_the_processors_own_form_is_handed_on(ledger: Ledger) -> None:
    class Worded(Stripe):
        @hookimpl
        def acknowledge_event(self, accepted: bool) -> Response:
            return Response(202, {}, b"[accepted]")

    wiring = Wiring(Worded)
    assert take(ledger, wiring, stripe_event(wiring, stripe_refund())).reply.body == b"[accepted]"
