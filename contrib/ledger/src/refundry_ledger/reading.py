"""What many refunds add up to: pages of them, totals, and the numbers behind a plot. Nothing here writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import ColumnElement, Connection, Select, func, not_, or_, select

from refundry.errors import InvalidQuery
from refundry.model import RefundStatus
from refundry.state import Observation
from refundry_ledger.records import RefundRecord, observation_of, record_of, storable
from refundry_ledger.schema import accounts, answers, counters, events, observations, refunds

LARGEST_PAGE = 500
MOST_SPANS = 5000
"""A plot is made of this many spans of time at most, the newest."""
_SETTLED = [status.value for status in RefundStatus if status.is_settled]
_HALF = 1 << 32


@attrs.frozen(kw_only=True)
class Filters:
    """Which refunds a page shows; None leaves a filter out."""

    account: str | None = None
    status: RefundStatus | None = None
    needs_attention: bool | None = None
    open: bool | None = None
    """True: those that are not settled; False: those that are."""
    since: datetime | None = None
    """In the ledger from this moment on; aware."""
    until: datetime | None = None
    """In the ledger before this moment; aware."""


@attrs.frozen(kw_only=True)
class Page:
    """Some refunds, newest first. ``cursor=None`` alone ends the list."""

    refunds: tuple[RefundRecord, ...]
    cursor: str | None


@attrs.frozen(kw_only=True)
class Total:
    """The refunds of one account that have one status and one currency."""

    account: str
    connector: str | None
    status: RefundStatus | None
    """None: nothing was said about them yet."""
    currency: str | None
    """None: no processor gave an amount."""
    refunds: int
    minor_amount: int | None


@attrs.frozen(kw_only=True)
class Spans:
    """Spans of time by account, each list sorted, shortest first."""

    settling: Mapping[str, tuple[timedelta, ...]]
    """From the first word about a refund to the one that settled it; only of refunds that were seen open."""
    open_for: Mapping[str, tuple[timedelta, ...]]
    """How long refunds that are not settled have been in the ledger."""
    webhook_lag: Mapping[str, tuple[timedelta, ...]]
    """From the processor's time of a change to its webhook; only of webhooks that give a time."""


@attrs.frozen(kw_only=True)
class StoredEvent:
    """A webhook as it came."""

    id: int
    method: str
    url: str | None
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    received_at: datetime
    verified: bool
    outcome: str
    """"mapped", "ignored", "unmapped", or "waiting" to be read."""
    reason: str | None
    pruned_at: datetime | None = None
    """When its body, headers and address were deleted; None: they are there."""


def page(connection: Connection, filters: Filters, cursor: str | None, limit: int) -> Page:
    """One page of the refunds that these filters let through. Raises `InvalidQuery` for a cursor that is none."""
    size = max(1, min(limit, LARGEST_PAGE))
    query = select(refunds, accounts.c.name.label("account")).join(accounts).where(*_conditions(filters))
    if cursor is not None:
        query = query.where(refunds.c.id < _number(cursor))
    rows = connection.execute(query.order_by(refunds.c.id.desc()).limit(size + 1)).mappings().all()
    shown = tuple(record_of(row, row["account"]) for row in rows[:size])
    return Page(refunds=shown, cursor=str(shown[-1].id) if len(rows) > size else None)


def count_needing_attention(connection: Connection) -> int:
    """How many refunds a person should look at."""
    query = select(func.count()).select_from(refunds).where(refunds.c.needs_attention)
    return connection.execute(query).scalar_one()


def totals(connection: Connection) -> list[Total]:
    """How many refunds there are and what they sum up to, by account, status and currency."""
    keys = (accounts.c.name, accounts.c.connector, refunds.c.status, refunds.c.currency)
    # In two halves: a sum of 64-bit numbers may not fit into 64 bits.
    high, low = (func.sum(part) for part in (refunds.c.amount.op("/")(_HALF), refunds.c.amount.op("%")(_HALF)))
    query = select(*keys, func.count().label("refunds"), high.label("high"), low.label("low")).join(accounts)
    rows = connection.execute(query.where(refunds.c.merged_into.is_(None)).group_by(*keys).order_by(*keys[:2])).all()
    return [
        Total(
            account=row.name,
            connector=row.connector,
            status=RefundStatus(row.status) if row.status else None,
            currency=row.currency,
            refunds=row.refunds,
            minor_amount=None if row.high is None else int(row.high) * _HALF + int(row.low),
        )
        for row in rows
    ]


def spans(connection: Connection, now: datetime) -> Spans:
    """The spans of time that plots are made of, of the newest refunds and webhooks."""
    settled = (refunds.c.status.in_(_SETTLED), refunds.c.changes > 1, refunds.c.merged_into.is_(None))
    settling = _newest(refunds.c.first_observed, refunds.c.since, refunds.c.id).where(*settled)
    still_open = (not_(_is_settled()), refunds.c.merged_into.is_(None))
    open_for = _newest(refunds.c.added_at, refunds.c.next_due, refunds.c.id).where(*still_open)
    told = (observations.c.source == "webhook", observations.c.provider_time.is_not(None))
    lag = _newest(observations.c.provider_time, observations.c.observed_at, observations.c.id).where(*told)
    return Spans(
        settling=_between(connection, settling),
        open_for=_grouped((name, now - begin) for name, begin, _ in connection.execute(open_for)),
        webhook_lag=_between(connection, lag),
    )


def named(identifier: str | int) -> ColumnElement[bool]:
    """The condition for refunds with this identifier, whoever gave it; an ``int`` is the ledger's own number."""
    if isinstance(identifier, int):
        own = refunds.c.id == identifier
        return or_(own, _merged_from(own))
    identifier = storable(identifier)
    return or_(
        refunds.c.connector_refund_id == identifier,
        refunds.c.merchant_refund_id == identifier,
        refunds.c.connector_transaction_id == identifier,
        refunds.c.acquirer_reference_number == identifier,
        _merged_from(refunds.c.connector_refund_id == identifier),
    )


def _merged_from(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition for refunds that one of these turned out to be."""
    merged = select(refunds.c.merged_into).where(condition, refunds.c.merged_into.is_not(None))
    return refunds.c.id.in_(merged)


def events_of(connection: Connection, refund_id: int) -> list[StoredEvent]:
    """The webhooks that spoke of a refund, oldest first."""
    about = select(observations.c.event_id).where(observations.c.refund_id == refund_id)
    query = select(events).where(events.c.id.in_(about)).order_by(events.c.id)
    names = [field.name for field in attrs.fields(StoredEvent)]
    rows = connection.execute(query).mappings()
    return [StoredEvent(**{name: row[name] for name in names}) for row in rows]


def answers_of(connection: Connection, refund_id: int) -> dict[str, bytes]:
    """What the processor answered about a refund, by the digest that its observations name."""
    about = select(observations.c.digest).where(observations.c.refund_id == refund_id)
    query = select(answers.c.digest, answers.c.body).where(answers.c.digest.in_(about)).order_by(answers.c.heard_at)
    return {row.digest: row.body for row in connection.execute(query)}


def parked(connection: Connection, account: str) -> list[Observation]:
    """What was said about no refund that is known, or about one of several."""
    query = select(observations).join(accounts, accounts.c.id == observations.c.account_id)
    mine = (accounts.c.name == account, observations.c.refund_id.is_(None))
    rows = connection.execute(query.where(*mine).order_by(observations.c.id)).mappings().all()
    return [observation_of(row, account) for row in rows]


def counted(connection: Connection, name: str) -> dict[str, int]:
    """A counter's value by account; an account that has none is left out."""
    query = select(accounts.c.name, counters.c.value).join(accounts).where(counters.c.name == name)
    return {row.name: row.value for row in connection.execute(query)}


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    given: dict[str, Any] = {field.name: getattr(filters, field.name) for field in attrs.fields(Filters)}
    conditions = {name: _CONDITIONS[name](value) for name, value in given.items() if value is not None}
    return [refunds.c.merged_into.is_(None), *conditions.values()]


def _is_settled() -> ColumnElement[bool]:
    return func.coalesce(refunds.c.status, "").in_(_SETTLED)


_CONDITIONS: Mapping[str, Any] = {
    "account": lambda name: accounts.c.name == storable(name),
    "status": lambda status: refunds.c.status == status.value,
    "needs_attention": lambda wanted: refunds.c.needs_attention if wanted else not_(refunds.c.needs_attention),
    "open": lambda wanted: not_(_is_settled()) if wanted else _is_settled(),
    "since": lambda moment: refunds.c.added_at >= moment,
    "until": lambda moment: refunds.c.added_at < moment,
}


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise InvalidQuery("the cursor is none: take it from the page before as it is")
    return int(cursor)


def _newest(begin: Any, end: Any, number: Any) -> Select[Any]:
    query = select(accounts.c.name, begin, end).join(accounts, accounts.c.id == number.table.c.account_id)
    return query.order_by(number.desc()).limit(MOST_SPANS)


def _between(connection: Connection, query: Select[Any]) -> dict[str, tuple[timedelta, ...]]:
    return _grouped((name, end - begin) for name, begin, end in connection.execute(query) if begin and end)


def _grouped(pairs: Iterable[tuple[str, timedelta]]) -> dict[str, tuple[timedelta, ...]]:
    found: dict[str, list[timedelta]] = defaultdict(list)
    for name, span in pairs:
        found[name].append(max(span, timedelta(0)))
    return {name: tuple(sorted(found[name])) for name in sorted(found)}
