"""`Shelf`: the reading half of a ledger."""

from __future__ import annotations

from refundry.policy import Clock
from refundry.state import Observation
from refundry_ledger import reading
from refundry_ledger.database import Database
from refundry_ledger.reading import Filters, Page, Spans, StoredEvent, Total
from refundry_ledger.receiving import REFUSED


class Shelf:
    """What can be read of many refunds, and of what was said about one."""

    database: Database
    clock: Clock

    def page(self, filters: Filters | None = None, *, cursor: str | None = None, limit: int = 50) -> Page:
        """Refunds, newest first, page by page; pass the page's ``cursor`` on for the next one.

        A refund that is added meanwhile moves nothing. Raises `InvalidQuery` for a cursor that is none.
        """
        with self.database.reading() as connection:
            return reading.page(connection, filters or Filters(), cursor, limit)

    def count_needing_attention(self) -> int:
        """How many refunds a person should look at."""
        with self.database.reading() as connection:
            return reading.count_needing_attention(connection)

    def totals(self) -> list[Total]:
        """How many refunds there are and what they sum up to, by account, status and currency."""
        with self.database.reading() as connection:
            return reading.totals(connection)

    def spans(self) -> Spans:
        """How long refunds take to settle, how long others have been open, and how late webhooks come."""
        with self.database.reading() as connection:
            return reading.spans(connection, self.clock.now())

    def events_of(self, refund_id: int) -> list[StoredEvent]:
        """The webhooks that spoke of a refund, as they came. They hold personal data: show them to few."""
        with self.database.reading() as connection:
            return reading.events_of(connection, refund_id)

    def answers_of(self, refund_id: int) -> dict[str, bytes]:
        """What the processor answered about a refund, by the digest in its observations. Show them to few, too."""
        with self.database.reading() as connection:
            return reading.answers_of(connection, refund_id)

    def parked(self, account: str) -> list[Observation]:
        """What was said about no refund that is known, or about one of several."""
        with self.database.reading() as connection:
            return reading.parked(connection, account)

    def refused_signatures(self, account: str) -> int:
        """How many webhooks of this account were refused for their signature."""
        with self.database.reading() as connection:
            return reading.counted(connection, REFUSED).get(account, 0)
