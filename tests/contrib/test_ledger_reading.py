"""Reading many refunds at once, raw bodies, the inbox, and the upgrade that brought them, on both databases."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import ledgers
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select, text

import refundry_ledger
from refundry import MappingError, RefundNotFound, SignatureError
from refundry.model import FAILED, PENDING, SUCCEEDED, Money, Refund
from refundry.testing import Wiring
from refundry_ledger import Filters, Ledger
from refundry_ledger.inbox import Inbox
from refundry_ledger.schema import answers, events, observations, refunds
from refundry_stripe import Stripe


@pytest.fixture
def wiring() -> Wiring:
    return Wiring(Stripe)


def put(ledger: Ledger, wiring: Wiring, word: str, number: int, **facts: object) -> int:
    """A refund in this state, heard of by a webhook; the ledger's number of it."""
    refund = ledgers.stripe_refund(word, number, **facts)
    ledgers.take(ledger, wiring, ledgers.stripe_event(wiring, refund))
    return ledger.find(f"re_{number}")[0].id


def test_filters_and_pages(ledger: Ledger, wiring: Wiring) -> None:
    words = ["pending", "succeeded", "failed", "requires_action", "pending"]
    numbers = [put(ledger, wiring, word, number) for number, word in enumerate(words)]
    wiring.clock.advance(timedelta(days=1))
    later = put(ledger, wiring, "succeeded", 9)
    chosen = {
        "open": (Filters(open=True), [numbers[4], numbers[3], numbers[0]]),
        "settled": (Filters(open=False), [later, numbers[2], numbers[1]]),
        "status": (Filters(status=FAILED), [numbers[2]]),
        "since": (Filters(since=wiring.clock.now()), [later]),
        "until": (Filters(until=wiring.clock.now(), status=SUCCEEDED), [numbers[1]]),
        "account": (Filters(account="nobody"), []),
        "odd": (Filters(account="\x00"), []),
    }
    for name, (filters, wanted) in chosen.items():
        assert [one.id for one in ledger.page(filters).refunds] == wanted, name
    first = ledger.page(limit=4)
    rest = ledger.page(limit=4, cursor=first.cursor)
    assert [one.id for one in first.refunds + rest.refunds] == [later, *reversed(numbers)]
    assert rest.cursor is None


def test_totals_are_exact_beyond_64_bits(ledger: Ledger, wiring: Wiring) -> None:
    largest = 2**62
    for number in range(3):
        put(ledger, wiring, "succeeded", number, refund_amount=Money(largest + number, "EUR"))
    put(ledger, wiring, "pending", 7, refund_amount=Money(5, "JPY"))
    ledger.track("stripe", merchant_refund_id="unheard")
    found = {(one.status, one.currency): (one.refunds, one.minor_amount) for one in ledger.totals()}
    assert found == {
        (SUCCEEDED, "EUR"): (3, 3 * largest + 3),
        (PENDING, "JPY"): (1, 5),
        (None, None): (1, None),
    }


def test_spans_of_time(ledger: Ledger, wiring: Wiring) -> None:
    put(ledger, wiring, "pending", 1)
    wiring.clock.advance(timedelta(days=2))
    put(ledger, wiring, "succeeded", 1)
    put(ledger, wiring, "succeeded", 2)  # never seen open: nobody knows how long it took
    put(ledger, wiring, "pending", 3)
    wiring.clock.advance(timedelta(days=3))
    spans = ledger.spans()
    assert spans.settling == {"stripe": (timedelta(days=2),)}
    assert spans.open_for == {"stripe": (timedelta(days=3),)}


def test_the_acquirers_reference_finds_a_refund(ledger: Ledger, wiring: Wiring) -> None:
    number = put(ledger, wiring, "succeeded", 1, acquirer_reference_number="74537000000000000000001")
    put(ledger, wiring, "succeeded", 2)
    assert [one.id for one in ledger.find("74537000000000000000001")] == [number]
    assert ledger.find("\x00") == []


def test_answers_are_kept_once_each_and_only_where_they_are_wanted(address: str, wiring: Wiring) -> None:
    wiring.book.refunds["re_1"] = ledgers.stripe_refund("pending", 1)
    for keep, kept in ((False, 0), (True, 1)):
        with Ledger(address, clock=wiring.clock, keep_answers=keep) as ledger:
            known = ledger.track("stripe", connector_refund_id="re_1")
            for _ in range(3):
                wiring.clock.advance(timedelta(hours=1))
                assert ledger.ask_now(wiring.client(), known.id).status is PENDING
            bodies = ledger.answers_of(known.id)
            assert len(bodies) == kept
            assert ledgers.row_counts(ledger, answers) == [kept]
            said = ledger.history("stripe", known.id).observations
    assert set(bodies) == {one.digest for one in said}
    assert json.loads(next(iter(bodies.values())))["id"] == "re_1"


def test_asking_now_writes_the_answer_and_says_what_came_instead(ledger: Ledger, wiring: Wiring) -> None:
    client = wiring.client()
    known = ledger.track("stripe", connector_refund_id="re_1")
    with pytest.raises(RefundNotFound):
        ledger.ask_now(client, known.id)
    assert ledger.find(known.id)[0].asked_at == wiring.clock.now()
    wiring.book.refunds["re_1"] = ledgers.stripe_refund("succeeded", 1)
    asked = ledger.ask_now(client, known.id)
    assert asked.status is SUCCEEDED
    other = ledger.track("another", connector_refund_id="re_1")
    assert ledger.ask_now(client, other.id).status is None  # not this client's account
    with pytest.raises(RefundNotFound):
        ledger.ask_now(client, 999_999)


def test_the_webhooks_of_a_refund(ledger: Ledger, wiring: Wiring) -> None:
    number = put(ledger, wiring, "pending", 1)
    put(ledger, wiring, "succeeded", 1)
    put(ledger, wiring, "succeeded", 2)
    found = ledger.events_of(number)
    assert [json.loads(one.body)["data"]["object"]["status"] for one in found] == ["pending", "succeeded"]
    assert all(one.verified and one.outcome == "mapped" for one in found)


def test_the_inbox_answers_each_webhook_for_itself_and_reads_them_afterwards(ledger: Ledger, wiring: Wiring) -> None:
    inbox, client = Inbox(ledger), wiring.client()
    sent = [ledgers.stripe_event(wiring, ledgers.stripe_refund("succeeded", number)) for number in range(3)]
    forged = ledgers.stripe_event(Wiring(Stripe), ledgers.stripe_refund("succeeded", 66))
    forged = type(forged)(
        headers={**forged.headers, "stripe-signature": "t=1,v1=00"}, body=b"{}", received_at=forged.received_at
    )
    answered = inbox.keep(client, [*sent, forged, sent[0]])
    assert [getattr(one, "status_code", None) for one in answered[:3]] == [200, 200, 200]
    assert isinstance(answered[3], SignatureError)
    assert ledger.refused_signatures("stripe") == 1
    assert inbox.waiting() == {"stripe": 3}
    assert ledger.find("re_0") == []

    assert inbox.read(client, limit=2).done == 2
    assert inbox.read(client).done == 1
    assert (inbox.waiting(), inbox.read(client).done) == ({}, 0)
    assert [ledger.find(f"re_{number}")[0].status for number in range(3)] == [SUCCEEDED] * 3

    inbox.keep(client, sent)  # again: nothing new
    assert inbox.waiting() == {}
    assert len(ledger.history("stripe", "re_0").observations) == 1


def test_a_webhook_that_the_inbox_cannot_read_is_kept_for_replay(ledger: Ledger, wiring: Wiring) -> None:
    inbox, client = Inbox(ledger), wiring.client()
    inbox.keep(client, [ledgers.stripe_event(wiring, ledgers.stripe_refund("succeeded", 1))])
    with ledger.database.writing() as connection:  # as if this version could not read it
        connection.execute(events.update().values(body=b"{"))
    assert inbox.read(client).failed == 1
    with ledger.database.reading() as connection:
        assert connection.execute(select(events.c.outcome)).scalars().all() == ["unmapped"]


def test_replaying_reads_what_the_inbox_left_waiting_and_each_failure_once(
    ledger: Ledger, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, client = Inbox(ledger), wiring.client()
    inbox.keep(client, [ledgers.stripe_event(wiring, ledgers.stripe_refund("succeeded", n)) for n in range(3)])
    with monkeypatch.context() as patch:
        patch.setattr(Stripe, "_refund", unreadable)
        replayed = ledger.replay(client)
        assert (replayed.done, replayed.failed, inbox.waiting()) == (0, 3, {})
    inbox.keep(client, [ledgers.stripe_event(wiring, ledgers.stripe_refund("succeeded", 3))])
    replayed = ledger.replay(client)
    assert (replayed.done, replayed.failed) == (4, 0)
    assert [ledger.find(f"re_{number}")[0].status for number in range(4)] == [SUCCEEDED] * 4


def unreadable(self: Stripe, body: object) -> Refund:
    raise MappingError("status is not text", field="status")


def test_replaying_beside_a_running_desk_reads_each_webhook_once(address: str, wiring: Wiring) -> None:
    with Ledger(address, clock=wiring.clock) as ledger, Ledger(address, clock=wiring.clock) as beside:
        sent = [ledgers.stripe_event(wiring, ledgers.stripe_refund("succeeded", n)) for n in range(40)]
        Inbox(ledger).keep(wiring.client(), sent)
        with ThreadPoolExecutor(4) as pool:
            reading = [pool.submit(Inbox(ledger).read, wiring.client()) for _ in range(2)]
            reading += [pool.submit(beside.replay, wiring.client()) for _ in range(2)]
            done = [one.result().done for one in reading]
        assert sum(done) == 40
        assert ledgers.row_counts(ledger, observations) == [40]


@pytest.mark.parametrize("kind", ledgers.DATABASES)
def test_the_upgrade_finds_the_references_of_a_ledger_of_the_first_version(kind: str, tmp_path: Path) -> None:
    with ledgers.empty_database(kind, tmp_path) as address, Ledger(address) as ledger:
        config = Config()
        config.set_main_option("script_location", str(Path(refundry_ledger.__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        with ledger.database.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            connection.execute(text("INSERT INTO accounts (id, name, connector) VALUES (1, 'a', 'stripe')"))
            for number, details in enumerate(({"acquirer_reference_number": "arn-1", "error": {"code": "x"}}, {}), 1):
                row = {
                    "id": number,
                    "account_id": 1,
                    "origin": "tracked",
                    "query": {"metadata": {}},
                    "details": details,
                }
                rest = {"flags": [], "acknowledged": [], "needs_attention": False, "changes": 0, "attempts": 0}
                connection.execute(insert(refunds).values(**row, **rest, added_at=ledger.clock.now()))
        ledger.database.upgrade()
        found = ledger.find("arn-1")
        assert [one.id for one in found] == [1]
        assert found[0].acquirer_reference_number == "arn-1"
        assert found[0].error is not None
        assert found[0].error.code == "x"
        assert ledger.find(2)[0].acquirer_reference_number is None
