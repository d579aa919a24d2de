"""Many questions at a time, with bounds on what is under way and on what is read ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from typing import TypeVar

import attrs

from refundry.errors import RefundryError
from refundry.model import Refund

Q = TypeVar("Q")


@attrs.frozen
class _End:
    """A worker has ended, by itself or by an exception."""

    exception: Exception | None = None


async def each_outcome(
    ask: Callable[[Q], Awaitable[Refund]], queries: Iterable[Q] | AsyncIterable[Q], concurrency: int
) -> AsyncGenerator[tuple[Q, Refund | RefundryError], None]:
    """Each query with its refund or its error, in the order in which they come.

    So many workers ask at a time. At most twice as many queries have been taken whose outcome has not been. Raises what
    the iterable raises.
    """
    outcomes: asyncio.Queue[tuple[Q, Refund | RefundryError] | _End] = asyncio.Queue(concurrency)
    source, turn = _one_by_one(queries), asyncio.Lock()
    workers = {asyncio.create_task(_work(ask, source, turn, outcomes)) for _ in range(concurrency)}
    open_workers = concurrency
    try:
        while open_workers:
            outcome = await outcomes.get()
            if not isinstance(outcome, _End):
                yield outcome
            elif outcome.exception is None:
                open_workers -= 1
            else:
                raise outcome.exception
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await source.aclose()


async def _work(
    ask: Callable[[Q], Awaitable[Refund]],
    source: AsyncGenerator[Q, None],
    turn: asyncio.Lock,
    outcomes: asyncio.Queue[tuple[Q, Refund | RefundryError] | _End],
) -> None:
    end = _End()
    try:
        while True:
            async with turn:
                query = await anext(source)
            await outcomes.put((query, await _outcome(ask, query)))
    except StopAsyncIteration:
        pass
    except Exception as exception:  # noqa: BLE001  raised again by whoever iterates
        end = _End(exception)
    await outcomes.put(end)


async def _outcome(ask: Callable[[Q], Awaitable[Refund]], query: Q) -> Refund | RefundryError:
    try:
        return await ask(query)
    except RefundryError as error:
        return error


async def _one_by_one(queries: Iterable[Q] | AsyncIterable[Q]) -> AsyncGenerator[Q, None]:
    if isinstance(queries, AsyncIterable):
        async for query in queries:
            yield query
    else:
        for query in queries:
            yield query
