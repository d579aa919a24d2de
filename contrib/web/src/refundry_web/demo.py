"""A desk full of refunds: every life at every installed processor, with a history of weeks, played by the sandbox."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeAlias

import attrs
import requests

from refundry.client import RefundClient
from refundry.errors import RefundryError
from refundry.model import Money
from refundry.plugins import load_sandbox
from refundry_ledger import Ledger
from refundry_sandbox import Sandbox
from refundry_web.desk import Desk
from refundry_web.settings import Settings

_PAST = timedelta(days=40)
_STEP = timedelta(days=3)
_NEVER = timedelta(days=400)
"""A refund that takes this long for a step is overdue long before."""
_LATE = timedelta(minutes=5)
"""How long after a change its webhook comes, at the most."""
_LIVE_STEP = timedelta(seconds=20)
_LIVE_SECONDS = 10.0
_ASKED = 0.3
"""The share of changes after which the processor is asked besides its webhook."""
_ODD = 0.04
_NEW_WORD = "rerouted"
"""What some processor says one day, and no document of it has."""
_SEED = 7
Action: TypeAlias = Callable[[], None]
logger = logging.getLogger("refundry_web.demo")


@attrs.define(kw_only=True)
class Demo:
    """The sandbox and the desk, and what happens there in order, on the sandbox's clock."""

    sandbox: Sandbox
    desk: Desk
    chance: Random = attrs.field(factory=lambda: Random(_SEED))  # noqa: S311  the same demo each time
    _actions: list[tuple[datetime, int, Action]] = attrs.field(factory=list)
    _numbers: Iterator[int] = attrs.field(factory=count)

    def plan_past(self) -> int:
        """Plan refunds of every life at every processor, some that are overdue, and one that nobody understands."""
        start = self.sandbox.clock.now()
        lives = [(name, life) for name in self.sandbox.names for life in self.sandbox.lives(name)]
        for name, life in [*lives, *((name, "settles") for name in self.sandbox.names)]:
            self._at(start + _PAST * self.chance.uniform(0.02, 0.98), self._beginning(name, life, _STEP))
        for name in self.sandbox.names[::9]:
            self._at(start, self._beginning(name, "settles", _NEVER))
        self._at(start + _PAST - 2 * _STEP, self._begin_to_puzzle)
        return len(self._actions)

    def live_through(self, until: datetime, stop: threading.Event) -> None:
        """Let all that is planned until this moment happen, and bring the clock there; or ``stop`` early."""
        while self._actions and self._actions[0][0] <= until and not stop.is_set():
            moment, _, action = heapq.heappop(self._actions)
            self._move_to(moment)
            action()
        self._move_to(until)

    def live_on(self, url: str, stop: threading.Event, every: float = _LIVE_SECONDS) -> None:
        """From now on something happens every few seconds, told by real webhooks to the desk at this address."""
        names = [name for name, client in self.desk.clients.items() if client.account.can("webhook")]
        while not stop.wait(every):
            name = self.chance.choice(names)
            life = self.chance.choice(sorted(self.sandbox.lives(name)))
            refund = self.sandbox.add(name, life, self._amount(name), after=_LIVE_STEP)
            known = refund.connector_refund_id or ""
            for step in range(len(self.sandbox.lives(name)[life])):
                later = self.sandbox.clock.now() + step * (_LIVE_STEP + timedelta(seconds=1))
                self._at(later, partial(self._deliver, name, known, url))
            self.live_through(self.sandbox.clock.now(), stop)

    def _beginning(self, name: str, life: str, after: timedelta) -> Action:
        def begin() -> None:
            amount = self._amount(name)
            refund = self.sandbox.add(name, life, amount, after=after)
            record = self.desk.ledger.track(name, refund.query(), expected_amount=self._expected(amount))
            known = refund.connector_refund_id or ""
            self._hear(name, known, record.id)
            now = self.sandbox.clock.now()
            for step in range(1, len(self.sandbox.lives(name)[life])):
                late = _LATE * self.chance.random()
                self._at(now + step * after + late, partial(self._hear, name, known, record.id))

        return begin

    def _begin_to_puzzle(self) -> None:
        """A refund that comes to a new word, at the first processor whose answers can say any."""
        for name, client in self.desk.clients.items():
            words = (next(iter(self.sandbox.lives(name).values()))[0], _NEW_WORD)
            if client.account.can("get") and self._is_told(name, _NEW_WORD):
                amount = self._amount(name)
                refund = self.sandbox.add(name, amount=amount, after=_STEP, words=words, documented=False)
                record = self.desk.ledger.track(name, refund.query(), expected_amount=amount)
                self._ask(client, record.id)
                self._at(self.sandbox.clock.now() + _STEP, partial(self._ask, client, record.id))
                return

    def _is_told(self, name: str, word: str) -> bool:
        """Whether this processor's answer hands the word on as it is; many make it from several fields."""
        tried = self.sandbox.add(name, words=(word,), documented=False)
        try:
            return self.desk.clients[name].get(tried.query()).connector_status == word
        except RefundryError:
            return False

    def _ask(self, client: RefundClient, number: int) -> None:
        try:
            self.desk.ledger.ask_now(client, number)
        except RefundryError as error:
            logger.warning("%s: %s", client.account.name, error)

    def _hear(self, name: str, known: str, number: int) -> None:
        """Hear how a refund stands: by its webhook where there is one, and now and then by asking."""
        client = self.desk.clients[name]
        asks = client.account.can("get") and self.chance.random() < _ASKED
        try:
            if client.account.can("webhook"):
                event = self.sandbox.event(name, known)
                receipt = self.desk.ledger.receive(
                    client, body=event.body, headers=event.headers, method=event.method, url=event.url
                )
                asks = asks or any(one.is_hint for one in receipt.events)
            if asks or not client.account.can("webhook"):
                self.desk.ledger.ask_now(client, number)
        except RefundryError as error:
            logger.warning("%s: %s", name, error)

    def _deliver(self, name: str, known: str, url: str) -> None:
        try:
            self.sandbox.deliver(name, known, f"{url}/webhooks/{name}")
        except (RefundryError, requests.RequestException) as error:
            logger.warning("%s: %s", name, type(error).__name__)

    def _amount(self, name: str) -> Money:
        playing = load_sandbox(name)
        currency = self.sandbox.settings(name).get("currency") or (playing.currency if playing else "EUR")
        return Money(self.chance.randrange(300, 25_000), currency)

    def _expected(self, amount: Money) -> Money:
        """What the merchant expects: now and then something else."""
        is_odd = self.chance.random() < _ODD
        return Money(amount.minor_amount + 100, amount.currency) if is_odd else amount

    def _at(self, moment: datetime, action: Action) -> None:
        heapq.heappush(self._actions, (moment, next(self._numbers), action))

    def _move_to(self, moment: datetime) -> None:
        self.sandbox.clock.move(max(moment - self.sandbox.clock.now(), timedelta(0)))


@contextmanager
def playing(
    settings: Settings,
    told: Callable[[str], None],
    stop: threading.Event,
    connectors: Sequence[str] | None = None,
) -> Iterator[Demo]:
    """A demo with a past, gone with all its refunds when the block ends. ``told`` hears what takes so long.

    It plays these connectors' processors, or those of all that are installed.
    """
    now = datetime.now(UTC)
    with (
        TemporaryDirectory(prefix="refundry-demo-") as folder,
        Sandbox(connectors, start=now - _PAST) as sandbox,
        Ledger.open(str(Path(folder) / "demo.db"), clock=sandbox.clock) as ledger,
    ):
        clients = {name: sandbox.client(name) for name in sandbox.names}
        demo = Demo(sandbox=sandbox, desk=Desk(ledger=ledger, clients=clients, settings=settings))
        refunds = demo.plan_past()
        told(f"Making {refunds} refunds at {len(clients)} processors, with {_PAST.days} days of history ...")
        demo.live_through(now, stop)
        yield demo
