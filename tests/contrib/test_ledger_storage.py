"""What the ledger keeps: its tables, whom an observation belongs to, and a state that is always the fold."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledgers import DATABASES, database, empty_database, stripe_refund
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

import refundry_ledger
from refundry.errors import AmbiguousRefund, ConfigurationError, InvalidQuery, RefundNotFound
from refundry.model import FAILED, PENDING, SUCCEEDED, ErrorInfo, Money, RefundQuery, RefundStatus
from refundry.state import Flag, Observation, Source, fold, in_order, observe
from refundry.testing import FakeClock
from refundry_ledger import Ledger
from refundry_ledger.__main__ import main
from refundry_ledger.accounts import lock_account
from refundry_ledger.schema import metadata
from refundry_ledger.upgrading import HEAD, revision

START = FakeClock().now()


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with database(request.param, tmp_path) as address:
        yield address


@pytest.fixture(params=DATABASES)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with empty_database(request.param, tmp_path) as address:
        yield address


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.open(url, clock=FakeClock()) as opened:
        yield opened


def said(word: str, minute: int = 0, number: int = 1, *, source: Source = "webhook", **more: Any) -> Observation:
    facts = {name: more.pop(name) for name in list(more) if name in {field.name for field in attrs.fields(Observation)}}
    one = observe(
        "stripe", stripe_refund(word, number, **more), source=source, observed_at=START + timedelta(minutes=minute)
    )
    return attrs.evolve(one, digest=f"{word}-{minute}", **facts)


# The tables


def test_the_migrations_make_the_tables_that_the_code_uses(empty: str) -> None:
    with Ledger.open(empty) as ledger, ledger.database.writing() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert revision(connection) == HEAD
    folder = Path(refundry_ledger.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_many_may_open_a_new_ledger_at_once(empty: str) -> None:
    def open_and_close(_: int) -> None:
        Ledger.open(empty).close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_and_close, range(6)))
    with Ledger(empty) as ledger, ledger.database.reading() as connection:
        assert revision(connection) == HEAD


def test_a_ledger_of_a_newer_version_is_left_alone(ledger: Ledger) -> None:
    with ledger.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(ConfigurationError, match="newer"):
            ledger.database.upgrade()
    finally:
        with ledger.database.writing() as connection:
            connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))  # noqa: S608


def test_history_is_append_only_even_by_hand(ledger: Ledger) -> None:
    ledger.observe(said("pending"))
    for statement in ("DELETE FROM observations", "UPDATE observations SET status = 'SUCCEEDED'"):
        with pytest.raises(DBAPIError, match="append-only"), ledger.database.writing() as connection:
            connection.execute(text(statement))


def test_a_transaction_writes_all_or_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("refundry_ledger.folding._note_change", fail)
    with pytest.raises(RuntimeError):
        ledger.observe(said("pending"))
    assert ledger.find("re_1") == []
    assert ledger.parked("stripe") == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://localhost/x", "SQLite or PostgreSQL"),
        ("postgresql://host:port/x", "cannot be read"),
    ],
)
def test_an_address_that_cannot_hold_a_ledger_says_what_to_use(address: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected) as caught:
        Ledger(address)
    assert "secret" not in str(caught.value)


def test_a_server_that_says_nothing_is_not_waited_for_without_end() -> None:
    with Ledger("postgresql://127.0.0.1/x?connect_timeout=3") as ledger:
        query = ledger.database.engine.url.query
    assert (query["connect_timeout"], query["tcp_user_timeout"]) == ("3", "30000")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2"
        with Ledger(address) as ledger, pytest.raises(OperationalError):
            ledger.next_due()
    with Ledger("postgresql://127.0.0.1/x") as ledger:
        assert ledger.database.engine.url.query["connect_timeout"] == "10"


def test_a_file_name_is_an_address(tmp_path: Path) -> None:
    with Ledger.open(str(tmp_path / "refunds.db")) as ledger:
        assert ledger.track("stripe", refund_id="re_1").id == 1


def test_sqlite_waits_and_writes_safely(tmp_path: Path) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    with Ledger.open(str(tmp_path / "refunds.db")) as ledger:
        for begin, synchronous in ((ledger.database.leasing, 1), (ledger.database.writing, 2)):
            with begin() as connection:
                pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in names]
            assert pragmas == ["wal", synchronous, 1, 30000]


def test_the_command_creates_and_upgrades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = str(tmp_path / "refunds.db")
    assert [main(["upgrade", address]), main(["upgrade", address]), main([]), main(["--help"])] == [0, 0, 2, 0]
    assert main(["upgrade", "mysql://user:pass@host/x"]) == 1
    assert main(["upgrade", "postgresql://user:pass@127.0.0.1:1/x"]) == 1
    assert "pass" not in capsys.readouterr().err
    run = [sys.executable, "-m", "refundry_ledger", "upgrade", address]
    assert "up to date" in subprocess.run(run, check=True, capture_output=True, text=True).stdout  # noqa: S603


# The state is the fold


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_order_the_row_is_the_fold_of_what_is_kept(ledger: Ledger, seed: int) -> None:
    chance = random.Random(seed)
    sources: tuple[Source, ...] = ("get", "webhook", "list", "import")
    history = [
        said(
            chance.choice(["pending", "requires_action", "succeeded", "failed", "odd"]),
            chance.randrange(9),
            source=chance.choice(sources),
            amount=chance.choice([Money(1050, "EUR"), Money(1000, "EUR"), None]),
            provider_time=chance.choice([None, START + timedelta(minutes=chance.randrange(9))]),
        )
        for _ in range(12)
    ]
    for one in [*history, *chance.sample(history, 6)]:
        ledger.observe(one)
    kept = ledger.history("stripe", "re_1")
    state = fold(history)
    assert kept.state == state
    assert list(kept.observations) == in_order(history)
    row = kept.refund
    assert (row.status, row.connector_status, row.since) == (state.status, state.connector_status, state.since)
    assert (row.amount, row.flags) == (state.amount, state.flags)
    assert (row.first_observed, row.last_observed) == (state.first_observed, state.last_observed)
    assert row.needs_attention == bool(row.attention)


def test_observations_at_once_from_many_threads_are_all_kept(ledger: Ledger) -> None:
    history = [said("pending", minute, number) for minute in range(12) for number in (1, 2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ledger.observe, history * 2))
    for number in (1, 2):
        assert len(ledger.history("stripe", f"re_{number}").observations) == 12
        assert ledger.find(f"re_{number}")[0].changes == 1


# Whom it is about


def test_a_refund_is_found_by_any_of_its_identifiers(ledger: Ledger) -> None:
    ledger.observe(said("pending", merchant_refund_id="order-7"))
    ledger.observe(said("pending", number=2, connector_transaction_id="pi_1"))
    assert [len(ledger.find(name)) for name in ("re_1", "order-7", "pi_1", "none")] == [1, 1, 2, 0]
    assert ledger.find(1) == ledger.find("re_1")
    assert ledger.history("stripe", "order-7").refund.id == 1
    with pytest.raises(AmbiguousRefund):
        ledger.history("stripe", "pi_1")
    for account, name in (("stripe", "none"), ("other", "re_1")):
        with pytest.raises(RefundNotFound):
            ledger.history(account, name)


def test_the_same_id_in_two_accounts_is_two_refunds(ledger: Ledger) -> None:
    ledger.observe(said("pending"))
    ledger.observe(attrs.evolve(said("failed"), account="stripe-us"))
    assert {(one.account, one.status) for one in ledger.find("re_1")} == {("stripe", PENDING), ("stripe-us", FAILED)}


def test_tracking_again_changes_nothing(ledger: Ledger) -> None:
    first = ledger.track("stripe", refund_id="re_1", expected_amount=Money(1050, "EUR"))
    assert first == ledger.track("stripe", RefundQuery(connector_refund_id="re_1"))
    assert (first.origin, first.next_due) == ("tracked", START)
    with pytest.raises(InvalidQuery):
        ledger.track("stripe", refund_id=" ")


def test_many_are_tracked_together_or_not_at_all(ledger: Ledger) -> None:
    queries = [RefundQuery(connector_refund_id=f"re_{number}") for number in range(3)]

    def broken() -> Iterator[tuple[RefundQuery, Money | None]]:
        yield queries[0], None
        raise OSError("the file ended")

    with pytest.raises(OSError, match="ended"):
        ledger.track_many("acme", broken())
    assert ledger.find("re_0") == []
    for _ in range(2):
        assert ledger.track_many("acme", [(query, Money(100, "EUR")) for query in queries]) == 3
    assert [[one.expected for one in ledger.find(f"re_{number}")] for number in range(3)] == [[Money(100, "EUR")]] * 3
    assert len(ledger.claim_due(10)) == 3


def test_a_discovered_refund_becomes_the_merchants_when_it_is_tracked(ledger: Ledger) -> None:
    ledger.observe(said("succeeded"))
    assert ledger.find("re_1")[0].origin == "discovered"
    tracked = ledger.track("stripe", refund_id="re_1", merchant_refund_id="mine")
    assert (tracked.origin, tracked.id, tracked.next_due) == ("tracked", 1, START)
    assert ledger.find("mine") == [tracked]


def test_another_amount_than_expected_is_flagged_until_somebody_looked(ledger: Ledger) -> None:
    ledger.track("stripe", refund_id="re_1", expected_amount=Money(1000, "EUR"))
    ledger.observe(said("pending"))
    (odd,) = ledger.needing_attention()
    assert odd.attention == "amount differs"
    assert not ledger.acknowledge(odd.id).needs_attention
    ledger.observe(said("succeeded", 1))
    assert ledger.needing_attention() == []
    ledger.observe(said("failed", 2))
    assert ledger.needing_attention()[0].attention == "regressed"


def test_a_refund_tracked_by_the_merchants_id_is_recognised_by_the_first_word_about_it(ledger: Ledger) -> None:
    tracked = ledger.track("stripe", merchant_refund_id="order-7", expected_amount=Money(1050, "EUR"))
    ledger.observe(said("pending", merchant_refund_id="order-7"))
    (record,) = ledger.find("re_1")
    assert (record.id, record.origin) == (tracked.id, "tracked")


def test_a_second_refund_of_one_order_is_a_refund_of_its_own(ledger: Ledger) -> None:
    ledger.track("stripe", merchant_refund_id="order-7")
    for number in (1, 2):
        ledger.observe(said("pending", number=number, merchant_refund_id="order-7"))
    assert len(ledger.find("order-7")) == 2


def without_id(word: str, minute: int = 0, **more: Any) -> Observation:
    return said(word, minute, connector_refund_id=None, **more)


def test_a_word_without_the_refunds_id_is_matched_by_the_merchants(ledger: Ledger) -> None:
    ledger.observe(said("pending", merchant_refund_id="order-7"))
    ledger.observe(without_id("succeeded", 1, merchant_refund_id="order-7"))
    assert ledger.history("stripe", "re_1").state.status is SUCCEEDED
    assert ledger.parked("stripe") == []


def test_a_word_without_the_refunds_id_is_matched_by_payment_and_amount_if_that_is_unique(ledger: Ledger) -> None:
    ledger.observe(said("pending"))
    ledger.observe(said("pending", number=2, connector_transaction_id="pi_1", amount=Money(500, "EUR")))
    record = ledger.observe(without_id("failed", 1))
    assert record is not None
    assert (record.id, record.status) == (1, FAILED)
    assert ledger.observe(without_id("failed", 2, amount=Money(999, "EUR"))) is None
    assert ledger.observe(without_id("failed", 3, amount=None)) is None
    assert len(ledger.parked("stripe")) == 2


def test_a_word_that_fits_several_is_kept_aside_and_all_are_asked_for(ledger: Ledger) -> None:
    for number in (1, 2):
        ledger.observe(said("succeeded", number=number, connector_transaction_id="pi_1"))
    assert ledger.due() == []
    assert ledger.observe(without_id("failed", 1)) is None
    assert [one.status for one in ledger.find("pi_1")] == [SUCCEEDED, SUCCEEDED]
    assert len(ledger.needing_attention()) == 2
    assert len(ledger.due()) == 2
    assert len(ledger.parked("stripe")) == 1


def test_a_word_that_came_before_its_refund_waits_for_it(ledger: Ledger) -> None:
    assert ledger.observe(without_id("succeeded", 5)) is None
    assert (
        ledger.observe(without_id("failed", 6, merchant_refund_id="order-7", connector_transaction_id="pi_9")) is None
    )
    ledger.observe(said("pending"))
    assert ledger.history("stripe", "re_1").state.status is SUCCEEDED
    ledger.track("stripe", merchant_refund_id="order-7")
    assert ledger.history("stripe", "order-7").state.status is FAILED
    assert ledger.parked("stripe") == []


def test_two_records_that_turn_out_to_be_one_refund_are_one(ledger: Ledger) -> None:
    ledger.observe(said("pending"))
    ledger.track("stripe", merchant_refund_id="order-7", expected_amount=Money(1050, "EUR"))
    ledger.observe(without_id("pending", 1, merchant_refund_id="order-7", connector_transaction_id=None))
    ledger.observe(said("succeeded", 2, merchant_refund_id="order-7"))
    (record,) = ledger.find("order-7")
    assert record == ledger.find("re_1")[0]
    assert (record.origin, record.expected, record.status) == ("tracked", Money(1050, "EUR"), SUCCEEDED)
    assert len(ledger.history("stripe", "re_1").observations) == 3


def test_the_number_that_a_refund_was_tracked_under_still_leads_to_it_when_it_is_another(ledger: Ledger) -> None:
    ledger.observe(said("pending"))
    tracked = ledger.track("stripe", merchant_refund_id="order-7")
    known = ledger.observe(said("succeeded", 2, merchant_refund_id="order-7"))
    assert known is not None
    assert known.id != tracked.id
    assert ledger.find(tracked.id) == ledger.find(known.id) == [known]
    assert ledger.history("stripe", tracked.id).refund == known


def test_people_wait_for_what_is_being_written_about_a_refund(ledger: Ledger) -> None:
    """Or what they do would be overwritten by what was read before."""
    known = ledger.track("stripe", connector_refund_id="re_1")
    for act in (ledger.acknowledge, ledger.ask_again):
        with ThreadPoolExecutor(1) as pool:
            with ledger.database.writing() as connection:
                lock_account(connection, "stripe", START)
                done = pool.submit(act, known.id)
                with pytest.raises(TimeoutError):
                    done.result(0.3)
            assert done.result(30).id == known.id


def test_what_came_after_somebody_looked_is_not_acknowledged_with_it(ledger: Ledger) -> None:
    ledger.observe(said("succeeded"))
    ledger.track("stripe", connector_refund_id="re_1", expected_amount=Money(1, "EUR"))
    (shown,) = ledger.needing_attention()
    ledger.observe(said("failed", 1))
    assert ledger.acknowledge(shown.id, seen=shown.attention).attention == "amount differs; regressed"
    (shown,) = ledger.needing_attention()
    assert ledger.acknowledge(shown.id, seen=shown.attention).attention is None


def test_times_come_back_as_they_were_given(ledger: Ledger) -> None:
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)
    ledger.observe(attrs.evolve(said("pending"), provider_time=moment, observed_at=moment))
    (one,) = ledger.history("stripe", "re_1").observations
    assert (one.provider_time, one.observed_at) == (moment, moment)
    assert one.observed_at.tzinfo is UTC


def test_the_reason_of_a_failure_and_the_banks_reference_are_kept(ledger: Ledger) -> None:
    reason = ErrorInfo(code="declined", message="by the bank \x00")
    record = ledger.observe(said("failed", error=reason, acquirer_reference_number="7412"))
    assert record is not None
    assert record.error == ErrorInfo(code="declined", message="by the bank \ufffd")
    assert record.acquirer_reference_number == "7412"
    assert ledger.history("stripe", "re_1").observations[0].error == record.error


def test_every_status_can_be_kept(ledger: Ledger) -> None:
    for number, status in enumerate(RefundStatus):
        record = ledger.observe(attrs.evolve(said("x", number=number), status=status))
        assert record is not None
        assert record.status is status
    assert Flag.UNKNOWN_WORD in ledger.find("re_4")[0].flags
