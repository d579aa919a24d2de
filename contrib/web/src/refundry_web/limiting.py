"""How often one token, or one address with wrong tokens, may come; and what may be used only once."""

from __future__ import annotations

import math
import threading
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from refundry_web.problems import Problem
from refundry_web.settings import Settings


class Limits:
    """The rate limits of one process. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(settings.requests_per_minute, namespace="requests")
        self._failures = RateLimitItemPerMinute(settings.failures_per_minute, namespace="failures")

    def request(self, token_id: str) -> None:
        """Count a request of a token. Raises `Problem` 429 when it comes too often."""
        if not self._windows.hit(self._requests, token_id):
            raise self._too_often(self._requests, token_id)

    def failure(self, address: str) -> None:
        """Count a wrong token from an address. Raises `Problem` 429 for one more after too many."""
        if not self._windows.hit(self._failures, address):
            raise self._too_often(self._failures, address)

    def _too_often(self, item: RateLimitItemPerMinute, key: str) -> Problem:
        reset = self._windows.get_window_stats(item, key).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        return Problem(429, "too many requests: come again later", {"Retry-After": str(wait)})


class UsedCodes:
    """The codes that have been used. Safe to share between threads."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._lock = threading.Lock()

    def use(self, code: str) -> bool:
        """Use a code; False if it was used before."""
        with self._lock:
            is_new = code not in self._used
            self._used.add(code)
            return is_new
