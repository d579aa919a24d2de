"""A pass of the ledger's tracker, beside what asking alone takes it, on threads and with an asynchronous client.

python tests/benchmarks/tracking.py [--refunds N] [--rounds N]

What the two ways of asking differ by is what the tracker could gain by an asynchronous client, at most.
"""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from answering import KEY
from measuring import COSTS, Cost, Table, cost_of, cost_rows, read_options, serving

from refundry import Refund, RefundClient, RefundQuery
from refundry_aio import AsyncRefundClient
from refundry_ledger import Ledger


def one_pass(client: RefundClient, wanted: list[RefundQuery], concurrency: int) -> Cost:
    """The tracker's pass over these refunds, on a ledger in which they alone are due."""
    with TemporaryDirectory() as folder, Ledger.open(str(Path(folder) / "refunds.db")) as ledger:
        ledger.track_many("stripe", [(query, None) for query in wanted])

        def run() -> None:
            assert ledger.run_once([client], limit=len(wanted), concurrency=concurrency).done == len(wanted)

        return cost_of(run, len(wanted))


def on_threads(client: RefundClient, wanted: list[RefundQuery], concurrency: int) -> Cost:
    """Asking alone, as the tracker does it."""

    def ask() -> None:
        with ThreadPoolExecutor(concurrency) as pool:
            assert all(isinstance(outcome, Refund) for outcome in pool.map(client.get, wanted))

    return cost_of(ask, len(wanted))


def on_a_loop(client: RefundClient, wanted: list[RefundQuery], concurrency: int) -> Cost:
    """Asking alone, with an asynchronous client like the tracker's."""

    async def ask() -> None:
        async with AsyncRefundClient.like(client) as asking:
            async for _, outcome in asking.get_many(wanted, concurrency=concurrency):
                assert isinstance(outcome, Refund)

    return cost_of(lambda: asyncio.run(ask()), len(wanted))


def main() -> None:
    """Let the ways take turns."""
    options = read_options(__doc__, refunds=1000, rounds=3)
    # With ids as long as that of the server's answer, which it replaces.
    wanted = [RefundQuery(connector_refund_id=f"re_3Benchmark{number:04}") for number in range(options.refunds)]
    ways = {"Ledger.run_once": one_pass, "asking alone, threads": on_threads, "asking alone, get_many": on_a_loop}
    costs: dict[str, list[Cost]] = {f"{name}, {count} at a time": [] for count in (4, 16) for name in ways}
    with serving() as url, RefundClient("stripe", api_key=KEY, base_url=url, rate_limit=math.inf) as client:
        for _ in range(options.rounds):
            for count in (4, 16):
                for name, way in ways.items():
                    costs[f"{name}, {count} at a time"].append(way(client, wanted, count))
    title = f"A pass over {options.refunds} refunds that are due, in SQLite"
    Table("tracking", title, COSTS, cost_rows(costs)).publish(options.results)


if __name__ == "__main__":
    main()
