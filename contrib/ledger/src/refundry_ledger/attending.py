"""What people do to a refund. As whoever writes one, they lock its account first."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from refundry_ledger.records import Row, attention, flags_of
from refundry_ledger.schema import accounts, refunds


def acknowledge(connection: Connection, refund_id: int, seen: str | None) -> None:
    """Somebody has looked at it; where they ``seen`` something else than there is now, nothing changes."""
    row = _locked(connection, refund_id)
    if row is None or (seen is not None and seen != attention(flags_of(row), row["acknowledged"], row["notice"])):
        return
    done = {"acknowledged": row["flags"], "notice": None, "needs_attention": False}
    connection.execute(update(refunds).where(refunds.c.id == refund_id).values(**done))


def ask_again(connection: Connection, refund_id: int, now: datetime) -> None:
    """Make a refund due now."""
    if _locked(connection, refund_id) is not None:
        connection.execute(update(refunds).where(refunds.c.id == refund_id).values(next_due=now))


def _locked(connection: Connection, refund_id: int) -> Row | None:
    """The row of a refund that nobody else writes until the end of this transaction; None where there is none."""
    mine = select(accounts.c.id).join(refunds, refunds.c.account_id == accounts.c.id).where(refunds.c.id == refund_id)
    connection.execute(mine.with_for_update(of=accounts, key_share=True))
    return connection.execute(select(refunds).where(refunds.c.id == refund_id)).mappings().one_or_none()
