"""The database: one engine, transactions that either read or write, and its upgrade."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from refundry.errors import ConfigurationError
from refundry_ledger.upgrading import upgrade

_BUSY_SECONDS = 30
_BOUNDS = {"connect_timeout": "10", "tcp_user_timeout": "30000"}
"""Of PostgreSQL's client, in seconds and in milliseconds, where the address says nothing else."""
_CACHE = "cache_size=-16384"  # KiB
_PURPOSE = "refundry_purpose"
AWAY = (InterfaceError, OperationalError, PoolTimeout)
"""What says that the database is away, and not that what was to be written is odd."""
Purpose: TypeAlias = Literal["read", "write", "lease"]


class Database:
    """An engine whose transactions say beforehand whether they write. Safe to share between threads."""

    def __init__(self, url: str | URL) -> None:
        self.engine = _engine(_checked(url))
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # SQLite lets one write at a time and its waiting is unfair: threads of this process queue here instead.
        self._turn = threading.Lock() if self.is_sqlite else nullcontext()

    def upgrade(self) -> None:
        """Bring the tables to this version's form, creating them where there are none."""
        with self._turn, self._begin("write") as connection:
            upgrade(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self._begin("read") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes all or nothing and is on disk when it ends; on SQLite the only one of its time."""
        with self._turn, self._begin("write") as connection:
            yield connection

    @contextmanager
    def leasing(self) -> Iterator[Connection]:
        """As `writing`, for leases: it does not wait for the disk.

        A loss of power may forget a lease, whose refund is then asked for twice; the death of a process forgets none.
        """
        with self._turn, self._begin("lease") as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            yield connection

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    @contextmanager
    def _begin(self, purpose: Purpose) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            connection = connection.execution_options(**{_PURPOSE: purpose})
            with connection.begin():
                yield connection


def _checked(url: str | URL) -> URL:
    text = str(url) if "://" in str(url) or isinstance(url, URL) else f"sqlite:///{url}"
    try:
        made = url if isinstance(url, URL) else make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError("the address of the ledger cannot be read: use a file or postgresql://...") from None
    match made.get_backend_name():
        case "sqlite" if made.database in (None, "", ":memory:"):
            raise ConfigurationError("a ledger in memory would be lost: name a file")
        case "sqlite":
            return made
        case "postgresql" | "postgres":
            return made.set(drivername="postgresql+psycopg")
        case other:
            raise ConfigurationError(f"a ledger lives in SQLite or PostgreSQL, not in {other}")


def _engine(url: URL) -> Engine:
    # Parameters are hidden, for an error's text goes to logs and would hold what processors and customers wrote.
    if url.get_backend_name() != "sqlite":
        bounded = url.set(query={**_BOUNDS, **url.query})
        return create_engine(bounded, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    # The driver's own transactions begin too late and leave out DDL, so it is told to begin none.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", _CACHE):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    purpose = connection.get_execution_options().get(_PURPOSE, "read")
    connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if purpose == 'lease' else 'FULL'}")
    # A write that begins as a read cannot wait for its turn: SQLite would refuse it instead.
    connection.exec_driver_sql("BEGIN" if purpose == "read" else "BEGIN IMMEDIATE")
