"""One iterator over all pages of a listing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from refundry.errors import MappingError
from refundry.listing import Pages
from refundry.model import Refund, RefundQuery
from refundry.steps import Steps

logger = logging.getLogger("refundry.listing")


class AsyncRefundIterator(AsyncIterator[Refund]):
    """Iterates over a listing and keeps in ``problems`` what could not be read."""

    def __init__(self, pages: Pages, drive: Callable[[Steps[Any]], Awaitable[Any]]) -> None:
        self.problems: list[MappingError] = []
        self.pages = 0
        """How many pages have come so far."""
        self._pages = pages
        self._drive = drive
        self._refunds: deque[Refund] = deque()
        self._hints: deque[RefundQuery] = deque()
        self._ended = False

    async def __anext__(self) -> Refund:
        while not self._ended:
            if self._refunds:
                refund = self._refunds.popleft()
                self._pages.exchange.observed(refund, "list")
                return refund
            if self._hints:
                found = await self._look_up()
                if found is not None:
                    return found
            else:
                await self._turn()
        raise StopAsyncIteration

    async def _look_up(self) -> Refund | None:
        # A cancelled look-up leaves the hint where it is, so that whoever goes on loses nothing.
        found: Refund | MappingError | None = await self._drive(self._pages.look_up(self._hints[0]))
        self._hints.popleft()
        if isinstance(found, MappingError):
            self._report(found)
            return None
        return found

    async def _turn(self) -> None:
        page = await self._drive(self._pages.next_page())
        if page is None:
            self._ended = True
            return
        self.pages += 1
        for problem in page.problems:
            self._report(problem)
        self._refunds.extend(page.refunds)
        self._hints.extend(page.hints)

    def _report(self, problem: MappingError) -> None:
        logger.warning("an item of a list could not be read: %s", problem.message)
        self.problems.append(problem)
