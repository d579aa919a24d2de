"""What the tasks do, called as functions: real PostgreSQL, real Redis, a real HTTP server."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs
import pytest
from fleets import REDIS, Cable, Fleet, Processors, cable_to, need, processors
from ledgers import database

from refundry.errors import ConfigurationError
from refundry.model import SUCCEEDED, Money
from refundry_celery.events import hand_over, read_event
from refundry_celery.limiting import LimitsUnavailable
from refundry_celery.work import Work
from refundry_ledger import Ledger

ACCOUNTS: dict[str, dict[str, Any]] = {"one": {}, "two": {}, "big": {}}


@attrs.define
class Sent:
    """A message that would have gone out."""

    name: str
    given: dict[str, Any]
    queue: str
    expires: datetime | None = None


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with database("postgresql", tmp_path) as url, Ledger(url) as opened:
        yield opened


@pytest.fixture
def shops() -> Iterator[Processors]:
    with processors() as made:
        yield made


@pytest.fixture
def fleet(tmp_path: Path, ledger: Ledger, shops: Processors, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    need("Redis", "127.0.0.1", 6379)
    address = ledger.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with Fleet(tmp_path, address, shops) as made:
        for name, value in made.variables.items():
            monkeypatch.setenv(name, value)
        made.configure(ACCOUNTS, queues={"large": ["big*"]}, concurrency=2)
        yield made


@pytest.fixture
def sent() -> list[Sent]:
    return []


@pytest.fixture
def work(fleet: Fleet, sent: list[Sent]) -> Iterator[Work]:
    made = Work(fleet.settings(), lambda *message: sent.append(Sent(*message)))
    yield made
    made.ledger.close()


def test_only_what_is_due_is_dispatched_once_and_each_account_to_its_queue(
    work: Work, fleet: Fleet, shops: Processors, ledger: Ledger, sent: list[Sent]
) -> None:
    (refund,) = shops.add(1)
    for name in ("one", "big", "unknown"):
        ledger.track(name, refund.query())
    work.limits.mark("one", slow=True)
    work.dispatch()
    work.dispatch()
    assert {one.given["account"]: one.queue for one in sent} == {
        "one": f"{fleet.prefix}.slow",
        "big": f"{fleet.prefix}.large",
    }
    assert len(sent) == 2
    assert all(one.expires and one.expires > datetime.now(UTC) for one in sent)


def test_a_message_that_comes_twice_asks_once(work: Work, shops: Processors, ledger: Ledger, sent: list[Sent]) -> None:
    for refund in shops.add(5, words=["succeeded"]):
        ledger.track("one", refund.query())
    work.dispatch()
    (message,) = sent
    for _ in range(2):
        work.check_account(**message.given)
    assert len(shops.asked) == 5
    assert {one.status for one in ledger.find(1)} == {SUCCEEDED}
    assert not work.limits.is_slow("one")


def test_an_account_that_is_not_done_when_its_turn_ends_is_dispatched_again_at_once(
    fleet: Fleet, shops: Processors, ledger: Ledger, sent: list[Sent]
) -> None:
    fleet.configure({"one": {}}, turn=0.8, concurrency=1)
    work = Work(fleet.settings(), lambda *message: sent.append(Sent(*message)))
    shops.hanging["one"] = 0.3
    for refund in shops.add(5):
        ledger.track("one", refund.query())
    with closing(work.ledger):
        work.check_account("one")
        assert 1 <= len(shops.asked) < 5
        assert [one.given["account"] for one in sent] == ["one"]
        while sent:
            work.check_account(**sent.pop().given)
        assert len(shops.asked) == 5
        assert shops.at_once() == []


def test_an_account_of_a_broken_processor_is_slow_until_it_answers(
    work: Work, fleet: Fleet, shops: Processors, ledger: Ledger
) -> None:
    fleet.configure({"one": {"timeout": 0.5}})
    (refund,) = shops.add(1)
    ledger.track("one", refund.query())
    shops.refusing["one"] = 3
    work.check_account("one")
    assert work.limits.is_slow("one")
    shops.refusing.clear()
    ledger.ask_again(1)
    work.check_account("one")
    assert not work.limits.is_slow("one")


def test_one_refund_is_checked_due_or_not_unless_somebody_has_it(work: Work, shops: Processors, ledger: Ledger) -> None:
    (refund,) = shops.add(1)
    known = ledger.track("one", refund.query())
    for _ in range(2):
        work.check_refund("one", known.id)
    assert len(shops.asked) == 2
    assert ledger.claim("one", known.id) is not None
    work.check_refund("one", known.id)
    work.check_refund("two", known.id)
    assert len(shops.asked) == 2


def test_a_list_brings_refunds_that_nobody_tracked_and_the_next_one_says_that_it_still_holds(
    work: Work, shops: Processors, ledger: Ledger, sent: list[Sent]
) -> None:
    shops.add(3, words=["succeeded"])
    work.dispatch_lists()
    assert sorted(one.given["account"] for one in sent) == ["big", "one", "two"]
    for _ in range(2):
        work.list_account("one")
    found = [ledger.find(number)[0] for number in (1, 2, 3)]
    assert [one.origin for one in found] == ["discovered"] * 3
    assert [len(ledger.history("one", one.id).observations) for one in found] == [2, 2, 2]
    assert ledger.find(4) == []


def test_an_account_that_cannot_be_opened_keeps_no_other_from_being_listed(
    work: Work, fleet: Fleet, sent: list[Sent], caplog: pytest.LogCaptureFixture
) -> None:
    fleet.configure({"one": {"no_such_setting": 1}, "two": {}})
    work.dispatch_lists()
    assert [one.given["account"] for one in sent] == ["two"]
    assert "account one cannot be listed" in caplog.text


def test_a_window_without_refunds_brings_none(work: Work, shops: Processors, ledger: Ledger) -> None:
    shops.add(1)
    until = datetime.now(UTC) - timedelta(days=3)
    work.list_account("one", (until - timedelta(days=1)).isoformat(), until.isoformat())
    assert ledger.find(1) == []


def test_without_the_limits_nothing_is_handed_out_or_asked(
    fleet: Fleet, shops: Processors, ledger: Ledger, sent: list[Sent]
) -> None:
    cable, address = cable_to(REDIS)
    settings = attrs.evolve(fleet.settings(), limits=address)
    work = Work(settings, lambda *message: sent.append(Sent(*message)))
    (refund,) = shops.add(1)
    known = ledger.track("one", refund.query())
    cable.cut()
    for task in (work.dispatch, lambda: work.check_account("one"), lambda: work.check_refund("one", known.id)):
        with pytest.raises(LimitsUnavailable):
            task()
    assert (sent, shops.asked) == ([], [])
    cable.mend()
    work.dispatch()
    work.check_account(**sent[0].given)
    assert len(shops.asked) == 1
    cable.cut()
    work.ledger.close()


def test_an_account_without_its_credentials_is_told_and_rests(
    work: Work, fleet: Fleet, shops: Processors, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.configure({"one": {}})
    (refund,) = shops.add(1)
    ledger.track("one", refund.query())
    fleet.path.write_text(fleet.path.read_text().replace("FLEET_KEY", "FLEET_LIMITS"))
    with caplog.at_level(logging.INFO):
        work.check_account("one")
    assert "account one cannot be asked" in caplog.text
    assert REDIS not in caplog.text


def test_an_account_is_reconciled_where_that_can_be_done(
    work: Work, shops: Processors, ledger: Ledger, tmp_path: Path
) -> None:
    (refund,) = shops.add(1, words=["succeeded"])
    ledger.track("one", refund.query(), expected_amount=refund.refund_amount)
    now = datetime.now(UTC)
    period = ((now - timedelta(days=2)).isoformat(), (now + timedelta(days=1)).isoformat())
    if find_spec("refundry_reconcile") is None:
        with pytest.raises(ConfigurationError, match="pip install refundry-reconcile"):
            work.reconcile_account("one", *period, str(tmp_path))
        return
    ledger.track("two", merchant_refund_id="another-account", expected_amount=Money(1050, "EUR"))
    work.reconcile_account("one", *period, str(tmp_path))
    assert "another-account" not in (tmp_path / "one" / "report.html").read_text()


def test_redis_is_not_trusted_with_a_webhook(work: Work, fleet: Fleet, shops: Processors) -> None:
    (refund,) = shops.add(1)
    event = shops.sandbox.event("stripe", refund.connector_refund_id or "")
    with pytest.raises(ConfigurationError, match=r"call Ledger\.receive, or use RabbitMQ"):
        hand_over(fleet.app(), work.client("one"), body=event.body, headers=event.headers)


def test_a_message_holds_the_webhook_byte_for_byte() -> None:
    sent = {"body": "AP8=", "headers": {"a": "b"}, "method": "POST", "url": None, "received_at": "2026-03-02T09:00:00Z"}
    assert read_event(sent)["body"] == b"\x00\xff"
    assert read_event(sent)["received_at"] == datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_a_cable_carries_and_is_cut() -> None:
    need("Redis", "127.0.0.1", 6379)
    cable = Cable("127.0.0.1", 6379)
    with socket.create_connection(("127.0.0.1", cable.port)) as open_one:
        open_one.sendall(b"PING\r\n")
        assert open_one.recv(100) == b"+PONG\r\n"
        cable.cut()
        assert open_one.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", cable.port))
    cable.mend()
    socket.create_connection(("127.0.0.1", cable.port)).close()
    cable.cut()
