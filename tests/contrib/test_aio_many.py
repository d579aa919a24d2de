"""Many refunds at a time: as they come, each with its own fate, no faster than allowed and no further than taken."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

import pytest
from acme import DONE, Acme
from aiohttp import web

from refundry import (
    InvalidQuery,
    MappingError,
    ProcessorUnavailable,
    Refund,
    RefundNotFound,
    RefundQuery,
    RefundryError,
)
from refundry.http import encode_json
from refundry_aio import AsyncRefundClient

T = TypeVar("T")


class Processor:
    """A server on this loop; ``before`` is awaited for each refund that is asked for."""

    def __init__(self, before: Callable[[str], Awaitable[object]] | None = None) -> None:
        self.asked: list[str] = []
        self.times: list[float] = []
        self.under_way = 0
        self.most_under_way = 0
        self.url = ""
        self._before = before

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[AsyncRefundClient]:
        runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*runner.addresses[0])
        try:
            async with AsyncRefundClient(Acme, **{"key": "k-123456", "base_url": self.url, **options}) as client:
                yield client
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        name = request.path.rpartition("/")[2]
        self.asked.append(name)
        self.times.append(time.monotonic())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self._before is not None:
                await self._before(name)
        finally:
            self.under_way -= 1
        if name.startswith("gone"):
            return web.Response(status=404, body=b"{}")
        if name.startswith("odd"):
            return web.Response(body=b'{"id": [], "status": 1}')
        if name.startswith("down"):
            return web.Response(status=503)
        return web.Response(body=encode_json({**DONE, "id": name}))


def run(what: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine on a loop of its own; nothing may be left over on it."""

    async def alone() -> T:
        result = await what
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(alone())


def numbered(count: int) -> Iterator[RefundQuery]:
    return (RefundQuery(connector_refund_id=f"r{number}") for number in range(count))


class Counted:
    """An endless iterator that says how much of it was taken."""

    taken = 0

    def __iter__(self) -> Iterator[RefundQuery]:
        while True:
            self.taken += 1
            yield RefundQuery(connector_refund_id=f"r{self.taken}")


def test_each_query_comes_with_its_refund() -> None:
    async def ask() -> list[Any]:
        async with Processor().client() as acme:
            queries = [{"connector_refund_id": "r1"}, RefundQuery(connector_refund_id="r2"), {"refund_id": "r3"}]
            outcomes = [pair async for pair in acme.get_many(queries)]
            assert all(any(query is given for given in queries) for query, _ in outcomes)
            return outcomes

    outcomes = run(ask())
    assert sorted(refund.connector_refund_id for _, refund in outcomes) == ["r1", "r2", "r3"]
    assert all(isinstance(refund, Refund) for _, refund in outcomes)


def test_nothing_to_ask_is_nothing() -> None:
    async def ask() -> list[Any]:
        async with Processor().client() as acme:
            return [pair async for pair in acme.get_many([])]

    assert run(ask()) == []


def test_results_come_as_they_come() -> None:
    async def ask() -> list[str | None]:
        slow = asyncio.Event()

        async def before(name: str) -> None:
            if name == "r0":
                await slow.wait()

        async with Processor(before).client() as acme:
            order: list[str | None] = []
            async for query, _ in acme.get_many(numbered(20), concurrency=2):
                order.append(query.connector_refund_id)
                if len(order) == 19:
                    slow.set()
            return order

    order = run(ask())
    assert order == [f"r{number}" for number in range(1, 20)] + ["r0"]


def test_one_that_fails_harms_no_other() -> None:
    names = ["r1", "gone1", "odd1", "down1", "", "r2", "r3"]

    async def ask() -> dict[str, Refund | RefundryError]:
        processor = Processor()
        async with processor.client() as acme:
            queries = [{"connector_refund_id": name} for name in names]
            pairs = acme.get_many(queries, concurrency=3)
            return {query["connector_refund_id"]: outcome async for query, outcome in pairs}

    outcomes = run(ask())
    assert {name: type(outcome) for name, outcome in outcomes.items()} == {
        "r1": Refund,
        "gone1": RefundNotFound,
        "odd1": MappingError,
        "down1": ProcessorUnavailable,
        "": InvalidQuery,
        "r2": Refund,
        "r3": Refund,
    }


@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_so_many_are_asked_for_at_a_time_and_no_more(concurrency: int) -> None:
    async def ask() -> int:
        full = asyncio.Event()

        async def before(name: str) -> None:
            if processor.under_way == concurrency:
                full.set()
            await full.wait()

        processor = Processor(before)
        async with processor.client() as acme:
            outcomes = [outcome async for _, outcome in acme.get_many(numbered(200), concurrency=concurrency)]
            assert len({outcome.connector_refund_id for outcome in outcomes if isinstance(outcome, Refund)}) == 200
        return processor.most_under_way

    assert run(ask()) == concurrency


def test_queries_are_taken_no_further_than_their_results() -> None:
    async def ask() -> None:
        queries = Counted()
        async with Processor().client() as acme, aclosing(acme.get_many(queries, concurrency=4)) as pairs:
            for number in range(1, 30):
                await anext(pairs)
                if number % 10 == 0:
                    await asyncio.sleep(0.05)
                assert queries.taken <= number + 2 * 4

    run(ask())


def test_a_slow_source_does_not_hold_results_back() -> None:
    async def ask() -> None:
        more = asyncio.Event()

        async def queries() -> AsyncIterator[RefundQuery]:
            yield RefundQuery(connector_refund_id="r1")
            await more.wait()
            yield RefundQuery(connector_refund_id="r2")

        async with Processor().client() as acme, aclosing(acme.get_many(queries())) as pairs:
            assert (await asyncio.wait_for(anext(pairs), 2))[0].connector_refund_id == "r1"
            more.set()
            assert (await anext(pairs))[0].connector_refund_id == "r2"

    run(ask())


def test_what_the_source_raises_is_raised() -> None:
    def queries() -> Iterator[RefundQuery]:
        yield RefundQuery(connector_refund_id="r1")
        raise LookupError("the table is gone")

    async def ask() -> None:
        async with Processor().client() as acme:
            async for _ in acme.get_many(queries(), concurrency=1):
                pass

    with pytest.raises(LookupError, match="the table is gone"):
        run(ask())


def test_what_nobody_foresaw_is_raised_and_is_no_outcome() -> None:
    class Broken(dict[str, str]):
        def items(self) -> Any:
            raise RuntimeError("broken")

    async def ask() -> None:
        async with Processor().client() as acme:
            async for _ in acme.get_many(itertools.chain(numbered(3), [Broken()], numbered(1000))):
                pass

    with pytest.raises(RuntimeError, match="broken"):
        run(ask())


@pytest.mark.parametrize("close", [True, False])
def test_leaving_the_loop_stops_what_is_under_way(close: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        async def before(name: str) -> None:
            if name != "r1":
                await asyncio.sleep(60)

        processor = Processor(before)
        async with processor.client() as acme:
            if close:
                async with aclosing(acme.get_many(Counted(), concurrency=8)) as pairs:
                    async for _ in pairs:
                        break
            else:
                async for _ in acme.get_many(Counted(), concurrency=8):
                    break
            gc.collect()
            async with asyncio.timeout(2):
                while acme._transport._opened().connector._acquired:  # type: ignore[union-attr]
                    await asyncio.sleep(0.01)
            assert len(processor.asked) <= 9
            assert (await acme.get(connector_refund_id="r1")).connector_refund_id == "r1"

    run(ask())
    assert caplog.records == []


def test_leaving_the_loop_and_the_client_at_once_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        async with Processor().client() as acme:
            async for _ in acme.get_many(Counted(), concurrency=8):
                break

    asyncio.run(ask())
    gc.collect()
    assert caplog.records == []


def test_a_cancelled_consumer_stops_what_is_under_way() -> None:
    async def ask() -> None:
        async def before(name: str) -> None:
            await asyncio.sleep(60)

        async def consume(acme: AsyncRefundClient) -> None:
            async for _ in acme.get_many(Counted(), concurrency=8):
                pass

        processor = Processor(before)
        async with processor.client() as acme:
            consuming = asyncio.create_task(consume(acme))
            while processor.under_way < 8:
                await asyncio.sleep(0.01)
            consuming.cancel()
            with pytest.raises(asyncio.CancelledError):
                await consuming
            async with asyncio.timeout(2):
                while processor.under_way:
                    await asyncio.sleep(0.01)

    run(ask())


def test_the_accounts_rate_is_kept() -> None:
    async def ask() -> float:
        processor = Processor()
        async with processor.client(rate_limit=50) as acme:
            started = time.monotonic()
            outcomes = [outcome async for _, outcome in acme.get_many(numbered(20), concurrency=64)]
            assert all(isinstance(outcome, Refund) for outcome in outcomes)
        return processor.times[-1] - started

    assert run(ask()) >= 19 / 50


def test_a_rate_much_lower_than_the_concurrency_lets_no_query_miss_its_deadline() -> None:
    async def ask() -> list[Any]:
        async with Processor().client(rate_limit=16, timeout=1) as acme:
            return [outcome async for _, outcome in acme.get_many(numbered(24), concurrency=64)]

    assert [type(outcome) for outcome in run(ask())] == [Refund] * 24


def test_none_at_a_time_is_refused() -> None:
    acme = AsyncRefundClient(Acme, key="k-123456")
    with pytest.raises(ValueError, match="at least 1"):
        acme.get_many([], concurrency=0)
