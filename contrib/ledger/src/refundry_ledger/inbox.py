"""`Inbox`: webhooks stored many at a time, so that they are acknowledged quickly, and read afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import func, insert, select, update

from refundry.client import RefundClient
from refundry.errors import RefundryError, SignatureError
from refundry.http import Event, Response
from refundry.model import Delivery
from refundry_ledger.accounts import Locked, count
from refundry_ledger.ledger import Ledger
from refundry_ledger.receiving import (
    REFUSED,
    UNMAPPED,
    WAITING,
    event_columns,
    lock,
    numbers_of,
    raw_columns,
    read_again,
    verified,
)
from refundry_ledger.records import Pass
from refundry_ledger.schema import accounts, events

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
        numbers = numbers_of(self._database, client.account.name, WAITING, limit)
        again = (read_again(self._database, client, one, WAITING, self._clock.now()) for one in numbers)
        return sum(again, Pass())

    def waiting(self) -> dict[str, int]:
        """How many webhooks of each account wait to be read; an account without any is left out."""
        query = select(accounts.c.name, func.count()).join_from(events, accounts).where(events.c.outcome == WAITING)
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(accounts.c.name))}


def _keep(account: Locked, client: RefundClient, authentic: dict[str, tuple[Event, Delivery]]) -> None:
    connection = account.connection
    mine = (events.c.account_id == account.id, events.c.digest.in_(authentic))
    query = select(events.c.id, events.c.digest, events.c.outcome, events.c.pruned_at).where(*mine)
    known = {row.digest: row for row in connection.execute(query)}
    new = [
        {**event_columns(account, client.account, *one), "outcome": WAITING, "reason": None}
        for digest, one in authentic.items()
        if digest not in known
    ]
    if new:
        connection.execute(insert(events), new)
    again = [row for digest, row in known.items() if _says_more(row.outcome, authentic[digest][1])]
    if again:
        repeated = events.c.id.in_([row.id for row in again])
        connection.execute(update(events).where(repeated).values(outcome=WAITING))
    for row in again:
        if row.pruned_at is not None:
            whole = raw_columns(client.account, authentic[row.digest][0])
            connection.execute(update(events).where(events.c.id == row.id).values(**whole))


def _says_more(outcome: str, delivery: Delivery) -> bool:
    """Whether a webhook that was stored before is to be read again: a hint asks anew, a newer version reads more."""
    return any(one.is_hint for one in delivery.events) or (outcome == UNMAPPED and not delivery.problems)
