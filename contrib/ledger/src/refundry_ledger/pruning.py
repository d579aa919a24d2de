"""Deleting raw bodies that are old, a few at a time; what they said stays, and what makes a duplicate known."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from refundry.errors import InvalidQuery
from refundry.policy import Clock
from refundry_ledger.accounts import lock_account
from refundry_ledger.database import Database
from refundry_ledger.records import Pruned
from refundry_ledger.schema import accounts, answers, events

BATCH = 200
"""How many bodies are deleted in one transaction, for which other writers wait."""
READ = ("mapped", "ignored")
"""What came of the webhooks that have been read: nobody needs their bodies to go on."""
_PAUSE_SECONDS = 0.02
"""Between two transactions others have their turn: SQLite's waiting is unfair."""
Batch: TypeAlias = Callable[[Connection, int], int]
"""Deletes at most so many; how many those were."""


def count(database: Database, before: datetime, limit: int | None) -> Pruned:
    """What `prune` would delete. Raises `InvalidQuery`."""
    _check(before)
    with database.reading() as connection:
        found = [
            connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
            for table, conditions in ((answers, _old_answers(before)), (events, _old_events(before)))
        ]
    most = [one if limit is None else min(one, limit) for one in found]
    return Pruned(answers=most[0], events=most[1])


def prune(
    database: Database, clock: Clock, before: datetime, *, batch: int, limit: int | None, stop: threading.Event
) -> Pruned:
    """Delete old bodies. See `refundry_ledger.Ledger.prune`."""
    _check(before)
    deleted = repeat(database, partial(_delete_answers, before=before), batch, limit, stop)
    emptied = 0
    for name in _account_names(database):
        left = None if limit is None else limit - emptied
        act = partial(_empty_events, account=name, before=before, now=clock.now())
        emptied += repeat(database, act, batch, left, stop)
    return Pruned(answers=deleted, events=emptied)


def repeat(database: Database, act: Batch, batch: int, limit: int | None, stop: threading.Event) -> int:
    """Do this, each time in a transaction of its own, until nothing is left, the limit is reached or ``stop`` is set.

    How much was done altogether.
    """
    total = 0
    while not stop.is_set():
        most = batch if limit is None else min(batch, limit - total)
        if most <= 0:
            break
        with database.writing() as connection:
            done = act(connection, most)
        total += done
        if done < most:
            break
        stop.wait(_PAUSE_SECONDS)
    return total


def _check(before: datetime) -> None:
    if before.tzinfo is None:
        raise InvalidQuery("the moment before which bodies are deleted needs a zone")


def _old_answers(before: datetime) -> tuple[ColumnElement[bool], ...]:
    return (answers.c.heard_at < before,)


def _old_events(before: datetime) -> tuple[ColumnElement[bool], ...]:
    return (events.c.pruned_at.is_(None), events.c.received_at < before, events.c.outcome.in_(READ))


def _delete_answers(connection: Connection, most: int, *, before: datetime) -> int:
    # Locked, for one that is heard again at this moment is old no longer.
    query = select(answers.c.digest).where(*_old_answers(before)).order_by(answers.c.heard_at).limit(most)
    digests = connection.execute(query.with_for_update(skip_locked=True)).scalars().all()
    connection.execute(delete(answers).where(answers.c.digest.in_(digests)))
    return len(digests)


def _empty_events(connection: Connection, most: int, *, account: str, before: datetime, now: datetime) -> int:
    """Delete the bodies of the account's oldest webhooks, and what else of them may hold personal data."""
    # Locked as for any write: one that comes again at this moment is to be read again with its body, or not at all.
    locked = lock_account(connection, account, now)
    query = select(events.c.id).where(events.c.account_id == locked.id, *_old_events(before))
    numbers = connection.execute(query.order_by(events.c.received_at).limit(most)).scalars().all()
    empty: dict[str, Any] = {"body": b"", "headers": {}, "url": None, "pruned_at": now}
    connection.execute(update(events).where(events.c.id.in_(numbers)).values(**empty))
    return len(numbers)


def _account_names(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(accounts.c.name).order_by(accounts.c.id)).scalars())
