"""Listing: windows, pages, hints, and one iterator over all of it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from refundry.account import Account
from refundry.connector import Listing
from refundry.errors import InvalidQuery, MappingError, NotARefund, RefundryError, UnsupportedOperation
from refundry.exchange import Exchange
from refundry.model import Refund, RefundPage, RefundQuery, Window
from refundry.steps import Steps

_DEFAULT_DAYS = 30
_MOST_IDLE_PAGES = 1000

logger = logging.getLogger("refundry.listing")


def check_window(
    account: Account,
    since: datetime | None,
    until: datetime | None,
    *,
    connector_transaction_id: str | None,
    page_size: int | None,
    now: datetime,
) -> Window:
    """The window of a listing. Raises `UnsupportedOperation` or `InvalidQuery`."""
    name = account.connector.name
    for field, value in (("since", since), ("until", until)):
        if value is not None and value.tzinfo is None:
            raise InvalidQuery(f"{field} has no time zone: give an aware datetime", connector=name, operation="list")
    try:
        account.require("list")
        listing = _listing(account, connector_transaction_id)
        # A query checks an identifier, which then is as safe in a list as it is in a get.
        RefundQuery(connector_transaction_id=connector_transaction_id)
    except RefundryError as error:
        error.connector, error.operation = name, "list"
        raise
    end = (until or now).astimezone(UTC)
    start = since.astimezone(UTC) if since else end - timedelta(days=_DEFAULT_DAYS)
    if start >= end:
        raise InvalidQuery("since must be before until", connector=name, operation="list")
    if page_size is not None and not 1 <= page_size <= listing.max_page_size:
        raise InvalidQuery(f"page_size must be from 1 to {listing.max_page_size}", connector=name, operation="list")
    return Window(
        since=start,
        until=end,
        connector_transaction_id=connector_transaction_id,
        page_size=page_size or listing.max_page_size,
    )


def _listing(account: Account, connector_transaction_id: str | None) -> Listing:
    connector = account.connector
    listing = connector.listing
    if listing is None:
        raise UnsupportedOperation(f"{connector.title} has no list of refunds")
    by_payment = listing.by_payment or listing.basis == "payment"
    if connector_transaction_id is not None and not by_payment:
        raise UnsupportedOperation(f"{connector.title} cannot list the refunds of one payment: list by time")
    if connector_transaction_id is None and listing.basis == "payment":
        raise UnsupportedOperation(f"{connector.title} lists by payment alone: give connector_transaction_id")
    return listing


def split(window: Window, max_days: int | None) -> list[Window]:
    """The window in parts of at most so many days, oldest first."""
    if max_days is None or window.connector_transaction_id is not None:
        return [window]
    parts = []
    start, step = window.since, timedelta(days=max_days)
    while start < window.until:
        end = min(start + step, window.until)
        parts.append(attrs.evolve(window, since=start, until=end))
        start = end
    return parts


class Pages:
    """The pages of a window, one after the other, as steps. Each refund comes once."""

    def __init__(self, exchange: Exchange, window: Window) -> None:
        self.exchange = exchange
        listing = exchange.account.connector.listing
        self._windows = deque(split(window, listing.max_days if listing else None))
        self._by_time = listing is not None and listing.basis == "created" and window.connector_transaction_id is None
        self._cursor: str | None = None
        self._used: set[str] = set()
        self._seen: set[str] = set()
        self._hinted: set[tuple[tuple[str, str], ...]] = set()
        self._idle = 0

    def next_page(self) -> Steps[RefundPage | None]:
        """The next page with its new refunds, None after the last."""
        if not self._windows:
            return None
        window = self._windows[0]
        page = yield from self.exchange.page(window, self._cursor)
        new = [refund for refund in page.refunds if self._is_new(refund)]
        hints = [hint for hint in page.hints if self._is_new_hint(hint)]
        self._advance(page.cursor, idle=not new and not hints)
        return attrs.evolve(page, refunds=[refund for refund in new if self._is_within(refund, window)], hints=hints)

    def look_up(self, hint: RefundQuery) -> Steps[Refund | MappingError | None]:
        """The refund that a page only named; None where it turns out to be none, or has been listed already."""
        if hint.connector_refund_id in self._seen:
            return None
        try:
            refund = yield from self.exchange.get(hint)
        except NotARefund:
            return None
        except RefundryError as error:
            if isinstance(error, MappingError):
                return error
            return MappingError(f"a listed refund could not be looked up: {error}", field="hint")
        self._seen.add(refund.connector_refund_id or "")
        return refund

    def _advance(self, cursor: str | None, *, idle: bool) -> None:
        self._idle = self._idle + 1 if idle else 0
        if cursor is None:
            self._windows.popleft()
            self._used.clear()
            self._idle = 0
        elif cursor in self._used or self._idle > _MOST_IDLE_PAGES:
            name = self.exchange.account.connector.name
            raise MappingError("the list does not end: a page came again", field="cursor", connector=name)
        else:
            self._used.add(cursor)
        self._cursor = cursor

    def _is_new_hint(self, hint: RefundQuery) -> bool:
        identity = tuple(hint.items())
        new = identity not in self._hinted
        self._hinted.add(identity)
        return new

    def _is_within(self, refund: Refund, window: Window) -> bool:
        return not self._by_time or refund.created_at is None or window.covers(refund.created_at)

    def _is_new(self, refund: Refund) -> bool:
        if refund.connector_refund_id is None:
            return True
        new = refund.connector_refund_id not in self._seen
        self._seen.add(refund.connector_refund_id)
        return new


class RefundIterator(Iterator[Refund]):
    """Iterates over a listing and keeps in ``problems`` what could not be read."""

    def __init__(self, pages: Pages, drive: Callable[[Steps[Any]], Any]) -> None:
        self.problems: list[MappingError] = []
        self.pages = 0
        """How many pages have come so far."""
        self._pages = pages
        self._drive = drive
        self._refunds = self._iterate()

    def __next__(self) -> Refund:
        return next(self._refunds)

    def _iterate(self) -> Iterator[Refund]:
        while (page := self._drive(self._pages.next_page())) is not None:
            self.pages += 1
            for problem in page.problems:
                self._report(problem)
            for refund in page.refunds:
                self._pages.exchange.observed(refund, "list")
                yield refund
            for hint in page.hints:
                found = self._drive(self._pages.look_up(hint))
                if isinstance(found, MappingError):
                    self._report(found)
                elif found is not None:
                    yield found

    def _report(self, problem: MappingError) -> None:
        logger.warning("an item of a list could not be read: %s", problem.message)
        self.problems.append(problem)
