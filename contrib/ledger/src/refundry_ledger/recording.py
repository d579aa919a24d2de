"""Writing observations, each once, to the refund that it is about.

Everything here runs inside a transaction that has locked the account.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from refundry.model import Money, RefundQuery
from refundry.state import Flag, Observation
from refundry_ledger.accounts import Locked
from refundry_ledger.folding import refold, row_of
from refundry_ledger.matching import IDENTIFIERS, by_id, fitting_without_id, link, match, parked_like, same_query
from refundry_ledger.records import Origin, Row, flags_of, money_columns, observation_columns, query_columns, query_of
from refundry_ledger.schema import observations, refunds

LEAST_GAP = timedelta(seconds=10)
"""However many hints come, a refund is not asked for more often."""
AMBIGUOUS = "the processor spoke of a refund without naming it, and this is one of several that it fits"


def record(
    account: Locked,
    said: Observation,
    *,
    query: RefundQuery | None = None,
    event_id: int | None = None,
    asked: int | None = None,
) -> int | None:
    """Write an observation, unless its evidence is there, and return its refund; None while it fits none.

    ``asked`` is the refund that was asked for; ``query`` what it can be asked with again.
    """
    columns = observation_columns(said)
    same = (observations.c.account_id == account.id, observations.c.evidence == columns["evidence"])
    known = account.connection.execute(select(observations.c.refund_id).where(*same)).one_or_none()
    if known is not None:
        return known[0]  # type: ignore[no-any-return]
    target = _refund_of(account, columns) if asked is None else _refund_asked_for(account, asked, columns)
    links = {"account_id": account.id, "refund_id": target, "event_id": event_id}
    account.connection.execute(insert(observations).values(**columns, **links))
    if target is not None:
        gained = _learn(account, target, columns, query)
        refold(account, target)
        if gained:
            _take_in(account, target)
    return target


def track(account: Locked, query: RefundQuery, *, expected: Money | None = None) -> int:
    """The refund of this query as one in the merchant's books, due at once where it was not; its number."""
    columns = query_columns(query)
    wanted = money_columns(expected, "expected_")
    row = _known(account, columns | money_columns(None) | wanted)
    if row is None:
        # Nothing has been said about it, so there is nothing to fold.
        refund_id = _add(account, columns | wanted, "tracked", account.now)
    else:
        refund_id = row["id"]
        _adopt(account, row, query, wanted if expected is not None else {})
    _take_in(account, refund_id)
    return refund_id


def hint(account: Locked, query: RefundQuery) -> int:
    """Make the refund of this query due, at once or as soon as it may be asked for again; its number."""
    columns = query_columns(query)
    row = _known(account, columns | money_columns(None))
    if row is None:
        return _add(account, columns, "hint", account.now)
    if Flag.FOREIGN in flags_of(row):
        return row["id"]  # type: ignore[no-any-return]
    due = max(account.now, row["asked_at"] + LEAST_GAP) if row["asked_at"] else account.now
    leased = row["lease_until"] is not None and row["lease_until"] > account.now
    # A refund that is being asked for just now is asked again: the answer under way may be older than the hint.
    if not leased and row["next_due"] is not None:
        due = min(row["next_due"], due)
    account.connection.execute(update(refunds).where(refunds.c.id == row["id"]).values(next_due=due))
    return row["id"]  # type: ignore[no-any-return]


def drop(account: Locked, refund_id: int) -> None:
    """Forget a refund that was only hinted at."""
    account.connection.execute(delete(refunds).where(refunds.c.id == refund_id, refunds.c.origin == "hint"))


def _refund_of(account: Locked, said: dict[str, Any]) -> int | None:
    found = match(account.connection, account.id, said)
    if found.refund is not None:
        return found.refund["id"]  # type: ignore[no-any-return]
    if said["connector_refund_id"] is not None:
        return _add_observed(account, said)
    for row in found.candidates:
        doubt = {"notice": AMBIGUOUS, "needs_attention": True, "next_due": account.now}
        account.connection.execute(update(refunds).where(refunds.c.id == row["id"]).values(**doubt))
    return None


def _refund_asked_for(account: Locked, asked: int, said: dict[str, Any]) -> int:
    """The refund that was asked for, unless the answer shows that it is one known by another identifier."""
    row = row_of(account.connection, asked)
    answered = said["connector_refund_id"]
    if answered is None or answered == row["connector_refund_id"] or _was_seen(account, row):
        return asked
    known = by_id(account.connection, account.id, answered)
    if known is None and row["connector_refund_id"] is None:
        return asked
    target: int = known["id"] if known else _add_observed(account, said)
    if target != asked:
        _merge(account, row, target)
    return target


def _was_seen(account: Locked, row: Row) -> bool:
    if row["connector_refund_id"] is None:
        return False
    seen = select(observations.c.id).where(
        observations.c.refund_id == row["id"], observations.c.connector_refund_id == row["connector_refund_id"]
    )
    return account.connection.execute(seen.limit(1)).first() is not None


def _known(account: Locked, columns: dict[str, Any]) -> Row | None:
    if columns["connector_refund_id"] is None:
        alike = same_query(account.connection, account.id, columns)
        if alike is not None or columns["merchant_refund_id"] is None:
            return alike
    return match(account.connection, account.id, columns).refund


def _add_observed(account: Locked, said: dict[str, Any]) -> int:
    return _add(account, {**{name: said[name] for name in IDENTIFIERS}, "query": {}}, "discovered", None)


def _add(account: Locked, columns: dict[str, Any], origin: Origin, due: datetime | None) -> int:
    facts = {"account_id": account.id, "origin": origin, "added_at": account.now, "next_due": due}
    start: dict[str, Any] = {
        "details": {},
        "flags": [],
        "acknowledged": [],
        "needs_attention": False,
        "changes": 0,
        "attempts": 0,
    }
    added = insert(refunds).values(**columns, **facts, **start).returning(refunds.c.id)
    return account.connection.execute(added).scalar_one()  # type: ignore[no-any-return]


def _adopt(account: Locked, row: Row, query: RefundQuery, changes: dict[str, Any]) -> None:
    """Make a refund that is known one in the merchant's books."""
    _learn(account, row["id"], query_columns(query), query)
    if row["origin"] != "tracked":
        changes = {**changes, "origin": "tracked", "next_due": account.now}
    if changes:
        account.connection.execute(update(refunds).where(refunds.c.id == row["id"]).values(**changes))
    refold(account, row["id"])


def _learn(account: Locked, refund_id: int, columns: dict[str, Any], query: RefundQuery | None) -> bool:
    """Keep the identifiers that a refund's row lacks; whether it now has more to be recognised by."""
    row = row_of(account.connection, refund_id)
    names = [name for name in IDENTIFIERS if row[name] is None and columns[name] is not None]
    learnt: dict[str, Any] = {name: columns[name] for name in names}
    rest = _rest_of_query(row, query)
    if rest != row["query"]:
        learnt["query"] = rest
    if row["origin"] == "hint":
        learnt["origin"] = "discovered"
    if learnt:
        account.connection.execute(update(refunds).where(refunds.c.id == refund_id).values(**learnt))
    return bool(names) or row["status"] is None or row["amount"] is None


def _rest_of_query(row: Row, query: RefundQuery | None) -> dict[str, Any]:
    rest: dict[str, Any] = dict(row["query"])
    if query is None:
        return rest
    new: dict[str, Any] = query_columns(query)["query"]
    return {**new, **rest, "metadata": {**rest.get("metadata", {}), **new["metadata"]}}


def _take_in(account: Locked, refund_id: int) -> None:
    """Bring in what was kept apart and turns out to be this refund's."""
    connection, taken = account.connection, False
    row = row_of(connection, refund_id)
    if row["connector_refund_id"] is not None and row["merchant_refund_id"] is not None:
        twin = fitting_without_id(connection, account.id, row)
        if twin is not None and twin["merchant_refund_id"] == row["merchant_refund_id"]:
            _merge(account, twin, refund_id)
            taken = True
    for parked in parked_like(connection, account.id, row):
        found = match(connection, account.id, parked).refund
        if found is not None and found["id"] == refund_id:
            link(connection, parked["id"], refund_id)
            taken = True
    if taken:
        refold(account, refund_id)


def _merge(account: Locked, twin: Row, into: int) -> None:
    """Make a refund part of the one that it turned out to be."""
    connection = account.connection
    connection.execute(update(observations).where(observations.c.refund_id == twin["id"]).values(refund_id=into))
    ended = {"merged_into": into, "next_due": None, "needs_attention": False, "notice": None}
    names = (refunds.c.id == twin["id"]) | (refunds.c.merged_into == twin["id"])
    connection.execute(update(refunds).where(refunds.c.account_id == account.id, names).values(**ended))
    row = row_of(connection, into)
    kept: dict[str, Any] = {"query": _rest_of_query(row, query_of(twin))}
    if row["expected_amount"] is None:
        kept |= {name: twin[name] for name in ("expected_amount", "expected_currency")}
    if twin["origin"] == "tracked":
        kept["origin"] = "tracked"
    if row["merchant_refund_id"] is None:
        kept["merchant_refund_id"] = twin["merchant_refund_id"]
    connection.execute(update(refunds).where(refunds.c.id == into).values(**kept))
