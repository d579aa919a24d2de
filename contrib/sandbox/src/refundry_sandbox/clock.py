"""The sandbox's clock: days of waiting in seconds, or a time that stands still until it is moved."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """A `refundry.policy.Clock` that runs ``speed`` times as fast as the machine's.

    With ``speed=0`` time stands still: only `move` and `sleep` advance it, and both return at once. Safe to share
    between threads.
    """

    def __init__(self, speed: float = 1.0, start: datetime | None = None) -> None:
        if speed < 0:
            raise ValueError("speed is negative: time does not run backwards")
        self.speed = speed
        self._start = (start or datetime.now(UTC)).astimezone(UTC)
        self._began = time.monotonic()
        self._moved = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (time.monotonic() - self._began) * self.speed + self._moved

    def sleep(self, seconds: float) -> None:
        if self.speed:
            time.sleep(seconds / self.speed)
        else:
            self.move(timedelta(seconds=seconds))

    def move(self, by: timedelta) -> None:
        """Let this much time pass at once. Raises ``ValueError`` for a negative one."""
        if by < timedelta(0):
            raise ValueError("time does not run backwards: give a positive duration")
        with self._lock:
            self._moved += by.total_seconds()
