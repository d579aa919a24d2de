"""When to ask for a refund again, and when to stop with a reason: data and pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from refundry.account import Account
from refundry.errors import (
    AmbiguousRefund,
    InvalidQuery,
    NotARefund,
    RefundNotFound,
    RefundryError,
    RetryableError,
    UnsupportedOperation,
)
from refundry.model import RefundStatus
from refundry.schedule import Schedule, next_delay, spread
from refundry_ledger.records import RefundRecord

SETTLES_WITHIN = timedelta(days=30)
"""When a person is told of an open refund where the processor's document says nothing."""
PATIENCE = timedelta(days=30)
"""How long an open refund is asked for at least: what a processor usually needs it may need longer."""
REVERSIBLE_FOR = timedelta(days=30)
"""How long a settled refund is sampled where the processor's document says nothing."""
SAMPLING = Schedule(first=timedelta(days=1), factor=1.0, longest=timedelta(days=7))
"""How often a refund is looked at again that has settled, or that should have settled long ago."""
GRACE = timedelta(minutes=15)
"""How long a fresh refund may be unknown to any processor."""
LONGEST_BACKOFF = timedelta(hours=1)
MOST_FAILURES = 5
"""After so many answers in a row that cannot be used a person is told."""


@attrs.frozen(kw_only=True)
class Plan:
    """What a connector declares about time."""

    title: str
    schedule: Schedule
    window: timedelta
    """After this a person is told that a refund is still open."""
    patience: timedelta
    """After this an open refund is asked for no more."""
    reversible_for: timedelta
    visible_after: timedelta


@attrs.frozen(kw_only=True)
class Next:
    """What becomes of a refund after it was asked for."""

    due: datetime | None
    attempts: int = 0
    notice: str | None = None
    """Why a person should look at it."""
    heard: bool = False
    """True when the processor said how the refund stands, which answers an earlier notice."""
    dropped: bool = False
    """True for a mere hint that led nowhere."""


def plan_of(account: Account) -> Plan:
    """The plan of an account's connector."""
    connector = account.connector
    return Plan(
        title=connector.title,
        schedule=connector.schedule,
        window=connector.settles_within or SETTLES_WITHIN,
        patience=max(connector.settles_within or SETTLES_WITHIN, PATIENCE),
        reversible_for=connector.reversible_for or REVERSIBLE_FOR,
        visible_after=max(connector.visible_after, GRACE),
    )


def after_answer(plan: Plan, refund: RefundRecord, now: datetime, chance: float) -> Next:
    """After the processor answered; ``refund`` has its answer in it, ``chance`` is a number from 0 up to 1."""
    if refund.status is not None and refund.status.is_settled:
        return Next(due=_next_sample(plan, refund.since or now, now, chance), heard=True)
    return _while_open(plan, refund, now, chance)


def after_error(plan: Plan, refund: RefundRecord, error: Exception, now: datetime, chance: float) -> Next:
    """After the processor could not be asked, or did not say how the refund stands."""
    match error:
        case NotARefund() | AmbiguousRefund():
            return Next(due=None, notice=str(error), dropped=refund.origin == "hint")
        case RefundNotFound():
            return _not_found(plan, refund, now, chance)
        case RetryableError():
            return _backed_off(plan, refund, error, now, chance)
        case UnsupportedOperation():
            return _while_webhooks_only(plan, refund, now)
        case InvalidQuery():
            return Next(due=None, notice=str(error), dropped=refund.origin == "hint")
    return _unusable(plan, refund, error, now, chance)


def _next_sample(plan: Plan, since: datetime, now: datetime, chance: float) -> datetime | None:
    end = since + plan.reversible_for
    return min(now + spread(next_delay(SAMPLING, now - since), chance), end) if now < end else None


def _while_open(plan: Plan, refund: RefundRecord, now: datetime, chance: float) -> Next:
    overdue, end = refund.added_at + plan.window, refund.added_at + plan.patience
    if now >= end:
        return Next(due=None, notice=_still_open(plan, refund, plan.patience), heard=True)
    if now < overdue:
        due = now + spread(next_delay(plan.schedule, now - refund.added_at), chance)
        return Next(due=min(due, overdue), heard=True)
    due = min(now + spread(next_delay(SAMPLING, now - overdue), chance), end)
    # Told once: whoever has looked at it need not look again for the same.
    first = refund.asked_at is None or refund.asked_at < overdue
    return Next(due=due, notice=_still_open(plan, refund, plan.window) if first else None, heard=first)


def _still_open(plan: Plan, refund: RefundRecord, after: timedelta) -> str:
    return f"still {refund.status or RefundStatus.UNKNOWN} after {_in_days(after)}: ask {plan.title}"


def _not_found(plan: Plan, refund: RefundRecord, now: datetime, chance: float) -> Next:
    asked_again = after_answer(plan, refund, now, chance)
    if refund.first_observed is not None or now - refund.added_at < plan.visible_after:
        return asked_again
    text = f"{plan.title} does not know this refund: check its identifier and the environment"
    return attrs.evolve(asked_again, notice=text, heard=False, dropped=refund.origin == "hint")


def _backed_off(plan: Plan, refund: RefundRecord, error: RetryableError, now: datetime, chance: float) -> Next:
    attempts = refund.attempts + 1
    if not _settled(refund) and now >= refund.added_at + plan.patience:
        return Next(due=None, attempts=attempts, notice=f"it could not be asked for to the end: {error}")
    backoff = min(plan.schedule.first * 2 ** min(attempts, 16), LONGEST_BACKOFF)
    wait = max(spread(backoff, chance, share=0.5), error.retry_after or timedelta(0))
    return Next(due=now + wait, attempts=attempts)


def _while_webhooks_only(plan: Plan, refund: RefundRecord, now: datetime) -> Next:
    if _settled(refund):
        return Next(due=None)
    end = refund.added_at + plan.window
    if now < end:
        return Next(due=end)
    text = f"no webhook settled it within {_in_days(plan.window)} and {plan.title} cannot be asked"
    return Next(due=None, notice=text)


def _unusable(plan: Plan, refund: RefundRecord, error: Exception, now: datetime, chance: float) -> Next:
    attempts = refund.attempts + 1
    told = str(error) if isinstance(error, RefundryError) else f"{type(error).__name__} while it was asked for"
    following = after_answer(plan, refund, now, chance)
    notice = told if attempts >= MOST_FAILURES else following.notice
    return attrs.evolve(following, attempts=attempts, notice=notice, heard=False)


def _settled(refund: RefundRecord) -> bool:
    return refund.status is not None and refund.status.is_settled


def _in_days(span: timedelta) -> str:
    return "1 day" if span.days == 1 else f"{span.days} days"
