"""Accounts: whoever writes locks one first, so that the writes of one account come one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import Connection, Table, select, update

from refundry_ledger.schema import accounts, counters


@attrs.frozen
class Locked:
    """An account whose other writers wait for this transaction."""

    connection: Connection
    id: int
    name: str
    connector: str | None
    now: datetime


def lock_account(connection: Connection, name: str, now: datetime, connector: str | None = None) -> Locked:
    """Lock an account, adding it where it is new."""
    query = select(accounts).where(accounts.c.name == name).with_for_update(key_share=True)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        insert_new(connection, accounts, {"name": name, "connector": connector}, "name")
        row = connection.execute(query).mappings().one()
    if connector is not None and row["connector"] != connector:
        connection.execute(update(accounts).where(accounts.c.id == row["id"]).values(connector=connector))
    return Locked(connection, row["id"], name, connector or row["connector"], now)


def insert_new(connection: Connection, table: Table, values: dict[str, Any], *unique: str) -> bool:
    """Insert a row unless one of the same key is there; whether it was new."""
    statement = _insert(connection, table, values).on_conflict_do_nothing(index_elements=unique)
    # What is returned says it; the row count does not with every driver.
    return connection.execute(statement.returning(table.c[unique[0]])).first() is not None


def insert_or_update(
    connection: Connection, table: Table, values: dict[str, Any], unique: Sequence[str], column: str
) -> None:
    """Insert a row, or give the one of the same key the new value of one column: in one step, so that none is lost."""
    statement = _insert(connection, table, values)
    newer = {column: statement.excluded[column]}
    connection.execute(statement.on_conflict_do_update(index_elements=unique, set_=newer))


def _insert(connection: Connection, table: Table, values: dict[str, Any]) -> Any:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql as dialect
    else:
        from sqlalchemy.dialects import sqlite as dialect  # type: ignore[no-redef]
    return dialect.insert(table).values(values)


def count(account: Locked, name: str, times: int = 1) -> None:
    """Add to a counter of the account."""
    key = {"account_id": account.id, "name": name}
    insert_new(account.connection, counters, {**key, "value": 0}, *key)
    one = (counters.c.account_id == account.id, counters.c.name == name)
    account.connection.execute(update(counters).where(*one).values(value=counters.c.value + times))
