"""What the processors say, gathered into the work folder, each account on its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

import attrs

from refundry.client import RefundClient
from refundry.connector import Listing
from refundry.errors import ConfigurationError, RefundryError, UnsupportedOperation
from refundry.policy import Clock
from refundry_reconcile.asking import (
    AccountRefused,
    Outcome,
    Question,
    ask_all,
    can_get,
    can_list_payment,
    lists_payments,
    read_question,
)
from refundry_reconcile.noting import Answered, Listed, read_hint
from refundry_reconcile.paging import pages
from refundry_reconcile.store import BATCH, Store, plain, to_column

_LONGEST_SETTLING = timedelta(days=30)
_MOST_ACCOUNTS_AT_ONCE = 8
logger = logging.getLogger("refundry.reconcile")


@attrs.frozen(kw_only=True)
class Progress:
    """How far a part of the work has come."""

    account: str
    """Empty while the books are read."""
    stage: Literal["reading", "listing", "asking"]
    done: int
    total: int | None
    """How many there will be, for a list about as many as the books have; None where nobody knows."""


Tell: TypeAlias = Callable[[Progress], None]


@attrs.frozen(kw_only=True)
class Period:
    """The refunds that are compared: those made in ``since <= t < until``, and their other halves in the margin."""

    since: datetime
    until: datetime
    margin: timedelta


class Interrupted(Exception):
    """Another account's work, or the whole run, was ended."""


@attrs.frozen
class Gatherer:
    """Asks the accounts of a run."""

    store: Store
    period: Period
    clock: Clock
    tell: Tell
    concurrency: int
    stop: threading.Event = attrs.field(factory=threading.Event)
    """Set when the run is interrupted: the accounts end after what is under way."""

    def run(self, clients: Sequence[RefundClient]) -> None:
        """Ask every account; one that cannot be asked is written down with the reason and harms no other."""
        with ThreadPoolExecutor(min(len(clients), _MOST_ACCOUNTS_AT_ONCE) or 1) as pool:
            try:
                list(pool.map(self._account, clients))
            except BaseException:
                self.stop.set()
                raise

    def _account(self, client: RefundClient) -> None:
        name = client.account.name
        self.store.run("UPDATE coverage SET refused = NULL WHERE account = ?", [name])
        try:
            self._cover(client)
            self._list(client)
            self._ask(client)
        except AccountRefused as error:
            self._refuse(name, str(error))
        except RefundryError as error:
            self._refuse(name, error.message)

    def _say(self, progress: Progress) -> None:
        if self.stop.is_set():
            raise Interrupted
        self.tell(progress)

    def _refuse(self, account: str, reason: str) -> None:
        logger.warning("the account %s could not be asked: %s", account, reason)
        self.store.run("UPDATE coverage SET refused = ? WHERE account = ?", [plain(reason), account])

    def _cover(self, client: RefundClient) -> None:
        if self.store.one("SELECT count(*) FROM coverage WHERE account = ?", [client.account.name]):
            return
        listing = _by_time(client)
        since, until = _span(client, listing, self.period, self.clock.now()) if listing else (None, None)
        complete = listing is not None and listing.complete
        way = "list" if listing else "get" if client.account.can("get") or lists_payments(client) else "none"
        row = [client.account.name, client.account.connector.title, way, to_column(since), to_column(until), complete]
        self.store.run("INSERT INTO coverage VALUES (?, ?, ?, ?, ?, ?, NULL, ?, 0, 0, NULL)", [*row, listing is None])

    def _list(self, client: RefundClient) -> None:
        name = client.account.name
        found = self.store.rows(
            "SELECT listed_since, listed_until, position, listed FROM coverage WHERE account = ? AND NOT finished",
            [name],
        )
        for since, until, position, count in found:
            total = self.store.one("SELECT count(*) FROM books WHERE account = ?", [name])
            listed = Listed(self.store, name, count)
            try:
                for leaf in pages(client, since.replace(tzinfo=UTC), until.replace(tzinfo=UTC), position):
                    listed.add(leaf, self.clock.now())
                    self._say(Progress(account=name, stage="listing", done=listed.count, total=total))
            finally:
                # What came before an error is kept, and the next run goes on after it.
                listed.write()
            self.store.run("UPDATE coverage SET finished = true WHERE account = ?", [name])

    def _ask(self, client: RefundClient) -> None:
        name = client.account.name
        answered = Answered(self.store, name)
        for count, questions in (self._hinted(name), self._open(client)):
            total = answered.count + count

            def keep(question: Question, outcome: Outcome, total: int = total) -> None:
                answered.add(question, outcome, self.clock.now())
                self._say(Progress(account=name, stage="asking", done=answered.count, total=total))

            try:
                if count:
                    ask_all(client, questions, keep, concurrency=self.concurrency)
            finally:
                answered.write()

    def _hinted(self, account: str) -> tuple[int, Iterator[Question]]:
        return self._count(_HINTED, account), map(read_hint, self._keys(_HINTED, account))

    def _open(self, client: RefundClient) -> tuple[int, Iterator[Question]]:
        name = client.account.name
        questions = map(read_question, self._keys(_OPEN, name))
        possible = (one for one in questions if can_get(client, one) or can_list_payment(client, one))
        return self._count(_OPEN, name), possible

    def _count(self, query: str, account: str) -> int:
        return int(self.store.one(f"SELECT count(*) FROM ({query})", [account]))  # noqa: S608  our own text

    def _keys(self, query: str, account: str) -> Iterator[str]:
        last = ""
        while True:
            # By parts: what is written meanwhile takes nothing out of a part that follows.
            part = f"SELECT question FROM ({query}) WHERE question > ? ORDER BY question LIMIT {BATCH}"  # noqa: S608
            keys = [key for (key,) in self.store.rows(part, [account, last])]
            yield from keys
            if len(keys) < BATCH:
                return
            last = keys[-1]


_DONE = "SELECT 1 FROM answers a WHERE a.account = q.account AND a.question = q.question AND a.outcome <> 'failed'"
_HINTED = f"SELECT DISTINCT question FROM hints q WHERE account = ? AND NOT EXISTS ({_DONE})"  # noqa: S608
_OPEN = f"""
SELECT DISTINCT question FROM (
  SELECT account, question_of(connector_refund_id, merchant_refund_id, connector_transaction_id, currency) AS question
  FROM books b
  WHERE account = ? AND problem IS NULL
    AND NOT EXISTS (
      SELECT 1 FROM said s WHERE s.account = b.account AND s.connector_refund_id = b.connector_refund_id)
    AND (b.connector_refund_id IS NOT NULL OR (
      NOT EXISTS (
        SELECT 1 FROM said s WHERE s.account = b.account AND s.merchant_refund_id = b.merchant_refund_id)
      AND NOT EXISTS (
        SELECT 1 FROM said s WHERE s.account = b.account AND s.connector_transaction_id = b.connector_transaction_id
          AND s.amount = b.amount AND s.currency = b.currency)))
) q WHERE NOT EXISTS ({_DONE})
"""  # noqa: S608
"""What no list has shown yet."""


def _by_time(client: RefundClient) -> Listing | None:
    listing = client.account.connector.listing
    try:
        client.account.require("list")
    except (UnsupportedOperation, ConfigurationError):
        return None
    return listing if listing and listing.basis != "payment" else None


def _span(client: RefundClient, listing: Listing, period: Period, now: datetime) -> tuple[datetime, datetime]:
    """The span to list, so that it shows what was made in the period whatever time the list goes by."""
    settling = client.account.connector.settles_within or _LONGEST_SETTLING
    until = {
        "created": period.until + period.margin,
        "settled": period.until + max(period.margin, settling),
    }.get(listing.basis, now)
    return period.since - period.margin, min(until, now)
