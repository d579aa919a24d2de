"""Turns: how processes that share nothing but the ledger and a queue come to track each account one at a time.

A turn is handed out together with the account's lease and sent to a worker, who takes it. Of several copies of a turn
one alone is taken, and one that was lost is handed out anew once its lease has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import uuid4

import attrs
from sqlalchemy import or_, select, update

from refundry.client import RefundClient
from refundry_ledger.claims import begin_run
from refundry_ledger.ledger import LEASE, Ledger
from refundry_ledger.records import Pass
from refundry_ledger.schema import accounts, refunds


@attrs.frozen(kw_only=True)
class Turn:
    """The right to track one account, until it ends."""

    account: str
    token: str
    """What proves it; another copy of the same turn has the same."""
    until: datetime


def hand_out(ledger: Ledger, names: Collection[str], *, lease: timedelta = LEASE) -> list[Turn]:
    """A turn for each of these accounts that has refunds due and that nobody tracks or is to track."""
    now, token = ledger.clock.now(), str(uuid4())
    idle = or_(accounts.c.run_until.is_(None), accounts.c.run_until <= now)
    free = or_(refunds.c.lease_until.is_(None), refunds.c.lease_until <= now)
    due = select(refunds.c.id).where(refunds.c.account_id == accounts.c.id, refunds.c.next_due <= now, free)
    wanted = select(accounts.c.id).where(accounts.c.name.in_(names), idle, due.exists())
    # As in claims: evaluated once, and an account that is written at this moment is not waited for.
    chosen = wanted.with_for_update(skip_locked=True).cte("chosen")
    given = update(accounts).where(accounts.c.id.in_(select(chosen.c.id)))
    statement = given.values(run_owner=token, run_until=now + lease).returning(accounts.c.name)
    with ledger.database.leasing() as connection:
        found = connection.execute(statement).scalars().all()
    return [Turn(account=name, token=token, until=now + lease) for name in found]


def run_turn(
    ledger: Ledger,
    client: RefundClient,
    turn: Turn | None = None,
    *,
    limit: int = 1000,
    concurrency: int = 4,
    lease: timedelta = LEASE,
    stop: threading.Event | None = None,
) -> Pass:
    """Track one account as `Ledger.run_once` does, if this turn of it is still to be had; without one, if it is idle.

    An account that cannot be asked at all rests for as long as ``lease`` before it is handed out again.
    """
    name, owner = client.account.name, str(uuid4())
    if turn is not None and not _take(ledger, turn, owner, lease):
        return Pass()
    stop = stop or threading.Event()
    done = ledger.tracker([client], limit=limit, concurrency=concurrency, lease=lease, stop=stop, owner=owner).run()
    if done.errors:
        with ledger.database.leasing() as connection:
            begin_run(connection, name, owner, now=ledger.clock.now(), lease=lease)
    return done


def _take(ledger: Ledger, turn: Turn, owner: str, lease: timedelta) -> bool:
    """Whether this process is the one that has the turn."""
    now = ledger.clock.now()
    same = (accounts.c.name == turn.account, accounts.c.run_owner == turn.token, accounts.c.run_until > now)
    taken = update(accounts).where(*same).values(run_owner=owner, run_until=now + lease)
    with ledger.database.leasing() as connection:
        return connection.execute(taken).rowcount == 1
