"""What `AsyncRefundClient.get` reaches, as a share of bare aiohttp, with `get_many` and `RefundClient.get` beside it.

python tests/benchmarks/aio.py [--rounds N] [--calls N]

The first share is of calls per second, the second of CPU time, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import NamedTuple

import aiohttp

from refundry import RefundClient
from refundry_aio import AsyncRefundClient

REFUND = "re_3Benchmark0001"
KEY = "sk_test_benchmark"


class Cost(NamedTuple):
    """What one call took, in seconds."""

    wall: float
    cpu: float


async def cost_of(work: Coroutine[object, object, object], calls: int) -> Cost:
    """The cost of each of so many calls that are made in this work."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work
    return Cost((time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls)


async def repeat(call: Callable[[], Awaitable[object]], calls: int, concurrency: int) -> None:
    """So many calls, so many of them at a time."""

    async def some() -> None:
        for _ in range(calls // concurrency):
            await call()

    await asyncio.gather(*(some() for _ in range(concurrency)))


async def ask_many(client: AsyncRefundClient, calls: int, concurrency: int) -> None:
    """The same by `AsyncRefundClient.get_many`."""
    queries = ({"connector_refund_id": REFUND} for _ in range(calls))
    async for _ in client.get_many(queries, concurrency=concurrency):
        pass


def blocking(url: str, calls: int) -> Cost:
    """The cost of each call of the blocking client."""
    with RefundClient("stripe", api_key=KEY, base_url=url, rate_limit=math.inf) as client:
        client.get(connector_refund_id=REFUND)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            client.get(connector_refund_id=REFUND)
        return Cost((time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls)


def show(name: str, rounds: list[Cost], bare: list[Cost]) -> None:
    """One line, with the medians of the rounds and of their shares."""
    wall = statistics.median(theirs.wall / ours.wall for ours, theirs in zip(rounds, bare, strict=True))
    cpu = statistics.median(theirs.cpu / ours.cpu for ours, theirs in zip(rounds, bare, strict=True))
    rate = 1 / statistics.median(one.wall for one in rounds)
    spent = statistics.median(one.cpu for one in rounds) * 1e6
    print(f"{name:<34}{rate:>8.0f}/s{spent:>10.0f} us CPU{wall:>10.2f}{cpu:>10.2f} of CPU")


async def measure(url: str, rounds: int, calls: int) -> None:
    """Alternate the ways, so that a change of the machine's pace meets all alike."""
    path = f"{url}/v1/refunds/{REFUND}"
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession() as session,
        AsyncRefundClient("stripe", api_key=KEY, base_url=url, rate_limit=math.inf) as client,
    ):

        async def bare() -> object:
            async with session.get(path, headers=headers) as answer:
                return await answer.json()

        async def ours() -> object:
            return await client.get(connector_refund_id=REFUND)

        for concurrency in (1, 8, 64):
            count = max(calls // concurrency, 1) * concurrency
            await repeat(bare, concurrency, concurrency)
            await repeat(ours, concurrency, concurrency)
            by_way: dict[str, list[Cost]] = {"bare aiohttp": [], "AsyncRefundClient.get": [], "get_many": []}
            for _ in range(rounds):
                by_way["bare aiohttp"].append(await cost_of(repeat(bare, count, concurrency), count))
                by_way["AsyncRefundClient.get"].append(await cost_of(repeat(ours, count, concurrency), count))
                by_way["get_many"].append(await cost_of(ask_many(client, count, concurrency), count))
            for way, costs in by_way.items():
                show(f"{way}, {concurrency} at a time", costs, by_way["bare aiohttp"])


def main() -> None:
    """Start the server, measure, and end it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=960)
    options = parser.parse_args()
    script = Path(__file__).with_name("answering.py")
    print(f"{'':<34}{'calls':>10}{'of each':>17}{'ratio':>10}{'ratio':>10}")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{int(server.stdout.readline())}"
            asyncio.run(measure(url, options.rounds, options.calls))
            cost = blocking(url, options.calls)
            print(f"{'RefundClient.get, 1 at a time':<34}{1 / cost.wall:>8.0f}/s{cost.cpu * 1e6:>10.0f} us CPU")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
