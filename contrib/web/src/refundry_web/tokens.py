"""Tokens: made once, shown once, kept as a digest, revoked by name or number."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime
from enum import StrEnum

import attrs
from sqlalchemy import insert, select, update

from refundry.errors import InvalidQuery
from refundry.policy import Clock
from refundry_ledger.database import Database
from refundry_web.tables import tokens

PREFIX = "rfd"
_FORM = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([\w-]+)", re.ASCII)
_LONGEST_NAME = 100


class Role(StrEnum):
    """What a person may do; each role may do what the ones before it may."""

    READ = "read"
    """Find refunds and see how they stand."""
    OPERATE = "operate"
    """Also ask processors, track refunds, acknowledge, and see raw bodies."""
    ADMIN = "admin"
    """Also see who asked what."""

    @property
    def rank(self) -> int:
        """Its place, from 0."""
        return list(Role).index(self)


@attrs.frozen
class Person:
    """Whoever holds a token."""

    name: str
    role: Role
    token_id: str

    def may(self, role: Role | str) -> bool:
        """Whether this person may do what this role may."""
        return self.role.rank >= Role(role).rank


@attrs.frozen(kw_only=True)
class Token:
    """What is known of a token; not the token."""

    id: str
    name: str
    role: Role
    made_at: datetime
    revoked_at: datetime | None


def add_token(database: Database, clock: Clock, name: str, role: Role) -> str:
    """Make a token, to be shown once: only its digest is kept. Raises `InvalidQuery` for a name that is none."""
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise InvalidQuery("a token has the name of whoever holds it: 1 to 100 printable characters")
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = {"id": token_id, "name": name.strip(), "role": role.value, "hash": _hash(secret), "made_at": clock.now()}
    with database.writing() as connection:
        connection.execute(insert(tokens).values(**row))
    return f"{PREFIX}_{token_id}_{secret}"


def id_of(token: str) -> str:
    """The number of a token that `add_token` made."""
    return token.split("_")[1]


def list_tokens(database: Database) -> list[Token]:
    """All tokens, the revoked ones too, oldest first."""
    query = select(tokens).order_by(tokens.c.made_at, tokens.c.id)
    with database.reading() as connection:
        rows = connection.execute(query).mappings().all()
    same = ("id", "name", "made_at", "revoked_at")
    return [Token(role=Role(row["role"]), **{key: row[key] for key in same}) for row in rows]


def revoke(database: Database, clock: Clock, which: str) -> int:
    """Revoke the token of this number, or all of this name; how many that were."""
    mine = ((tokens.c.id == which) | (tokens.c.name == which), tokens.c.revoked_at.is_(None))
    with database.writing() as connection:
        return connection.execute(update(tokens).where(*mine).values(revoked_at=clock.now())).rowcount


def holder_of(database: Database, text: str) -> Person | None:
    """Who holds this token; None for one that is wrong or revoked."""
    form = _FORM.fullmatch(text)
    found = _known(database, form[1]) if form else None
    if form is None or found is None or not hmac.compare_digest(found[1], _hash(form[2])):
        return None
    return found[0]


def person_of(database: Database, token_id: str) -> Person | None:
    """Who holds the token of this number; None once it is revoked."""
    found = _known(database, token_id)
    return found[0] if found else None


def _known(database: Database, token_id: str) -> tuple[Person, str] | None:
    query = select(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
    with database.reading() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return (Person(row["name"], Role(row["role"]), row["id"]), row["hash"]) if row else None


def _hash(secret: str) -> str:
    # The secret is 32 random bytes: nothing is gained by hashing it slowly.
    return hashlib.sha256(secret.encode()).hexdigest()
