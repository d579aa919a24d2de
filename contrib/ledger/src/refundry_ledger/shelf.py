"""`Shelf`: the reading half of a ledger."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from refundry.errors import AmbiguousRefund, RefundNotFound
from refundry.policy import Clock
from refundry.state import Observation, fold, in_order
from refundry_ledger import reading
from refundry_ledger.database import Database
from refundry_ledger.folding import observations_of
from refundry_ledger.reading import Filters, Page, Spans, StoredEvent, Total
from refundry_ledger.receiving import REFUSED
from refundry_ledger.records import History, RefundRecord, record_of
from refundry_ledger.schema import accounts, refunds


class Shelf:
    """What can be read of the refunds, and of what was said about them."""

    database: Database
    clock: Clock

    def history(self, account: str, refund: str | int) -> History:
        """One refund by the processor's id, or by the ledger's number, with everything that was said about it.

        Any identifier will do that one refund alone has. Raises `RefundNotFound` when the ledger knows none, and
        `AmbiguousRefund` when several have it.
        """
        known = self._only(account, refund)
        with self.database.reading() as connection:
            said = observations_of(connection, known.id, account).values()
            state = fold(said, expected=known.expected)
            return History(refund=known, observations=tuple(in_order(said)), state=state)

    def find(self, identifier: str | int) -> list[RefundRecord]:
        """The refunds with this identifier: the processor's, the merchant's, the payment's, the acquirer's reference,
        or, as an ``int``, the ledger's number.
        """
        return self._select(reading.named(identifier), refunds.c.merged_into.is_(None))

    def needing_attention(self) -> list[RefundRecord]:
        """The refunds that a person should look at."""
        return self._select(refunds.c.needs_attention)

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

    def _by_number(self, refund_id: int) -> RefundRecord:
        found = self.find(refund_id)
        if not found:
            raise RefundNotFound("the ledger has no refund of this number")
        return found[0]

    def _only(self, account: str, identifier: str | int) -> RefundRecord:
        found = [one for one in self.find(identifier) if one.account == account]
        own = [one for one in found if identifier in (one.id, one.query.connector_refund_id)] or found
        if not own:
            raise RefundNotFound("the ledger does not know this refund: track it, or look for another of its ids")
        if len(own) > 1:
            raise AmbiguousRefund("several refunds have this identifier: use the processor's id of the refund")
        return own[0]

    def _select(self, *conditions: Any, order: Any = refunds.c.id, limit: int | None = None) -> list[RefundRecord]:
        query = select(refunds, accounts.c.name.label("account")).join(accounts).where(*conditions)
        with self.database.reading() as connection:
            rows = connection.execute(query.order_by(order).limit(limit)).mappings().all()
        return [record_of(row, row["account"]) for row in rows]
