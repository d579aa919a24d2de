"""Which refund an observation is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from sqlalchemy import ColumnElement, Connection, and_, select, update

from refundry_ledger.records import Row
from refundry_ledger.schema import observations, refunds

IDENTIFIERS = ("connector_refund_id", "merchant_refund_id", "connector_transaction_id")
Facts = Row | dict[str, Any]
"""A row, or columns about to become one."""


@attrs.frozen
class Match:
    """The one refund that an observation is about, or those that it could be about."""

    refund: Row | None = None
    candidates: tuple[Row, ...] = ()


def match(connection: Connection, account_id: int, said: Facts) -> Match:
    """Match by the refund's id; without one by the merchant's id, then by payment and amount, if that is unique.

    A refund that is tracked without its id is recognised by the first observation that fits it and has one.
    """
    if said["connector_refund_id"] is None:
        return _only(_fitting(connection, account_id, said, without_id=False))
    known = by_id(connection, account_id, said["connector_refund_id"])
    if known is not None:
        return Match(known)
    return Match(_only(_fitting(connection, account_id, said, without_id=True)).refund)


def by_id(connection: Connection, account_id: int, connector_refund_id: str) -> Row | None:
    """The refund of this id, also where it turned out to be another's second name."""
    same = (refunds.c.account_id == account_id, refunds.c.connector_refund_id == connector_refund_id)
    row = connection.execute(select(refunds).where(*same)).mappings().one_or_none()
    while row is not None and row["merged_into"] is not None:
        row = connection.execute(select(refunds).where(refunds.c.id == row["merged_into"])).mappings().one()
    return row


def same_query(connection: Connection, account_id: int, columns: Facts) -> Row | None:
    """The refund that is known by exactly these identifiers."""
    # Written out, for PostgreSQL finds no index for IS NOT DISTINCT FROM.
    same = [
        refunds.c[name].is_(None) if columns[name] is None else refunds.c[name] == columns[name] for name in IDENTIFIERS
    ]
    return next(iter(_rows(connection, account_id, and_(*same))), None)


def fitting_without_id(connection: Connection, account_id: int, refund: Facts) -> Row | None:
    """The one refund without an id that fits this one, which has it: the two are the same."""
    return _only(_fitting(connection, account_id, refund, without_id=True)).refund


def parked_like(connection: Connection, account_id: int, refund: Facts) -> Sequence[Row]:
    """The observations that fit no refund so far and share an identifier with this one."""
    shared = [
        column == refund[column.name]
        for column in (observations.c.merchant_refund_id, observations.c.connector_transaction_id)
        if refund[column.name] is not None
    ]
    if not shared:
        return []
    condition = shared[0] if len(shared) == 1 else shared[0] | shared[1]
    query = select(observations).where(
        observations.c.account_id == account_id, observations.c.refund_id.is_(None), condition
    )
    return connection.execute(query.order_by(observations.c.id)).mappings().all()


def link(connection: Connection, observation_id: int, refund_id: int) -> None:
    """Say which refund an observation is about."""
    connection.execute(update(observations).where(observations.c.id == observation_id).values(refund_id=refund_id))


def _only(rows: Sequence[Row]) -> Match:
    return Match(rows[0]) if len(rows) == 1 else Match(None, tuple(rows))


def _fitting(connection: Connection, account_id: int, said: Facts, *, without_id: bool) -> list[Row]:
    condition = refunds.c.connector_refund_id.is_(None) if without_id else refunds.c.id.is_not(None)
    if said["merchant_refund_id"] is not None:
        same = refunds.c.merchant_refund_id == said["merchant_refund_id"]
        found = [row for row in _rows(connection, account_id, condition & same) if _compatible(row, said)]
        if found:
            return _narrowed(found, said)
    if said["connector_transaction_id"] is not None and said["amount"] is not None:
        same = refunds.c.connector_transaction_id == said["connector_transaction_id"]
        rows = [row for row in _rows(connection, account_id, condition & same) if _compatible(row, said)]
        return [row for row in rows if _amount(row) == _amount(said)]
    return []


def _narrowed(rows: list[Row], said: Facts) -> list[Row]:
    exact = [row for row in rows if _amount(row) is not None and _amount(row) == _amount(said)]
    return exact if len(exact) == 1 else rows


def _compatible(row: Row, said: Facts) -> bool:
    payments = {row["connector_transaction_id"], said["connector_transaction_id"]} - {None}
    merchants = {row["merchant_refund_id"], said["merchant_refund_id"]} - {None}
    amounts = {_amount(row), _amount(said)} - {None}
    return max(len(payments), len(merchants), len(amounts)) <= 1


def _amount(facts: Facts) -> tuple[int, str] | None:
    if facts["amount"] is not None:
        return facts["amount"], facts["currency"]
    if facts.get("expected_amount") is not None:
        return facts["expected_amount"], facts["expected_currency"]
    return None


def _rows(connection: Connection, account_id: int, condition: ColumnElement[bool]) -> Sequence[Row]:
    query = select(refunds).where(refunds.c.account_id == account_id, refunds.c.merged_into.is_(None), condition)
    return connection.execute(query.order_by(refunds.c.id)).mappings().all()
