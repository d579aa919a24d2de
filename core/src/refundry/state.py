"""The state of a refund: what the observations of its history add up to.

`fold` puts the observations of one refund in order and walks through `TRANSITIONS`, the only place that says what an
observation does to a status. It counts the same evidence once, and every order of arrival gives the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce

import attrs

from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN, ErrorInfo, Money, RefundStatus
from refundry.observation import ASKED
from refundry.observation import CLOCK_SKEW as CLOCK_SKEW
from refundry.observation import Observation as Observation
from refundry.observation import Source as Source
from refundry.observation import observe as observe
from refundry.observation import observe_gone as observe_gone

SAME_MOMENT = timedelta(seconds=30)
"""An answer that came so soon after a processor's time may be older than what the time is of."""


class Flag(StrEnum):
    """What is odd about a history. No flag changes the status."""

    REGRESSED = "regressed"
    """A success turned into a failure: a bank returned the money, say."""
    RECOVERED = "recovered"
    """A failure turned into a success."""
    REOPENED = "reopened"
    """The processor dates an open status after a settled one."""
    AMOUNT_DIFFERS = "amount differs"
    """Two observations, or one and what was expected, give different amounts of one currency."""
    CURRENCY_DIFFERS = "currency differs"
    UNKNOWN_WORD = "unknown word"
    """The newest thing said is not in the connector's status table."""
    DISPUTED = "disputed"
    """The processor was asked after the status changed, and its newest answer says otherwise."""
    GONE = "gone"
    """The processor showed the refund once and knows it no longer."""
    FOREIGN = "foreign"
    """The refund belongs to another account of the processor."""


ATTENTION = frozenset(Flag) - {Flag.FOREIGN}
"""The flags that a person should look at."""


@attrs.frozen(kw_only=True)
class State:
    """What the history of one refund adds up to."""

    status: RefundStatus | None = None
    """None until something was said."""
    since: datetime | None = None
    """When it came to this status: the processor's time where it gave one, else when it was first heard."""
    connector_status: str | None = None
    """The newest word of the processor for this status."""
    amount: Money | None = None
    """The newest amount."""
    error: ErrorInfo | None = None
    """Why it failed, by the newest observation of this status."""
    acquirer_reference_number: str | None = None
    """The newest."""
    first_observed: datetime | None = None
    last_observed: datetime | None = None
    flags: frozenset[Flag] = frozenset()
    decided_by: Observation | None = None
    """The observation that brought the status."""
    observations: int = 0
    """How many there are, each evidence counted once."""


@attrs.frozen
class Move:
    """What an observation does to a status."""

    to: RefundStatus
    flag: Flag | None = None
    dated: bool = attrs.field(default=False, kw_only=True)
    """It counts only when the processor itself dates it later; otherwise it is a late arrival and changes nothing."""


TRANSITIONS: Mapping[tuple[RefundStatus | None, RefundStatus], Move] = {
    # While nothing is settled the newest word counts.
    **{(known, said): Move(said) for known in (None, PENDING, MANUAL_REVIEW, UNKNOWN) for said in RefundStatus},
    (SUCCEEDED, SUCCEEDED): Move(SUCCEEDED),
    (SUCCEEDED, FAILED): Move(FAILED, Flag.REGRESSED),
    (SUCCEEDED, PENDING): Move(PENDING, Flag.REOPENED, dated=True),
    (SUCCEEDED, MANUAL_REVIEW): Move(MANUAL_REVIEW, Flag.REOPENED, dated=True),
    (SUCCEEDED, UNKNOWN): Move(SUCCEEDED),
    (FAILED, FAILED): Move(FAILED),
    (FAILED, SUCCEEDED): Move(SUCCEEDED, Flag.RECOVERED),
    (FAILED, PENDING): Move(PENDING, Flag.REOPENED, dated=True),
    (FAILED, MANUAL_REVIEW): Move(MANUAL_REVIEW, Flag.REOPENED, dated=True),
    (FAILED, UNKNOWN): Move(FAILED),
}
"""By what is known and what is said: what is known then."""

_LIFE = (UNKNOWN, PENDING, MANUAL_REVIEW, SUCCEEDED, FAILED)


def in_order(observations: Iterable[Observation]) -> list[Observation]:
    """Each evidence once, oldest first, whatever the order in which they came.

    At one moment the order is that of a refund's usual life: unknown, pending, in review, succeeded, failed, gone; then
    that of the evidence.
    """
    once: dict[str, Observation] = {}
    for one in observations:
        known = once.setdefault(one.evidence, one)
        if one.observed_at < known.observed_at:
            once[one.evidence] = one
    return [once[evidence] for evidence in sorted(once, key=lambda key: _place(once[key], key))]


def _place(one: Observation, evidence: str) -> tuple[datetime, bool, int, str]:
    return one.moment, one.kind == "gone", _LIFE.index(one.status), evidence


def fold(observations: Iterable[Observation], *, expected: Money | None = None) -> State:
    """The state of the one refund that these observations are about; ``expected`` is the amount it should have."""
    history = in_order(observations)
    said = [one for one in history if one.kind == "status"]
    state = reduce(_step, said, State())
    seen = [one.observed_at for one in said]
    return attrs.evolve(
        state,
        first_observed=min(seen, default=None),
        last_observed=max(seen, default=None),
        flags=state.flags | _flags(history, said, state) | _money_flags(said, expected),
        observations=len(history),
    )


def _step(state: State, said: Observation) -> State:
    number = said.acquirer_reference_number or state.acquirer_reference_number
    state = attrs.evolve(state, amount=said.amount or state.amount, acquirer_reference_number=number)
    move = TRANSITIONS[state.status, said.status]
    if move.to is state.status:
        if said.status is not state.status:
            return state
        return attrs.evolve(state, connector_status=said.connector_status, error=said.error or state.error)
    if move.dated and (not said.is_dated or said.moment == state.since):
        return state
    return attrs.evolve(
        state,
        status=move.to,
        since=said.moment,
        connector_status=said.connector_status,
        error=said.error,
        flags=state.flags | ({move.flag} if move.flag else set()),
        decided_by=said,
    )


def _flags(history: Sequence[Observation], said: Sequence[Observation], state: State) -> set[Flag]:
    if not said:
        return set()
    found = {
        Flag.GONE: history[-1].kind == "gone",
        Flag.UNKNOWN_WORD: said[-1].status is UNKNOWN,
        Flag.FOREIGN: any(one.foreign for one in said),
        Flag.DISPUTED: _disputed(said, state),
    }
    return {flag for flag, present in found.items() if present}


def _disputed(said: Sequence[Observation], state: State) -> bool:
    answers = [one for one in said if one.source in ASKED]
    if not answers or state.since is None or state.decided_by is None:
        return False
    newest = max(answers, key=lambda one: (one.observed_at, one.moment, one.evidence))
    # Processors often give whole seconds, of a clock that is not ours.
    doubt = SAME_MOMENT if state.decided_by.is_dated else timedelta(0)
    return newest.observed_at > state.since + doubt and newest.status not in (state.status, UNKNOWN)


def _money_flags(said: Sequence[Observation], expected: Money | None) -> set[Flag]:
    amounts = {one.amount for one in said if one.amount} | ({expected} if expected else set())
    currencies = {amount.currency for amount in amounts}
    flags = {Flag.CURRENCY_DIFFERS} if len(currencies) > 1 else set()
    return flags | {Flag.AMOUNT_DIFFERS} if len(amounts) > len(currencies) else flags


def diagram() -> str:
    """The transition table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for (known, said), move in TRANSITIONS.items():
        if move.to is not known:
            notes = ", ".join(note for note in (move.flag, "if dated later" if move.dated else None) if note)
            lines.append(f"    {known or '[*]'} --> {said}{f': {notes}' if notes else ''}")
    return "\n".join(lines) + "\n"
