"""The audit trail: who asked what, written before it is answered."""

from __future__ import annotations

import re
from datetime import datetime

import attrs
from fastapi import Request
from sqlalchemy import insert, select

from refundry_ledger.database import Database
from refundry_ledger.records import storable
from refundry_web.desk import Desk
from refundry_web.problems import Problem
from refundry_web.tables import audit
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


def _target(request: Request) -> str:
    """Path and query, without a token that somebody took for an identifier. Raises `Problem` 414.

    What were cut off would hide what was asked.
    """
    path, query = request.url.path, request.url.query
    if len(path) + len(query) > _LONGEST_TARGET:
        raise Problem(414, "the address is too long")
    return storable(_TOKEN.sub(f"{PREFIX}_***", f"{path}?{query}" if query else path))
