"""`Inbox`: webhooks stored many at a time, so that they are acknowledged quickly, and read afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import delete, func, insert, select, update

from refundry.account import Account
from refundry.client import RefundClient
from refundry.errors import RefundryError, SignatureError
from refundry.http import Event, Response
from refundry.model import Delivery
from refundry_ledger.accounts import Locked, count
from refundry_ledger.envelopes import event_columns, is_proved, proved_columns, raw_columns
from refundry_ledger.ledger import Ledger
from refundry_ledger.receiving import REFUSED, WAITING, keys_of, lock, numbers_of, read_again, tells_more, verified
from refundry_ledger.records import Pass, Row
from refundry_ledger.schema import accounts, event_items, events

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
                # Of several copies that came at once the one that proves itself says more.
                if event.digest not in authentic or is_proved(delivery):
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
    query = select(events.c.id, events.c.digest, events.c.outcome, events.c.verified, events.c.pruned_at)
    mine = (events.c.account_id == account.id, events.c.digest.in_(authentic))
    known = {row["digest"]: row for row in connection.execute(query.where(*mine)).mappings()}
    new = [
        {**event_columns(account, client.account, *one), "outcome": WAITING, "reason": None}
        for digest, one in authentic.items()
        if digest not in known
    ]
    if new:
        connection.execute(insert(events), new)
    again = [row for digest, row in known.items() if _is_to_be_read(row, authentic[digest][1])]
    if again:
        repeated = events.c.id.in_([row["id"] for row in again])
        connection.execute(update(events).where(repeated).values(outcome=WAITING))
    for row in again:
        _complete(account, row, client.account, *authentic[row["digest"]])


def _is_to_be_read(row: Row, delivery: Delivery) -> bool:
    """Whether a webhook that was stored before is to be read again: a hint asks anew, another may say more now."""
    asks = any(one.is_hint for one in delivery.events)
    return asks or tells_more(row["outcome"], delivery, verified=row["verified"])


def _complete(account: Locked, row: Row, owner: Account, event: Event, delivery: Delivery) -> None:
    """Give a webhook that is to be read again its proof, and its body where that was deleted."""
    if is_proved(delivery) and not row["verified"]:
        # What it is about was noted without being believed.
        mine = (event_items.c.account_id == account.id, event_items.c.event_id == row["id"])
        noted = event_items.c.key.in_(keys_of(event, delivery))
        account.connection.execute(delete(event_items).where(*mine, noted))
        values = proved_columns(owner, event)
    elif row["pruned_at"] is not None:
        values = raw_columns(owner, event)
    else:
        return
    account.connection.execute(update(events).where(events.c.id == row["id"]).values(**values))
