"""Databases for ledgers, Stripe events for them, and processes that deliver these."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Table, func, select

from refundry.http import Event, Moment
from refundry.model import Money, Refund, RefundStatus
from refundry.testing import Wiring
from refundry_ledger import Ledger
from refundry_ledger.schema import metadata
from refundry_stripe import Stripe

DATABASES = ("sqlite", "postgresql")
LOAD = Path(__file__).with_name("ledger_load.py")
SERVER = "postgresql://postgres@127.0.0.1:5432/test"
# What TRUNCATE ... RESTART IDENTITY does, which makes new files for every table and index and takes five times as long:
# it waits for whoever still writes, passes over the trigger that keeps observations, and numbers rows from 1 again.
EMPTYING = "; ".join(
    [
        f"LOCK TABLE {', '.join(metadata.tables)} IN ACCESS EXCLUSIVE MODE",
        "SET LOCAL session_replication_role = replica",
        *(f"DELETE FROM {table}" for table in metadata.tables),  # noqa: S608  our own names
        """SELECT setval(oid::regclass, 1, false) FROM pg_class
        WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace""",
    ]
)


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[str]:
    """The address of a database of this kind without tables, gone when the block ends."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'empty.db'}"
        return
    schema = _new_schema()
    try:
        yield _address(schema)
    finally:
        _on_server(f"DROP SCHEMA {schema} CASCADE")


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The address of a ledger of this kind without rows. Making its tables each time would be most of the test."""
    if kind == "sqlite":
        copy = folder / "ledger.db"
        copy.write_bytes(_sqlite_template())
        yield f"sqlite:///{copy}"
        return
    address = _postgresql_ledger()
    yield address
    _on_server(EMPTYING, address)


@cache
def _sqlite_template() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        Ledger.open(str(path)).close()
        return path.read_bytes()


@cache
def _postgresql_ledger() -> str:
    schema = _new_schema()
    atexit.register(_on_server, f"DROP SCHEMA {schema} CASCADE")
    Ledger.open(_address(schema)).close()
    return _address(schema)


def _new_schema() -> str:
    schema = f"refundry_{uuid4().hex[:12]}"
    _on_server(f"CREATE SCHEMA {schema}")
    return schema


def postgresql_schema(name: str) -> None:
    """Make a schema of this name, gone when the process ends."""
    _on_server(f"CREATE SCHEMA {name}")
    atexit.register(_on_server, f"DROP SCHEMA {name} CASCADE")


def empty_schema(name: str) -> None:
    """Delete the rows of the ledger in this schema."""
    _on_server(EMPTYING, _address(name))


def _address(schema: str) -> str:
    return f"{SERVER}?options=-csearch_path%3D{schema}"


def _on_server(statement: str, address: str = SERVER) -> None:
    try:
        with psycopg.connect(address, autocommit=True, connect_timeout=3) as connection:
            connection.execute(statement.encode())
    except psycopg.OperationalError:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL does not answer at 127.0.0.1:5432, and CI must run these tests")
        pytest.skip("PostgreSQL does not answer at 127.0.0.1:5432")


def stripe_refund(word: str = "pending", number: int = 1, **more: Any) -> Refund:
    """A refund of Stripe in this state."""
    facts: dict[str, Any] = {
        "connector_refund_id": f"re_{number}",
        "connector_transaction_id": f"pi_{number}",
        "status": Stripe.statuses.get(word, RefundStatus.UNKNOWN),
        "connector_status": word,
        "refund_amount": Money(1050, "EUR"),
    }
    return Refund(**{**facts, **more})


def stripe_event(wiring: Wiring, refund: Refund, event_id: str | None = None) -> Event:
    """The webhook that says how this refund stands, with an id of its own."""
    moment = Moment(now=wiring.clock.now(), nonce=event_id or uuid4().hex)
    event: Event = wiring.hooks.render_event(refund, moment)
    return event


def take(ledger: Ledger, wiring: Wiring, event: Event, **changes: Any) -> Any:
    """Have a ledger receive an event."""
    given: dict[str, Any] = {"body": event.body, "headers": event.headers, "received_at": event.received_at}
    return ledger.receive(wiring.client(), **{**given, **changes})


def write_events(path: Path, events: Iterable[Event]) -> None:
    """Events for `delivering`, one a line."""
    lines = [
        json.dumps({"body": e.body.decode(), "headers": dict(e.headers), "at": e.received_at.isoformat()})
        for e in events
    ]
    path.write_text("\n".join(lines))


def delivering(url: str, path: Path, *, times: int = 1, threads: int = 8) -> subprocess.Popen[bytes]:
    """A process that says "ready", waits for a line, and delivers each event so many times over threads.

    Once an event is stored it prints the event's number; that is what an endpoint would acknowledge.
    """
    command = [sys.executable, str(LOAD), url, str(path), str(times), str(threads)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  our own script


def stream(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe that is there."""
    assert pipe is not None
    return pipe


@contextmanager
def started(*processes: subprocess.Popen[bytes]) -> Iterator[tuple[subprocess.Popen[bytes], ...]]:
    """These processes, all ready and then told to go; none is left when the block ends."""
    try:
        for process in processes:
            assert stream(process.stdout).readline() == b"ready\n"
        for process in processes:
            stream(process.stdin).write(b"go\n")
            stream(process.stdin).flush()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            stream(process.stdin).close()
            stream(process.stdout).close()


def acknowledged_before_kill(url: str, path: Path, numbers: range, after: float) -> set[int]:
    """Have events about these refunds delivered, kill -9 some seconds after the first: those acknowledged."""
    wiring = Wiring(Stripe)
    write_events(path, [stripe_event(wiring, stripe_refund("succeeded", number)) for number in numbers])
    with started(delivering(url, path, threads=4)) as (process,):
        first = stream(process.stdout).readline()
        time.sleep(after)
        process.kill()
        words = [first, *stream(process.stdout).readlines()]
    return {numbers[int(word)] for word in words if word.endswith(b"\n")}


def row_counts(ledger: Ledger, *tables: Table) -> list[int]:
    """How many rows each table has."""
    with ledger.database.reading() as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
