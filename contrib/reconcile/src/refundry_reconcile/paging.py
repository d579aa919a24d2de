"""A listing that can be left after any page and gone on with later, in memory that does not grow.

`RefundClient.list` remembers every id that it has listed. Here the tables do that, so these pages forget, and a refund
may come twice. This is the one module that looks inside a client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import attrs

from refundry.client import RefundClient
from refundry.listing import Pages, check_window
from refundry.model import RefundPage, Window


@attrs.frozen(kw_only=True)
class Leaf:
    """One page, and where the listing goes on after it."""

    page: RefundPage
    position: str
    """For `pages`; it means something for the same span of time alone."""


def pages(client: RefundClient, since: datetime, until: datetime, position: str | None) -> Iterator[Leaf]:
    """The pages of a span of time after ``position``. Raises what `RefundClient.list` raises, also while iterating."""
    window = check_window(client.account, since, until, connector_transaction_id=None, page_size=None, now=until)
    forgetful = _Forgetful(client, window, position)
    while (page := client._drive(forgetful.next_page())) is not None:
        for refund in page.refunds:
            forgetful.exchange.observed(refund, "list")
        yield Leaf(page=page, position=forgetful.position)
        forgetful.forget()


class _Forgetful(Pages):
    def __init__(self, client: RefundClient, window: Window, position: str | None) -> None:
        super().__init__(client._exchange, window)
        if position is not None:
            left, self._cursor = json.loads(position)
            while len(self._windows) > left:
                self._windows.popleft()

    @property
    def position(self) -> str:
        return json.dumps([len(self._windows), self._cursor])

    def forget(self) -> None:
        self._seen.clear()
        self._hinted.clear()
