"""What may be said about a refund, read from whatever describes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import attrs

from refundry.model import ErrorInfo, Money, Refund, RefundStatus
from refundry.state import CLOCK_SKEW, Flag, State

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""An earlier time is how some system writes none: 1970, or the year 1."""


class HasState(Protocol):
    """Anything with the state of a refund, such as the ledger's history."""

    @property
    def state(self) -> State: ...


@attrs.frozen(kw_only=True)
class Facts:
    """What is known of one refund; None where nobody said."""

    status: RefundStatus | None
    word: str | None
    """The processor's own."""
    reason: str | None
    """Why it failed, in the processor's words."""
    amount: Money | None
    """None also where several were named."""
    reference: str | None
    reached: datetime | None
    """When it came to its status, by the processor or, of a state, by when it was first heard."""
    is_exact: bool
    """False when it may have come to its status before ``reached``."""
    started: datetime | None
    """When the processor made it."""
    open_since: datetime | None
    """It is at least as old as this."""
    flags: frozenset[Flag] = frozenset()


def facts_of(told: Refund | State | HasState, now: datetime) -> Facts:
    """The facts in a refund, in the state of one, or in a history."""
    match told:
        case Refund():
            return _facts_of_refund(told, now)
        case State():
            return _facts_of_state(told, now)
        case _:
            return _facts_of_state(told.state, now)


def clean(text: str) -> str:
    """The text on one line, without what could change the direction of writing."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _facts_of_refund(refund: Refund, now: datetime) -> Facts:
    past = _believable(now)
    return Facts(
        status=refund.status,
        word=_text(refund.connector_status),
        reason=_reason(refund.error),
        amount=refund.refund_amount,
        reference=_text(refund.acquirer_reference_number),
        reached=past(refund.processed_at),
        is_exact=True,
        started=past(refund.created_at),
        open_since=past(refund.created_at),
    )


def _facts_of_state(state: State, now: datetime) -> Facts:
    decisive = state.decided_by
    is_dated = decisive is not None and decisive.is_dated
    # The processor's time is that of its last change: of the settling, if the refund was seen before it settled.
    was_seen_before = bool(decisive and state.first_observed and state.first_observed < decisive.observed_at)
    amounts_differ = state.flags & {Flag.AMOUNT_DIFFERS, Flag.CURRENCY_DIFFERS}
    return Facts(
        status=state.status,
        word=_text(state.connector_status),
        reason=_reason(state.error),
        amount=None if amounts_differ else state.amount,
        reference=_text(state.acquirer_reference_number),
        reached=_believable(now)(state.since),
        is_exact=is_dated and was_seen_before,
        started=None,
        open_since=state.first_observed,
        flags=state.flags,
    )


def _believable(now: datetime) -> Callable[[datetime | None], datetime | None]:
    return lambda moment: moment if moment is not None and _EARLIEST <= moment <= now + CLOCK_SKEW else None


def _reason(error: ErrorInfo | None) -> str | None:
    if error is None:
        return None
    return _text(error.message or error.reason or error.code or error.network_code)


def _text(value: str | None) -> str | None:
    return (clean(value) or None) if value else None
