"""What `AsyncRefundClient` reaches beside bare aiohttp and the official `stripe` package, for the same refund.

python tests/benchmarks/aio.py [--rounds N] [--calls N]
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from answering import KEY, REFUND
from get import stripe_get
from measuring import COSTS, Table, cost_rows, read_options, serving, take_turns, times

from refundry_aio import AsyncRefundClient

Call = Callable[[], Awaitable[object]]
Works = dict[str, Callable[[], object]]


@asynccontextmanager
async def clients(url: str) -> AsyncIterator[tuple[dict[str, Call], AsyncRefundClient]]:
    """The calls that are made so many at a time, and the client for `AsyncRefundClient.get_many`."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession() as session,
        AsyncRefundClient("stripe", api_key=KEY, base_url=url, rate_limit=math.inf) as client,
        stripe_async_get(url) as theirs,
    ):

        async def bare() -> object:
            async with session.get(f"{url}/v1/refunds/{REFUND}", headers=headers) as answer:
                return await answer.json()

        async def ours() -> object:
            return await client.get(connector_refund_id=REFUND)

        yield {"bare aiohttp": bare, "AsyncRefundClient.get": ours, **theirs}, client


@asynccontextmanager
async def stripe_async_get(url: str) -> AsyncIterator[dict[str, Call]]:
    """The same by the `stripe` package on aiohttp, where it is installed."""
    try:
        import stripe
    except ImportError:
        yield {}
        return
    http = stripe.AIOHTTPClient()
    client = stripe.StripeClient(KEY, base_addresses={"api": url}, http_client=http)
    try:
        yield {"stripe package, retrieve_async": lambda: client.v1.refunds.retrieve_async(REFUND)}
    finally:
        await http.close_async()


async def repeat(call: Call, calls: int, concurrency: int) -> None:
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


def works(runner: asyncio.Runner, calls: dict[str, Call], client: AsyncRefundClient, count: int, at_once: int) -> Works:
    """So many calls by each way, on one event loop."""
    made: Works = {name: lambda call=call: runner.run(repeat(call, count, at_once)) for name, call in calls.items()}
    return {**made, "AsyncRefundClient.get_many": lambda: runner.run(ask_many(client, count, at_once))}


def main() -> None:
    """Start the server, let all ways take turns at each concurrency, and end it."""
    options = read_options(__doc__, rounds=9, calls=960)
    with serving() as url, asyncio.Runner() as runner:
        opened = clients(url)
        calls, client = runner.run(opened.__aenter__())
        try:
            for concurrency in (1, 8, 64):
                count = max(options.calls // concurrency, 1) * concurrency
                ways = works(runner, calls, client, count, concurrency)
                ways |= {f"{name}, blocking": times(call, count) for name, call in stripe_get(url).items()}
                costs = take_turns(ways, options.rounds, count)
                title = (
                    f"{concurrency} at a time; the goal is 0.7 of the reference's speed, and 8 times the stripe package"
                )
                Table(f"aio-{concurrency}", title, COSTS, cost_rows(costs), goal=0.7).publish(options.results)
        finally:
            runner.run(opened.__aexit__(None, None, None))


if __name__ == "__main__":
    main()
