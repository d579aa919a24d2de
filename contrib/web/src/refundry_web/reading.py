"""Webhooks that are stored and acknowledged are read in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from refundry.client import RefundClient
from refundry_ledger.inbox import Inbox

_AT_ONCE = 20
_IDLE_SECONDS = 15.0
"""What another process stored and left is noticed after this long."""
_BUSY_SECONDS = 0.1
logger = logging.getLogger("refundry_web.reading")


class Reader:
    """One thread that reads what waits in the inbox. While webhooks arrive quickly they come first."""

    def __init__(self, inbox: Inbox, clients: Mapping[str, RefundClient]) -> None:
        self._inbox = inbox
        self._clients = clients
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, is_busy: Callable[[], bool]) -> None:
        """Read from now on; ``is_busy`` says whether webhooks are still to be stored."""
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, args=(is_busy,), name="reading webhooks", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """There is something to read."""
        self._news.set()

    def close(self) -> None:
        """End after the webhook that is being read; what is left is read after the next start."""
        self._stopping.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, is_busy: Callable[[], bool]) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            if not self._round(is_busy):
                self._news.wait(_IDLE_SECONDS)

    def _round(self, is_busy: Callable[[], bool]) -> bool:
        """Read a little of every account; whether anything was read."""
        try:
            waiting = self._inbox.waiting().keys() & self._clients.keys()
        except Exception as error:  # noqa: BLE001  the database is away, say: what waits is read later
            logger.error("webhooks cannot be read: %s", type(error).__name__)
            return False
        return sum(self._read(account, busy=is_busy()) for account in waiting) > 0

    def _read(self, account: str, *, busy: bool) -> int:
        """Read a little of one account; how much was read."""
        if self._stopping.is_set():
            return 0
        try:
            passed = self._inbox.read(self._clients[account], limit=1 if busy else _AT_ONCE)
        except Exception as error:  # noqa: BLE001  one account must not keep those of the others from being read
            logger.error("webhooks of %s cannot be read: %s", account, type(error).__name__)
            return 0
        self._stopping.wait(_BUSY_SECONDS if busy else 0)
        return passed.done + passed.failed
