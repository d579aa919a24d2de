"""How often, how fast and how long: retries, their budget, rate limits and deadlines, over a replaceable clock."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import attrs

from refundry.errors import RateLimited, RefundryError, RetryableError

MOST_TRIES = 3
_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 8.0


class Clock(Protocol):
    """Time, as the client sees it."""

    def now(self) -> datetime:
        """The time of day, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class RetryBudget:
    """Stops retries when most requests fail, so that a processor in trouble gets hardly more requests than before.

    Each failure takes one, each success gives a tenth back; there are no retries while half or less is left.
    """

    def __init__(self, size: float = 10.0, refund: float = 0.1) -> None:
        self._size = size
        self._left = size
        self._refund = refund
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """A request was answered."""
        if self._left >= self._size:
            return
        with self._lock:
            self._left = min(self._size, self._left + self._refund)

    def failed(self) -> None:
        """A request met an error that passes by itself."""
        with self._lock:
            self._left = max(0.0, self._left - 1)

    def allows(self) -> bool:
        """Whether there may be a retry now."""
        return self._left > self._size / 2


class Limiter(Protocol):
    """The rate limit of one account, as the client sees it."""

    @property
    def per_second(self) -> float | None:
        """How many requests it lets pass; None: as many as come."""

    def reserve(self, now: float, longest: float) -> float:
        """Take a place and say how many seconds to wait for it; a limiter that waits by itself says 0.

        Raises `RateLimited` if that is over ``longest``, and any other `RetryableError` while places cannot be told.
        """
        ...


class RateLimiter:
    """Spaces requests evenly, so that no second sees more than ``per_second`` of them; None limits nothing."""

    def __init__(self, per_second: float | None) -> None:
        self.per_second = per_second
        self._interval = 1 / per_second if per_second else 0.0
        self._next = float("-inf")
        self._lock = threading.Lock()

    def reserve(self, now: float, longest: float) -> float:
        """Take a place and say how many seconds to wait for it. Raises `RateLimited` if that is over ``longest``."""
        if not self._interval:
            return 0.0
        with self._lock:
            slot = max(self._next, now)
            wait = slot - now
            if wait > longest:
                raise RateLimited(
                    "the account's rate limit leaves no time before the deadline: ask less often or allow more time",
                    retry_after=timedelta(seconds=wait),
                )
            self._next = slot + self._interval
        return wait


@attrs.define
class Policy:
    """What one client keeps between requests: its clock, its rate limiter and its retry budget."""

    clock: Clock = attrs.field(factory=SystemClock)
    limiter: Limiter = attrs.field(factory=lambda: RateLimiter(None))
    budget: RetryBudget = attrs.field(factory=RetryBudget)
    chance: Callable[[], float] = random.random

    def retry_delay(self, tries: int, error: RefundryError, remaining: float) -> float | None:
        """Seconds to wait before the next try after this many; None: give up."""
        if not error.retryable or tries >= MOST_TRIES or not self.budget.allows():
            return None
        backoff = self.chance() * min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** (tries - 1))
        asked = error.retry_after if isinstance(error, RetryableError) else None
        delay = max(backoff, asked.total_seconds() if asked else 0.0)
        return delay if delay < remaining else None
