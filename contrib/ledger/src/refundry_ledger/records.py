"""What the ledger hands out, and how it stands in the tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import attrs
from sqlalchemy import RowMapping

from refundry.errors import InvalidQuery, MappingError
from refundry.http import Response
from refundry.model import ErrorInfo, Money, RefundEvent, RefundQuery, RefundStatus
from refundry.state import ATTENTION, Flag, Observation, State

Origin: TypeAlias = Literal["tracked", "discovered", "hint"]
Row: TypeAlias = RowMapping
_LARGEST = 2**63 - 1
_LONGEST_TEXT = 500


@attrs.frozen(kw_only=True)
class RefundRecord:
    """One refund as the ledger knows it."""

    id: int
    """The ledger's own number of the refund."""
    account: str
    origin: Origin
    """"tracked": in the merchant's books; "discovered": a processor spoke of it; "hint": named only, not yet seen."""
    query: RefundQuery
    """What it is asked for with."""
    expected: Money | None
    status: RefundStatus | None
    connector_status: str | None
    since: datetime | None
    amount: Money | None
    error: ErrorInfo | None
    """Why it failed, where the processor said so."""
    acquirer_reference_number: str | None
    """With it the customer's bank can trace the money."""
    first_observed: datetime | None
    last_observed: datetime | None
    flags: frozenset[Flag]
    needs_attention: bool
    attention: str | None
    """Why a person should look at it; None when nobody need."""
    changes: int
    """How many status changes it has had."""
    added_at: datetime
    asked_at: datetime | None
    attempts: int
    """How many times in a row asking has failed."""
    next_due: datetime | None
    """When it is asked for next; None: no more."""


@attrs.frozen(kw_only=True)
class History:
    """One refund and everything that was said about it, oldest first."""

    refund: RefundRecord
    observations: tuple[Observation, ...]
    state: State


@attrs.frozen(kw_only=True)
class Receipt:
    """A webhook that is stored: now, and not before, answer the processor with ``reply``."""

    reply: Response
    events: tuple[RefundEvent, ...] = ()
    """What the webhook was about; empty when it could not be read."""
    problems: tuple[MappingError, ...] = ()
    """What of it could not be read; it is kept for `Ledger.replay`."""
    duplicate: bool = False
    """True when all of it had been stored before."""


@attrs.frozen(kw_only=True)
class Claim:
    """One refund that this process alone may ask for, until the lease ends."""

    refund: RefundRecord
    owner: str
    until: datetime


@attrs.frozen(kw_only=True)
class Change:
    """One change of one refund's status."""

    change_id: str
    """Stable: a repeated delivery carries the same."""
    refund_id: int
    number: int
    """Counts the changes of this refund from 1."""
    previous: RefundStatus | None
    current: Observation
    payload: dict[str, Any]
    changed_at: datetime
    attempts: int


@attrs.frozen(kw_only=True)
class Pass:
    """What one pass of the tracker, or one delivery of changes, came to."""

    done: int = 0
    failed: int = 0
    errors: dict[str, str] = attrs.field(factory=dict)
    """By account or refund: what went wrong, without bodies and credentials."""
    elapsed: timedelta = timedelta(0)

    def __add__(self, other: Pass) -> Pass:
        return Pass(
            done=self.done + other.done,
            failed=self.failed + other.failed,
            errors={**self.errors, **other.errors},
            elapsed=max(self.elapsed, other.elapsed),
        )


@attrs.frozen(kw_only=True)
class Pruned:
    """How many raw bodies were deleted, or would be."""

    answers: int = 0
    """Of what processors answered."""
    events: int = 0
    """Of webhooks."""


def money(amount: int | None, currency: str | None) -> Money | None:
    """An amount from its two columns."""
    return None if amount is None or currency is None else Money(amount, currency)


def money_columns(amount: Money | None, prefix: str = "") -> dict[str, Any]:
    """The two columns of an amount; one that no 64 bits hold is left out."""
    fits = amount is not None and abs(amount.minor_amount) <= _LARGEST
    names = (f"{prefix}amount", f"{prefix}currency")
    return dict(zip(names, (amount.minor_amount, amount.currency) if amount and fits else (None, None), strict=True))


def details(one: Observation | State) -> dict[str, Any]:
    """What stands in the column ``details``: what nobody searches for."""
    error = {name: plain_text(value) for name, value in attrs.asdict(one.error).items() if value} if one.error else None
    facts = {"error": error, "acquirer_reference_number": plain_text(one.acquirer_reference_number)}
    return {name: value for name, value in facts.items() if value}


def reason(state: State) -> dict[str, Any]:
    """What stands in the column ``details`` of a refund: its reference has a column of its own, to be searched."""
    return {name: value for name, value in details(state).items() if name == "error"}


def read_details(stored: dict[str, Any]) -> dict[str, Any]:
    """The fields that `details` wrote."""
    error = stored.get("error")
    return {
        "error": ErrorInfo(**error) if error else None,
        "acquirer_reference_number": stored.get("acquirer_reference_number"),
    }


def identifier(value: str | None) -> str | None:
    """The identifier, or None for a text that no identifier is."""
    try:
        return RefundQuery(merchant_refund_id=value).merchant_refund_id
    except InvalidQuery:
        return None


def storable(value: str) -> str:
    """Text that every database takes: without NUL and lone surrogates."""
    return value.replace("\x00", "\ufffd").encode(errors="replace").decode()


def plain_text(value: str | None) -> str | None:
    """Free text that every database takes, and not endless."""
    return None if value is None else storable(value)[:_LONGEST_TEXT]


def query_columns(query: RefundQuery) -> dict[str, Any]:
    """The columns of a query."""
    rest = {name: getattr(query, name) for name in ("refund_reason", "payment_method_type", "currency")}
    return {
        "connector_refund_id": query.connector_refund_id,
        "merchant_refund_id": query.merchant_refund_id,
        "connector_transaction_id": query.connector_transaction_id,
        "query": {name: value for name, value in rest.items() if value} | {"metadata": dict(query.metadata)},
    }


def query_of(row: Row) -> RefundQuery:
    """The query of a refund's row."""
    return RefundQuery(
        connector_refund_id=row["connector_refund_id"],
        merchant_refund_id=row["merchant_refund_id"],
        connector_transaction_id=row["connector_transaction_id"],
        **row["query"],
    )


def record_of(row: Row, account: str) -> RefundRecord:
    """A refund from its row."""
    flags = flags_of(row)
    return RefundRecord(
        id=row["id"],
        account=account,
        origin=row["origin"],
        query=query_of(row),
        expected=money(row["expected_amount"], row["expected_currency"]),
        status=RefundStatus(row["status"]) if row["status"] else None,
        amount=money(row["amount"], row["currency"]),
        error=read_details(row["details"])["error"],
        flags=flags,
        attention=attention(flags, row["acknowledged"], row["notice"]),
        **{name: row[name] for name in _SAME},
    )


_SAME = (
    *(
        "connector_status",
        "since",
        "acquirer_reference_number",
        "first_observed",
        "last_observed",
        "needs_attention",
        "changes",
    ),
    *("added_at", "asked_at", "attempts", "next_due"),
)


def flags_of(row: Row) -> frozenset[Flag]:
    """The flags of a refund's row."""
    return frozenset(Flag(flag) for flag in row["flags"])


def attention(flags: Iterable[Flag], acknowledged: Iterable[str], notice: str | None) -> str | None:
    """Why a person should look at a refund, or None."""
    new = sorted(flag.value for flag in set(flags) & ATTENTION if flag.value not in set(acknowledged))
    reasons = [*new, *([notice] if notice else [])]
    return "; ".join(reasons) or None


def observation_columns(one: Observation) -> dict[str, Any]:
    """The columns of an observation, without what links it."""
    return {
        "evidence": one.evidence,
        "kind": one.kind,
        "connector_refund_id": identifier(one.connector_refund_id),
        "merchant_refund_id": identifier(one.merchant_refund_id),
        "connector_transaction_id": identifier(one.connector_transaction_id),
        "status": one.status.value,
        "connector_status": plain_text(one.connector_status),
        **money_columns(one.amount),
        "provider_time": one.provider_time,
        "observed_at": one.observed_at,
        "source": one.source,
        "digest": one.digest,
        "is_foreign": one.foreign,
        "details": details(one),
    }


def observation_of(row: Row | dict[str, Any], account: str) -> Observation:
    """An observation from its row."""
    return Observation(
        account=account,
        status=RefundStatus(row["status"]),
        amount=money(row["amount"], row["currency"]),
        foreign=row["is_foreign"],
        **read_details(row["details"]),
        **{name: row[name] for name in _SAME_IN_OBSERVATION},
    )


_SAME_IN_OBSERVATION = (
    *("connector_refund_id", "merchant_refund_id", "connector_transaction_id", "connector_status"),
    *("provider_time", "observed_at", "source", "digest", "kind"),
)
