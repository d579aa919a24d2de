"""One rate limit for all workers, in a real Redis."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import uuid4

import pytest
import redis
from fleets import REDIS, need
from hypothesis import given
from hypothesis import strategies as st

from refundry.errors import RateLimited
from refundry.policy import Limiter
from refundry.testing import Wiring
from refundry_celery.limiting import LimitsUnavailable, SharedLimiter, SharedLimits
from refundry_stripe import Stripe


@pytest.fixture
def prefix() -> Iterator[str]:
    need("Redis", "127.0.0.1", 6379)
    name = f"refundry-{uuid4().hex[:8]}"
    yield name
    with redis.Redis.from_url(REDIS) as server:
        for key in server.scan_iter(f"{name}*"):
            server.delete(key)


def nobody_listens() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"redis://127.0.0.1:{listener.getsockname()[1]}"


def places(limiter: Limiter, count: int) -> list[float]:
    """The moments of so many places, taken without waiting for them."""
    assert isinstance(limiter, SharedLimiter)
    moments = []
    for _ in range(count):
        limiter.reserve(0, 120)
        moments.append(limiter._last * limiter.interval)  # by the time of day it would be inexact on a busy machine
    return moments


def most_in_a_second(moments: list[float]) -> int:
    return max(sum(1 for one in moments if begin <= one < begin + 0.999) for begin in moments)


def test_several_processes_together_keep_the_limit(prefix: str) -> None:
    workers = [SharedLimits(REDIS, prefix).of("shop")(20) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        moments = [one for part in pool.map(lambda worker: places(worker, 40), workers) for one in part]
    assert most_in_a_second(moments) == 18
    assert len({round(one * 18) for one in moments}) == 160


def test_no_place_is_given_twice_and_none_before_its_time(prefix: str) -> None:
    limiter = SharedLimits(REDIS, prefix).of("shop")(100)
    moments = places(limiter, 50)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) > 1 / 100


def test_each_account_has_a_limit_of_its_own(prefix: str) -> None:
    limits = SharedLimits(REDIS, prefix)
    places(limits.of("one")(1), 10)
    assert limits.of("two")(1).reserve(0, 60) <= 1 / 0.9


def test_less_than_one_request_a_second(prefix: str) -> None:
    first, second = places(SharedLimits(REDIS, prefix).of("shop")(0.5), 2)
    assert second - first == pytest.approx(2 / 0.9, abs=0.001)


def test_a_wait_that_is_too_long_is_refused_and_takes_no_place(prefix: str) -> None:
    limiter = SharedLimits(REDIS, prefix).of("shop")(1)
    places(limiter, 50)
    with pytest.raises(RateLimited) as caught:
        limiter.reserve(0, 2)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() > 2
    assert limiter.reserve(0, 120) <= 51 / 0.9


@pytest.mark.parametrize("per_second", [None, float("inf")])
def test_without_a_limit_redis_is_not_needed(per_second: float | None) -> None:
    assert SharedLimits(nobody_listens(), "any").of("shop")(per_second).reserve(0, 0) == 0


def test_without_redis_nothing_is_asked_and_the_error_passes_by_itself() -> None:
    limits, wiring = SharedLimits(nobody_listens(), "any"), Wiring(Stripe)
    client = wiring.client(limiter=limits.of("shop"), rate_limit=5)
    for attempt in (
        limits.check,
        lambda: limits.is_slow("shop"),
        lambda: limits.mark("shop", slow=True),
        lambda: client.get(refund_id="re_1"),
    ):
        with pytest.raises(LimitsUnavailable) as caught:
            attempt()
        assert caught.value.retryable
    assert wiring.sent == []


def test_who_is_slow_is_known_to_all(prefix: str) -> None:
    one, other = SharedLimits(REDIS, prefix), SharedLimits(REDIS, prefix)
    one.check()
    one.mark("shop", slow=True)
    assert (other.is_slow("shop"), other.is_slow("another")) == (True, False)
    other.mark("shop", slow=False)
    assert not one.is_slow("shop")


class CountedElsewhere:
    """A storage in which others have counted some slots."""

    def __init__(self, taken: set[int]) -> None:
        self.taken = taken
        self.lock = threading.Lock()

    def incr(self, key: str, expiry: int) -> int:
        slot = int(key.rpartition("/")[2])
        with self.lock:
            is_new = slot not in self.taken
            self.taken.add(slot)
        return 1 if is_new else 2


@given(st.sets(st.integers(1, 30)), st.floats(0.5, 200))
def test_the_first_free_slot_is_taken(offsets: set[int], per_second: float) -> None:
    interval = 1 / per_second
    base = int(time.time() / interval)
    taken = {base + offset for offset in offsets}
    limiter = SharedLimiter(CountedElsewhere(set(taken)), "shop", interval)  # type: ignore[arg-type]
    limiter.reserve(0, 1e6)
    slot = limiter._last
    assert slot > base
    assert slot not in taken
    assert not [free for free in range(int(time.time() / interval) + 1, slot) if free not in taken]
