"""Waiting for a refund to settle, as steps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

import attrs

from refundry.errors import AmbiguousRefund, NotARefund, RefundNotFound, RefundryError, RetryableError
from refundry.exchange import Exchange
from refundry.model import Refund, RefundQuery
from refundry.schedule import next_delay, spread
from refundry.steps import Pause, Steps


class WaitEnd(StrEnum):
    """Why a wait stopped."""

    SETTLED = "settled"
    """The refund is SUCCEEDED or FAILED."""
    OPEN = "open"
    """Time is up, and the refund is still pending, under review or unknown."""
    NOT_FOUND = "not found"
    """Time is up, and the processor does not show the refund yet."""
    UNREACHABLE = "unreachable"
    """Time is up, and the last tries met errors that pass by themselves; see ``error``."""


@attrs.frozen(kw_only=True)
class WaitOutcome:
    """What a wait came to."""

    reason: WaitEnd
    refund: Refund | None
    """The last answer; None where there was none."""
    polls: int
    """How often the processor was asked."""
    waited: timedelta
    error: RefundryError | None = None
    """The last error, where the last try met one."""

    @property
    def explanation(self) -> str:
        """One sentence that says why it stopped."""
        asked = f"asked {self.polls} times in {self.waited.total_seconds():.0f} s"
        status = self.refund.status.value if self.refund else "not known"
        match self.reason:
            case WaitEnd.SETTLED:
                return f"The refund is settled: {status} ({asked})."
            case WaitEnd.OPEN:
                return f"Time is up and the refund is still {status} ({asked})."
            case WaitEnd.NOT_FOUND:
                return f"Time is up and the processor does not show the refund yet ({asked})."
            case WaitEnd.UNREACHABLE:
                return f"Time is up and the processor could not be asked: {self.error} ({asked})."


def wait_for(
    exchange: Exchange, query: RefundQuery, timeout: timedelta, on_poll: Callable[[Refund], None] | None = None
) -> Steps[WaitOutcome]:
    """Ask until the refund settles or time is up; the last look is at the very end."""
    clock, connector = exchange.policy.clock, exchange.account.connector
    started = clock.monotonic()
    refund: Refund | None = None
    polls = 0
    while True:
        polls += 1
        error: RefundryError | None = None
        try:
            refund = yield from exchange.get(query)
        except (RefundNotFound, RetryableError) as met:
            waited = timedelta(seconds=clock.monotonic() - started)
            if not _may_pass(met, waited, connector.visible_after, seen=refund is not None):
                raise
            error = met
        else:
            if on_poll is not None:
                on_poll(refund)
        waited = timedelta(seconds=clock.monotonic() - started)
        settled = error is None and refund is not None and refund.status.is_settled
        if settled or waited >= timeout:
            reason = WaitEnd.SETTLED if settled else _reason(error)
            return WaitOutcome(reason=reason, refund=refund, polls=polls, waited=waited, error=error)
        delay = spread(next_delay(connector.schedule, waited), exchange.policy.chance())
        yield Pause(min(delay, timeout - waited).total_seconds())


def _may_pass(error: RefundryError, waited: timedelta, visible_after: timedelta, *, seen: bool) -> bool:
    if isinstance(error, RefundNotFound):
        wrong = isinstance(error, NotARefund | AmbiguousRefund)
        return not wrong and not seen and waited < visible_after
    return error.retryable


def _reason(error: RefundryError | None) -> WaitEnd:
    if error is None:
        return WaitEnd.OPEN
    return WaitEnd.NOT_FOUND if isinstance(error, RefundNotFound) else WaitEnd.UNREACHABLE
