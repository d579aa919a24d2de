"""A clock for many who work and wait together: it stands still while anybody is at work."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from refundry_sandbox import SandboxClock

_TICK = 0.1
_LEAST = 1e-6
"""Less than a microsecond a `timedelta` does not hold, and time would stand still for ever."""


class PacedClock:
    """A `refundry.policy.Clock` over a sandbox's clock that stands still.

    Time passes only when all workers sleep, and then up to the moment at which the first of them wakes: no request is
    under way meanwhile, so that no signature or access token grows old because the machine is slow.
    """

    def __init__(self, clock: SandboxClock, workers: int, pace: float) -> None:
        self._clock = clock
        self._awake = workers
        self._pace = pace
        """How many seconds pass in one of the machine's."""
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        """When each wakes, its number, for several may wake at one moment, and what wakes it and no other."""
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        woken = threading.Event()
        with self._lock:
            heapq.heappush(self._sleepers, (self.monotonic() + seconds, next(self._numbers), woken))
            self._rest()
        woken.wait()

    def leave(self) -> None:
        """One worker has nothing more to do."""
        with self._lock:
            self._rest()

    def _rest(self) -> None:
        self._awake -= 1
        if self._awake == 0 and self._sleepers:
            self._pass_time(self._sleepers[0][0])

    def _pass_time(self, until: float) -> None:
        while (left := until - self.monotonic()) > 0:
            seconds = min(left, self._pace * _TICK)
            time.sleep(seconds / self._pace)
            self._clock.move(timedelta(seconds=max(seconds, _LEAST)))
        while self._sleepers and self._sleepers[0][0] <= until:
            _, _, woken = heapq.heappop(self._sleepers)
            self._awake += 1
            woken.set()
