"""Rate limits that hold across all workers, in Redis; and which accounts are slow, for all of them to know."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import attrs
from limits.errors import StorageError
from limits.storage import RedisStorage

from refundry.errors import RateLimited, RetryableError
from refundry.policy import Limiter, RateLimiter

T = TypeVar("T")

HEADROOM = 0.9
"""How much of a limit is used: on their way to the processor requests come closer together."""
_SLOW_FOR = 86_400
_TIMEOUT = 5.0
_CLOCKS_DIFFER = 10
"""Seconds that a slot is remembered after its time, for a machine whose clock is behind."""


class LimitsUnavailable(RetryableError):
    """The Redis that keeps the rate limits cannot be reached: nothing is asked until it can."""


class SharedLimits:
    """The limits of all accounts. Safe to share between threads, but not across a fork.

    Args:
        url: ``redis://...``.
        prefix: begins each key.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._storage = RedisStorage(
            url,
            key_prefix=prefix,
            wrap_exceptions=True,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
        )

    def of(self, account: str) -> Callable[[float | None], Limiter]:
        """What `RefundClient` takes as ``limiter``, for this account."""

        def make(per_second: float | None) -> Limiter:
            # Where nothing is limited there is nothing to share.
            if per_second is None or math.isinf(per_second):
                return RateLimiter(None)
            return SharedLimiter(self._storage, account, 1 / (per_second * HEADROOM))

        return make

    def check(self) -> None:
        """Raise `LimitsUnavailable` unless the limits can be kept."""
        if not self._storage.check():
            raise LimitsUnavailable("the Redis that keeps the rate limits cannot be reached: nothing is asked")

    def mark(self, account: str, *, slow: bool) -> None:
        """Note for all workers whether an account keeps a worker waiting. Raises `LimitsUnavailable`."""
        key = f"slow/{account}"
        _told(lambda: self._storage.incr(key, _SLOW_FOR) if slow else self._storage.clear(key))

    def is_slow(self, account: str) -> bool:
        """Whether it was noted so. Raises `LimitsUnavailable`."""
        return bool(_told(lambda: self._storage.get(f"slow/{account}")))


@attrs.define
class SharedLimiter:
    """A `refundry.policy.Limiter` of many processes.

    Time is cut into slots, of which each is one request's: whoever is the first to count a slot has it.
    """

    storage: RedisStorage
    account: str
    interval: float
    """Seconds of a slot."""
    _last: int = 0
    """The last slot that this process has had; all before it are taken or past."""

    @property
    def per_second(self) -> float:
        """How many requests it lets pass."""
        return 1 / self.interval

    def reserve(self, now: float, longest: float) -> float:
        """Take the next slot that is free and say how many seconds to wait for it.

        Raises `RateLimited` if that is over ``longest``, and `LimitsUnavailable`.
        """
        moment = time.time()
        slot = max(math.floor(moment / self.interval), self._last) + 1
        while (wait := slot * self.interval - moment) <= longest:
            if self._take(slot, wait):
                self._last = slot
                return wait
            slot += 1
        raise RateLimited(
            "all workers together use up the account's rate limit until the deadline: ask less often",
            retry_after=timedelta(seconds=wait),
        )

    def _take(self, slot: int, wait: float) -> bool:
        key, kept = f"slot/{self.account}/{slot}", math.ceil(wait) + _CLOCKS_DIFFER
        return _told(lambda: self.storage.incr(key, kept)) == 1


def _told(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except StorageError:
        raise LimitsUnavailable("the Redis that keeps the rate limits does not answer: nothing is asked") from None
