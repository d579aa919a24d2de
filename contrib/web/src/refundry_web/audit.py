"""The audit trail: who asked what, written before it is answered."""

from __future__ import annotations

import re
import threading
from datetime import datetime
from functools import partial

import attrs
from fastapi import Request
from sqlalchemy import Connection, delete, func, insert, inspect, select

from refundry.errors import InvalidQuery
from refundry.policy import Clock
from refundry_ledger.database import Database
from refundry_ledger.pruning import BATCH, repeat
from refundry_ledger.records import storable
from refundry_web.desk import Desk
from refundry_web.problems import Problem
from refundry_web.tables import audit, prunings
from refundry_web.tokens import PREFIX, Person

_TOKEN = re.compile(rf"{PREFIX}_[0-9a-f]{{12}}_[\w-]+")

_LONGEST_TARGET = 8000


@attrs.frozen(kw_only=True)
class Entry:
    """One access."""

    id: int
    at: datetime
    token_id: str
    person: str
    method: str
    target: str
    """Path and query."""
    allowed: bool
    """False where the person's role did not suffice."""


def write_entry(desk: Desk, request: Request, person: Person, *, allowed: bool) -> None:
    """Write that this person asked this. It does not wait for the disk, so that reading stays quick.

    Raises `Problem` 414 for an address that is too long to be written down.
    """
    row = {
        "at": desk.clock.now(),
        "token_id": person.token_id,
        "person": person.name,
        "method": request.method,
        "target": _target(request),
        "allowed": allowed,
    }
    with desk.ledger.database.leasing() as connection:
        connection.execute(insert(audit).values(**row))


def read_entries(database: Database, *, before: int | None = None, limit: int = 100) -> list[Entry]:
    """The newest entries; those before a number."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    with database.reading() as connection:
        return [Entry(**row) for row in connection.execute(query).mappings()]


def prune_entries(
    database: Database,
    clock: Clock,
    before: datetime,
    *,
    batch: int = BATCH,
    limit: int | None = None,
    dry_run: bool = False,
    stop: threading.Event | None = None,
) -> int:
    """Delete the entries from before this moment, a batch in each transaction; how many there were.

    That they were deleted is written down first, where it stays. With ``dry_run`` they are only counted. Raises
    `InvalidQuery` for a moment without a zone, and for one that is still to come.
    """
    if before.tzinfo is None or before > clock.now():
        raise InvalidQuery("the audit trail is deleted up to a moment in the past, with a zone")
    if dry_run:
        with database.reading() as connection:
            if not inspect(connection).has_table(audit.name):
                return 0
            query = select(func.count()).select_from(audit).where(audit.c.at < before)
            found = connection.execute(query).scalar_one()
        return found if limit is None else min(found, limit)
    with database.writing() as connection:
        connection.execute(insert(prunings).values(at=clock.now(), pruned_before=before))

    return repeat(database, partial(_delete_oldest, before=before), batch, limit, stop or threading.Event())


def _delete_oldest(connection: Connection, most: int, *, before: datetime) -> int:
    oldest = select(audit.c.id).where(audit.c.at < before).order_by(audit.c.at).limit(most)
    numbers = connection.execute(oldest.with_for_update(skip_locked=True)).scalars().all()
    connection.execute(delete(audit).where(audit.c.id.in_(numbers)))
    return len(numbers)


def _target(request: Request) -> str:
    """Path and query, without a token that somebody took for an identifier. Raises `Problem` 414.

    What were cut off would hide what was asked.
    """
    path, query = request.url.path, request.url.query
    if len(path) + len(query) > _LONGEST_TARGET:
        raise Problem(414, "the address is too long")
    return storable(_TOKEN.sub(f"{PREFIX}_***", f"{path}?{query}" if query else path))
