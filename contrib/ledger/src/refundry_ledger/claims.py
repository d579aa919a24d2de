"""Leases: who may ask for a refund, and for an account, right now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select, update

from refundry_ledger.accounts import Locked
from refundry_ledger.folding import row_of
from refundry_ledger.records import Claim, Row, attention, flags_of, record_of
from refundry_ledger.scheduling import Next
from refundry_ledger.schema import accounts, refunds


def claim_due(
    connection: Connection,
    limit: int,
    owner: str,
    *,
    now: datetime,
    lease: timedelta,
    account: str | None = None,
    due_by: datetime | None = None,
) -> list[Claim]:
    """Claim what is due and nobody else holds, longest due first.

    On PostgreSQL rows that another process is claiming at this moment are passed over, not waited for.
    """
    free = or_(refunds.c.lease_until.is_(None), refunds.c.lease_until <= now)
    due = select(refunds.c.id).where(refunds.c.next_due <= (due_by or now), free)
    if account is not None:
        due = due.where(
            refunds.c.account_id == select(accounts.c.id).where(accounts.c.name == account).scalar_subquery()
        )
    # As a CTE it is evaluated once: PostgreSQL may run a subquery again and claim more.
    chosen = due.order_by(refunds.c.next_due).limit(limit).with_for_update(skip_locked=True).cte("chosen")
    until = now + lease
    statement = (
        update(refunds)
        .where(refunds.c.id.in_(select(chosen.c.id)))
        .values(lease_owner=owner, lease_until=until)
        .returning(*refunds.c)
    )
    rows = connection.execute(statement).mappings().all()
    names = {row["account_id"]: account for row in rows} if account else _account_names(connection, rows)
    claims = [Claim(refund=record_of(row, names[row["account_id"]]), owner=owner, until=until) for row in rows]
    return sorted(claims, key=lambda one: (one.refund.next_due or now, one.refund.id))


def claim_one(
    connection: Connection, refund_id: int, account: str, owner: str, *, now: datetime, lease: timedelta
) -> Claim | None:
    """Claim one refund of this account, due or not; None while another process has it, or there is none."""
    free = or_(refunds.c.lease_until.is_(None), refunds.c.lease_until <= now)
    mine = refunds.c.account_id == select(accounts.c.id).where(accounts.c.name == account).scalar_subquery()
    until = now + lease
    statement = update(refunds).where(refunds.c.id == refund_id, refunds.c.merged_into.is_(None), mine, free)
    statement = statement.values(lease_owner=owner, lease_until=until)
    row = connection.execute(statement.returning(*refunds.c)).mappings().one_or_none()
    return Claim(refund=record_of(row, account), owner=owner, until=until) if row else None


def renew(connection: Connection, claim: Claim, *, now: datetime, lease: timedelta) -> bool:
    """Keep a claim for as long as this from now on; False where it has ended."""
    mine = (refunds.c.id == claim.refund.id, refunds.c.lease_owner == claim.owner, refunds.c.lease_until > now)
    renewed = update(refunds).where(*mine).values(lease_until=now + lease)
    return connection.execute(renewed).rowcount == 1


def complete(account: Locked, claim: Claim, before: Row, following: Next) -> None:
    """Give a claim back with what is to come. ``before`` is the refund's row from before the answer was written.

    A claim that ended and went to another process changes nothing.
    """
    row = row_of(account.connection, claim.refund.id)
    if row["lease_owner"] != claim.owner or row["merged_into"] is not None:
        return
    due = following.due
    if before["next_due"] is not None and before["next_due"] != claim.refund.next_due:
        due = min(due or before["next_due"], before["next_due"])  # a hint came while the processor was asked
    notice = following.notice or (None if following.heard else row["notice"])
    values = {
        "next_due": due,
        "attempts": following.attempts,
        "asked_at": account.now,
        "notice": notice,
        "needs_attention": attention(flags_of(row), row["acknowledged"], notice) is not None,
        "lease_owner": None,
        "lease_until": None,
    }
    account.connection.execute(update(refunds).where(refunds.c.id == row["id"]).values(**values))


def release(connection: Connection, claim: Claim) -> None:
    """Give a claim back as it was."""
    mine = (refunds.c.id == claim.refund.id, refunds.c.lease_owner == claim.owner)
    connection.execute(update(refunds).where(*mine).values(lease_owner=None, lease_until=None))


def begin_run(connection: Connection, account: str, owner: str, *, now: datetime, lease: timedelta) -> bool:
    """Become, or stay, the one tracker of an account; False while another is."""
    free = or_(accounts.c.run_until.is_(None), accounts.c.run_until <= now, accounts.c.run_owner == owner)
    mine = update(accounts).where(accounts.c.name == account, free).values(run_owner=owner, run_until=now + lease)
    return connection.execute(mine).rowcount == 1


def end_run(connection: Connection, account: str, owner: str) -> None:
    """Let another process track the account."""
    mine = (accounts.c.name == account, accounts.c.run_owner == owner)
    connection.execute(update(accounts).where(*mine).values(run_owner=None, run_until=None))


def _account_names(connection: Connection, rows: Sequence[Row]) -> dict[int, str]:
    numbers = {row["account_id"] for row in rows}
    query = select(accounts.c.id, accounts.c.name).where(accounts.c.id.in_(numbers))
    return {row.id: row.name for row in connection.execute(query)}
