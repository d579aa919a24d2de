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
    take = _taker(queries)
    workers = {asyncio.create_task(_work(ask, take, outcomes)) for _ in range(concurrency)}
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


async def _work(
    ask: Callable[[Q], Awaitable[Refund]],
    take: Callable[[], Awaitable[Q]],
    outcomes: asyncio.Queue[tuple[Q, Refund | RefundryError] | _End],
) -> None:
    end = _End()
    try:
        while True:
            query = await take()
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


def _taker(queries: Iterable[Q] | AsyncIterable[Q]) -> Callable[[], Awaitable[Q]]:
    """What gives the next query, to one worker at a time; it raises `StopAsyncIteration` after the last one."""
    if isinstance(queries, AsyncIterable):
        return _taker_in_turn(queries)
    plain = iter(queries)

    async def take() -> Q:
        try:
            return next(plain)
        except StopIteration:
            raise StopAsyncIteration from None

    return take


def _taker_in_turn(queries: AsyncIterable[Q]) -> Callable[[], Awaitable[Q]]:
    source, turn = aiter(queries), asyncio.Lock()

    async def take() -> Q:
        async with turn:
            return await anext(source)

    return take
