"""What the tasks do. Each may run twice, be killed at any point or never come: the ledger's leases see to the rest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import attrs

from refundry import RefundClient
from refundry.accounts import account_names
from refundry.errors import ConfigurationError, SignatureError
from refundry.state import observe
from refundry_celery.events import read_event
from refundry_celery.limiting import SharedLimits
from refundry_celery.reconciling import reconcile
from refundry_celery.routing import queue_of
from refundry_celery.settings import Settings
from refundry_ledger import Ledger
from refundry_ledger.outbox import configured
from refundry_ledger.records import Pass
from refundry_ledger.turns import Turn, hand_out, run_turn

MOST_CLIENTS = 256
SLOW_AFTER = timedelta(seconds=2)
"""An account that takes longer for a refund keeps a worker from the others."""
_MOST_REFUNDS = 100_000
_LIST_OVERLAP = 2
logger = logging.getLogger("refundry_celery")


@attrs.define(slots=False, eq=False)
class Work:
    """The tasks of one process, with what they need: opened when first used, which is after the fork."""

    settings: Settings
    send: Callable[..., object]
    """Sends a task to a queue: its name, what it is given, the queue and when it is no longer wanted."""

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of all accounts."""
        return Ledger(self.settings.ledger)

    @cached_property
    def limits(self) -> SharedLimits:
        """The rate limits that all workers share."""
        return SharedLimits(self.settings.limits, self.settings.prefix)

    @cached_property
    def client(self) -> Callable[[str], RefundClient]:
        """The client of an account, kept for the next task. Raises `ConfigurationError`."""
        return lru_cache(MOST_CLIENTS)(self._open_client)

    def dispatch(self) -> None:
        """Hand out a turn for every account that has something due."""
        self._hand_out(account_names(self.settings.path))

    def dispatch_lists(self) -> None:
        """Send a task for every account that can be listed by time."""
        for account in account_names(self.settings.path):
            if self._lists(account):
                self.send("list_account", {"account": account}, queue_of(self.settings, account))

    def tell_changes(self) -> None:
        """Send what has changed to the address in the table ``[outbox]``."""
        outbox = configured(self.settings.path)
        if outbox:
            self._log("outbox", self.ledger.deliver_outbox(*outbox))

    def check_account(self, account: str, token: str | None = None, until: str | None = None) -> None:
        """Ask for what is due of one account, for as long as one turn lasts.

        ``token`` and ``until`` are those of a `Turn`: of several messages with one turn the first alone does anything.
        """
        self.limits.check()
        turn = Turn(account=account, token=token, until=_time(until)) if token and until else None
        with _stopping_after(self.settings.turn) as stop:
            done = run_turn(
                self.ledger,
                self.client(account),
                turn,
                limit=_MOST_REFUNDS,
                concurrency=self.settings.concurrency,
                lease=self._lease,
                stop=stop,
            )
        self._log(account, done)
        if done.done or done.failed:
            self.limits.mark(account, slow=self._is_slow(done))
            self._hand_out([account])

    def check_refund(self, account: str, refund_id: int) -> None:
        """Ask for one refund by the ledger's number, due or not, unless somebody asks for it at this moment."""
        self.limits.check()
        claim = self.ledger.claim(account, refund_id, lease=self._lease)
        if claim is not None:
            self._log(account, self.ledger.check(self.client(account), claim))

    def list_account(self, account: str, since: str | None = None, until: str | None = None) -> None:
        """Take every refund of a window into the ledger; times are ISO 8601."""
        client, clock = self.client(account), self.ledger.clock
        end = _time(until) if until else clock.now()
        listed = client.list(since=_time(since) if since else end - self._list_window, until=end)
        for refund in listed:
            said = observe(account, refund, source="list", observed_at=clock.now())
            self.ledger.observe(said, query=refund.query())
        for problem in listed.problems:
            logger.warning("an item in the list of account %s: %s", account, problem)

    def receive_event(self, account: str, event: Mapping[str, Any]) -> None:
        """Store a webhook that `refundry_celery.hand_over` sent."""
        try:
            receipt = self.ledger.receive(self.client(account), **read_event(event))
        except SignatureError as error:
            logger.error("a webhook of account %s is verified no longer: %s", account, error)
            return
        for problem in receipt.problems:
            logger.warning("a webhook of account %s is kept and not understood: %s", account, problem)

    def reconcile_account(self, account: str, since: str, until: str, folder: str) -> None:
        """Compare the ledger's books with one account's processor, and write the report into a folder of its own.

        Raises `ConfigurationError`.
        """
        target = Path(folder) / account
        report = reconcile(self.ledger, self.client(account), _time(since), _time(until), target)
        logger.info("account %s is reconciled: %s", account, report)

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.settings.whole_lease)

    @property
    def _list_window(self) -> timedelta:
        return timedelta(seconds=self.settings.list_every or 86_400) * _LIST_OVERLAP

    def _open_client(self, account: str) -> RefundClient:
        return RefundClient.from_account(account, self.settings.path, limiter=self.limits.of(account))

    def _lists(self, account: str) -> bool:
        try:
            owner = self.client(account).account
        except ConfigurationError as error:
            logger.warning("account %s cannot be listed: %s", account, error)
            return False
        listing = owner.connector.listing
        return owner.can("list") and listing is not None and listing.basis != "payment"

    def _hand_out(self, accounts: Iterable[str]) -> None:
        self.limits.check()  # A turn that is handed out and not sent would have to wait for its lease to end.
        for turn in hand_out(self.ledger, list(accounts), lease=self._lease):
            queue = queue_of(self.settings, turn.account, slow=self.limits.is_slow(turn.account))
            given = {"account": turn.account, "token": turn.token, "until": turn.until.isoformat()}
            self.send("check_account", given, queue, turn.until)

    def _is_slow(self, done: Pass) -> bool:
        each = done.elapsed * self.settings.concurrency / (done.done + done.failed)
        return done.failed > done.done or each > SLOW_AFTER

    def _log(self, name: str, done: Pass) -> None:
        if done.done or done.failed:
            logger.info("%s: %d done, %d to be tried again", name, done.done, done.failed)
        for account, text in done.errors.items():
            logger.warning("account %s cannot be asked: %s", account, text)


@contextmanager
def _stopping_after(seconds: float) -> Iterator[threading.Event]:
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    try:
        yield stop
    finally:
        timer.cancel()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
