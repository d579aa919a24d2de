"""From the ledger's records to what a page shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import attrs

from refundry_ledger import History, RefundRecord
from refundry_ledger.scheduling import SETTLES_WITHIN
from refundry_web.desk import Desk
from refundry_web.pages.rendering import sentence
from refundry_web.pages.words import ORIGINS, REASONS, STATUSES, Reason, When, Word, money, when


@attrs.frozen
class Fact:
    """One line of a refund's facts."""

    name: str
    value: str
    is_code: bool = False


@attrs.frozen(kw_only=True)
class Line:
    """A refund in one line."""

    id: int
    title: str
    status: Word
    amount: str | None
    since: When | None
    names: tuple[tuple[str, str], ...]
    """Its identifiers, each with what it is."""
    reasons: tuple[Reason, ...]
    attention: str | None
    """The same in the ledger's words."""


@attrs.frozen(kw_only=True)
class View(Line):
    """A refund with all that is known of it."""

    facts: tuple[Fact, ...]
    observations: int
    asked: When | None
    due: When | None


def line_of(desk: Desk, record: RefundRecord) -> Line:
    """What a list shows of a refund."""
    return Line(
        id=record.id,
        title=desk.title_of(record.account),
        status=STATUSES[record.status],
        amount=money(record.amount or record.expected),
        since=when(record.since),
        names=tuple(_names(record)),
        reasons=tuple(reasons_of(record, desk.clock.now(), settles_within(desk, record.account))),
        attention=record.attention,
    )


def view_of(desk: Desk, history: History, *, for_operator: bool) -> View:
    """What a refund's own page shows; free text and metadata for operators alone."""
    record = history.refund
    line = line_of(desk, record)
    return View(
        **{field.name: getattr(line, field.name) for field in attrs.fields(Line)},
        facts=tuple(fact for fact in _facts(record, for_operator) if fact.value),
        observations=len(history.observations),
        asked=when(record.asked_at),
        due=when(record.next_due),
    )


def name_of(desk: Desk, account: str) -> str:
    """The processor of an account, with the account's own name where it has one."""
    title, client = desk.title_of(account), desk.clients.get(account)
    return title if client is None or account == client.account.connector.name else f"{title}, {account}"


def settles_within(desk: Desk, account: str) -> timedelta | None:
    """How long the connector of an account says that refunds take."""
    client = desk.clients.get(account)
    return client.account.connector.settles_within if client else None


def reasons_of(record: RefundRecord, now: datetime, within: timedelta | None) -> Iterator[Reason]:
    """Why a person should look at a refund."""
    known = {flag.value: reason for flag, reason in REASONS.items()}
    for text in record.attention.split("; ") if record.attention else ():
        yield known.get(text) or _of_notice(record, text, now, within or SETTLES_WITHIN)


def _of_notice(record: RefundRecord, text: str, now: datetime, within: timedelta) -> Reason:
    is_open = record.status is None or not record.status.is_settled
    if is_open and now >= record.added_at + within:
        return Reason("overdue", "Overdue", sentence(text))
    return Reason("asking", "Cannot be asked", sentence(text))


def _names(record: RefundRecord) -> Iterator[tuple[str, str]]:
    query = record.query
    named = {
        "refund": query.connector_refund_id,
        "order": query.merchant_refund_id,
        "payment": query.connector_transaction_id,
    }
    yield from ((name, value) for name, value in named.items() if value)


def _facts(record: RefundRecord, for_operator: bool) -> Iterator[Fact]:
    query = record.query
    yield Fact("The processor's id", query.connector_refund_id or "", is_code=True)
    yield Fact("Your id", query.merchant_refund_id or "", is_code=True)
    yield Fact("The payment's id", query.connector_transaction_id or "", is_code=True)
    yield Fact("Bank reference (ARN)", record.acquirer_reference_number or "", is_code=True)
    yield Fact("The processor's word", record.connector_status or "", is_code=True)
    if record.error:
        said = (record.error.message, record.error.reason, record.error.code, record.error.network_code)
        yield Fact("Why it failed", " / ".join(part for part in said if part))
    yield Fact("Expected amount", money(record.expected) or "")
    yield Fact("Account", record.account)
    yield Fact("In the ledger", f"{ORIGINS[record.origin]}, number {record.id}")
    for name, moment in (("First heard", record.first_observed), ("Last heard", record.last_observed)):
        shown = when(moment)
        yield Fact(name, shown.text if shown else "")
    if for_operator:
        yield Fact("Reason for the refund", query.refund_reason or "")
        yield from (Fact(key, value, is_code=True) for key, value in query.metadata.items())
