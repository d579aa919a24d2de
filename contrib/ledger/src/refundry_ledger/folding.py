"""Bringing a refund's row to what its observations add up to, and its status change into the outbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs
from sqlalchemy import Connection, insert, select, update

from refundry.state import Flag, Observation, State, fold
from refundry.times import to_iso
from refundry_ledger.accounts import Locked
from refundry_ledger.records import (
    Row,
    attention,
    details,
    flags_of,
    money,
    money_columns,
    observation_of,
    plain_text,
    reason,
)
from refundry_ledger.schema import observations, outbox, refunds

FIRST_SAMPLE = timedelta(days=1)
"""When a refund that settled is looked at again, unless the tracker knows better."""
_DOUBTS = frozenset({Flag.REGRESSED, Flag.RECOVERED, Flag.REOPENED, Flag.DISPUTED})
"""What asking the processor may clear up."""


def row_of(connection: Connection, refund_id: int) -> Row:
    """The row of a refund."""
    return connection.execute(select(refunds).where(refunds.c.id == refund_id)).mappings().one()


def observations_of(connection: Connection, refund_id: int, account: str) -> dict[int, Observation]:
    """The observations of a refund by their numbers."""
    query = select(observations).where(observations.c.refund_id == refund_id).order_by(observations.c.id)
    return {row["id"]: observation_of(row, account) for row in connection.execute(query).mappings()}


def refold(account: Locked, refund_id: int) -> None:
    """Bring a refund's row to what its observations add up to."""
    row = row_of(account.connection, refund_id)
    said = observations_of(account.connection, refund_id, account.name)
    state = fold(said.values(), expected=money(row["expected_amount"], row["expected_currency"]))
    changed = state.status is not None and state.status.value != row["status"]
    notice = None if changed else row["notice"]
    values = {
        "status": state.status.value if state.status else None,
        "connector_status": state.connector_status,
        "since": state.since,
        **money_columns(state.amount),
        "acquirer_reference_number": plain_text(state.acquirer_reference_number),
        "details": reason(state),
        "first_observed": state.first_observed,
        "last_observed": state.last_observed,
        "flags": sorted(flag.value for flag in state.flags),
        "acknowledged": [flag for flag in row["acknowledged"] if flag in state.flags],
        "notice": notice,
        "needs_attention": attention(state.flags, row["acknowledged"], notice) is not None,
        "changes": row["changes"] + changed,
        "next_due": _due(row, state, account.now, changed=changed),
    }
    account.connection.execute(update(refunds).where(refunds.c.id == refund_id).values(**values))
    if changed:
        _note_change(account, row, state, said)


def _due(row: Row, state: State, now: datetime, *, changed: bool) -> datetime | None:
    due: datetime | None = row["next_due"]
    if Flag.FOREIGN in state.flags:
        return None  # this account's credentials cannot see it
    doubtful = bool((state.flags & _DOUBTS) - flags_of(row))
    if not changed and not doubtful:
        return due
    settled = state.status is not None and state.status.is_settled
    wanted = now + FIRST_SAMPLE if settled and not doubtful else now
    return min(due or wanted, wanted)


def _note_change(account: Locked, row: Row, state: State, said: dict[int, Observation]) -> None:
    if state.status is None:
        return
    number = row["changes"] + 1
    account.connection.execute(
        insert(outbox).values(
            change_id=str(uuid4()),
            refund_id=row["id"],
            number=number,
            previous=row["status"],
            status=state.status.value,
            observation_id=next(key for key, one in said.items() if one == state.decided_by),
            payload=_payload(account, row, state, number),
            changed_at=account.now,
            send_attempts=0,
            send_after=account.now,
        )
    )


def _payload(account: Locked, row: Row, state: State, number: int) -> dict[str, Any]:
    facts = {
        "account": account.name,
        "connector": account.connector,
        "connector_refund_id": row["connector_refund_id"],
        "merchant_refund_id": row["merchant_refund_id"],
        "connector_transaction_id": row["connector_transaction_id"],
        "previous_status": row["status"],
        "status": state.status,
        "connector_status": state.connector_status,
        "since": to_iso(state.since) if state.since else None,
        "refund_amount": attrs.asdict(state.amount) if state.amount else None,
        **details(state),
        "flags": sorted(flag.value for flag in state.flags),
        "change": number,
    }
    return {name: value for name, value in facts.items() if value is not None}
