"""Webhooks on their way to the disk: a thread of each account stores whatever has arrived in one transaction.

A thread that waits, for a processor's certificate say, holds back its own account alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from queue import Empty, Full, Queue

import attrs

from refundry.client import RefundClient
from refundry.http import Event
from refundry_ledger.inbox import Answer, Inbox
from refundry_web.problems import RETRY_SECONDS, Problem

_MOST_AT_ONCE = 200
logger = logging.getLogger("refundry_web.intake")


@attrs.frozen
class Arrival:
    """A webhook that waits to be stored, and the answer that somebody waits for."""

    event: Event
    answer: Future[Answer] = attrs.field(factory=Future)


class Intake:
    """Takes the webhooks of all accounts. A thread begins with the first webhook of its account."""

    def __init__(
        self, inbox: Inbox, clients: Mapping[str, RefundClient], most_waiting: int, stored: Callable[[], None]
    ) -> None:
        self._inbox = inbox
        self._clients = clients
        self._most_waiting = most_waiting
        self._stored = stored
        self._stores: dict[str, Store] = {}
        self._lock = threading.Lock()

    def submit(self, account: str, event: Event) -> Future[Answer]:
        """The answer to a webhook, once it is stored. Raises `Problem` 503 when too many are waiting."""
        arrival = Arrival(event)
        try:
            self._store_of(account).arrived.put_nowait(arrival)
        except Full:
            raise Problem(503, "too many webhooks at once: send it again", {"Retry-After": RETRY_SECONDS}) from None
        return arrival.answer

    def is_busy(self) -> bool:
        """Whether webhooks are waiting to be stored."""
        return any(not store.arrived.empty() for store in list(self._stores.values()))

    def close(self) -> None:
        """Store what has arrived, and end."""
        with self._lock:
            for store in self._stores.values():
                store.close()
            self._stores.clear()

    def _store_of(self, account: str) -> Store:
        with self._lock:
            if account not in self._stores:
                store = Store(self._inbox, self._clients[account], self._most_waiting, self._stored)
                self._stores[account] = store
            return self._stores[account]


class Store:
    """The thread of one account."""

    def __init__(self, inbox: Inbox, client: RefundClient, most_waiting: int, stored: Callable[[], None]) -> None:
        self.arrived: Queue[Arrival | None] = Queue(most_waiting)
        self._inbox = inbox
        self._client = client
        self._stored = stored
        self._thread = threading.Thread(target=self._run, name=f"webhooks of {client.account.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Store what has arrived, and end."""
        self.arrived.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self.arrived.get()) is not None:
            batch = [first, *self._rest()]
            # Whoever has gone meanwhile was not answered: the processor sends it again.
            self._store([one for one in batch if one.answer.set_running_or_notify_cancel()])

    def _rest(self) -> list[Arrival]:
        found: list[Arrival] = []
        while len(found) < _MOST_AT_ONCE:
            try:
                arrival = self.arrived.get_nowait()
            except Empty:
                break
            if arrival is None:
                self.arrived.put(None)
                break
            found.append(arrival)
        return found

    def _store(self, batch: Sequence[Arrival]) -> None:
        try:
            answers = self._inbox.keep(self._client, [one.event for one in batch])
        except Exception as error:  # noqa: BLE001  nothing is stored: whatever it was, each is to be sent again
            logger.error("webhooks of %s were not stored: %s", self._client.account.name, type(error).__name__)
            for arrival in batch:
                arrival.answer.set_exception(error)
            return
        for arrival, answer in zip(batch, answers, strict=True):
            arrival.answer.set_result(answer)
        self._stored()
