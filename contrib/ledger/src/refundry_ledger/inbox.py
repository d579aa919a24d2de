"""`Inbox`: webhooks stored many at a time, so that they are acknowledged quickly, and read afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection, func, insert, select, update

from refundry.client import RefundClient
from refundry.errors import RefundryError, SignatureError
from refundry.http import Event, Response
from refundry.model import Delivery
from refundry_ledger.accounts import Locked, count
from refundry_ledger.ledger import Ledger
from refundry_ledger.receiving import (
    ODD,
    REFUSED,
    event_columns,
    event_of,
    lock,
    map_again,
    store,
    unreadable,
    verified,
)
from refundry_ledger.records import Pass
from refundry_ledger.schema import accounts, events

WAITING = "waiting"
Answer: TypeAlias = Response | RefundryError
"""What acknowledges a webhook that is stored, or why it is refused."""


class Inbox:
    """The webhooks of a ledger that are stored first and read afterwards. Safe to share between threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._database = ledger.database
        self._clock = ledger.clock

    def keep(self, client: RefundClient, arrived: Sequence[Event]) -> list[Answer]:
        """Verify webhooks of one account and store the authentic ones, all in one transaction; an answer for each.

        When this returns they are on disk: answer now, and have them `read`. One that is refused is only counted.
        """
        answers: list[Answer] = []
        authentic: dict[str, tuple[Event, Delivery]] = {}
        for event in arrived:
            try:
                delivery = verified(client, event)
            except RefundryError as error:
                answers.append(error)
            else:
                answers.append(delivery.reply)
                authentic[event.digest] = (event, delivery)
        refused = sum(isinstance(one, SignatureError) for one in answers)
        if authentic or refused:
            with self._database.writing() as connection:
                account = lock(connection, client, self._clock.now())
                _keep(account, client, authentic)
                if refused:
                    count(account, REFUSED, refused)
        return answers

    def read(self, client: RefundClient, *, limit: int = 100) -> Pass:
        """Read what waits of this account, oldest first: what a webhook says is in the history afterwards."""
        query = select(events.c.id).join(accounts).where(accounts.c.name == client.account.name)
        with self._database.reading() as connection:
            numbers = connection.execute(query.where(events.c.outcome == WAITING).order_by(events.c.id).limit(limit))
            waiting = numbers.scalars().all()
        return sum((self._read(client, number) for number in waiting), Pass())

    def waiting(self) -> dict[str, int]:
        """How many webhooks of each account wait to be read; an account without any is left out."""
        query = select(accounts.c.name, func.count()).join_from(events, accounts).where(events.c.outcome == WAITING)
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(accounts.c.name))}

    def _read(self, client: RefundClient, number: int) -> Pass:
        now = self._clock.now()
        try:
            with self._database.writing() as connection:
                return _read(connection, client, number, now)
        except ODD as error:
            with self._database.writing() as connection:
                return _read(connection, client, number, now, odd=error)


def _keep(account: Locked, client: RefundClient, authentic: dict[str, tuple[Event, Delivery]]) -> None:
    connection = account.connection
    mine = (events.c.account_id == account.id, events.c.digest.in_(authentic))
    known = {row.digest: row for row in connection.execute(select(events.c.digest, events.c.outcome).where(*mine))}
    new = [
        {**event_columns(account, client.account, *one), "outcome": WAITING, "reason": None}
        for digest, one in authentic.items()
        if digest not in known
    ]
    if new:
        connection.execute(insert(events), new)
    again = [digest for digest, row in known.items() if _says_more(row.outcome, authentic[digest][1])]
    if again:
        repeated = (events.c.account_id == account.id, events.c.digest.in_(again))
        connection.execute(update(events).where(*repeated).values(outcome=WAITING))


def _says_more(outcome: str, delivery: Delivery) -> bool:
    """Whether a webhook that was stored before is to be read again: a hint asks anew, a newer version reads more."""
    return any(one.is_hint for one in delivery.events) or (outcome == "unmapped" and not delivery.problems)


def _read(
    connection: Connection, client: RefundClient, number: int, now: datetime, odd: Exception | None = None
) -> Pass:
    account = lock(connection, client, now)
    query = select(events).where(events.c.id == number, events.c.outcome == WAITING)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:  # another process has read it meanwhile
        return Pass()
    event = event_of(row)
    delivery = map_again(client, event, verified=row["verified"])
    store(account, client.account, event, unreadable(delivery, odd) if odd else delivery, number)
    return Pass(failed=1) if delivery.problems or odd else Pass(done=1)
