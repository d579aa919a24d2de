"""One processor of the sandbox: its refunds, what they live through, and what it answers."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from refundry.connector import Connector
from refundry.errors import ConfigurationError, RefundNotFound
from refundry.http import Event, Moment, Response
from refundry.model import FAILED, SUCCEEDED, UNKNOWN, ErrorInfo, Money, Refund
from refundry.plugins import SandboxHooks, sandbox_hooks
from refundry.policy import Clock
from refundry.sandbox import Book, Call, ConnectorSandbox, answer
from refundry_sandbox.faults import Plan, spoil

_MADE_UP: Mapping[str, Callable[[int], object]] = {
    "merchant_refund_id": "refund_{:03}".format,
    "acquirer_reference_number": "74537{:018}".format,
    "error": lambda _: ErrorInfo(code="declined"),
}


@attrs.frozen(order=True)
class Change:
    """A status word that a refund comes to at a moment."""

    due: datetime
    number: int
    """Changes that are due at one moment happen in this order."""
    word: str = attrs.field(order=False)
    whole: Refund = attrs.field(order=False)
    """The refund with everything that any of its words brings out."""


class Processor:
    """The account that the sandbox plays at one processor. Safe to share between threads."""

    def __init__(
        self,
        connector: type[Connector],
        sandbox: type[ConnectorSandbox[Any]],
        *,
        clock: Clock,
        public_url: str,
        wait: Callable[[float], object],
    ) -> None:
        self.connector = connector
        self.sandbox = sandbox
        self.hooks: SandboxHooks = sandbox_hooks(sandbox(connector(**sandbox.settings), public_url))
        self.calls = 0
        """How many calls have reached it."""
        self._clock = clock
        self._wait = wait
        self._expressible = sandbox.expressible | {"status", "connector_refund_id"}
        self._book = Book(now=clock.now())
        self._changes: list[Change] = []
        self._faults: deque[Plan] = deque()
        self._made = 0
        self._planned = 0
        self._lock = threading.Lock()

    def life(self, name: str) -> tuple[str, ...]:
        """The status words of a life. Raises `ConfigurationError`."""
        try:
            return self.sandbox.lives[name]
        except KeyError:
            known = ", ".join(self.sandbox.lives)
            text = f"there is no life {name!r} at {self.connector.title}: use {known}"
            raise ConfigurationError(text, connector=self.connector.name) from None

    def add(
        self,
        words: Sequence[str],
        amount: Money | None,
        after: timedelta,
        fields: Mapping[str, Any],
        *,
        documented: bool = True,
    ) -> Refund:
        """A new refund at the first of these words; each further one comes ``after`` later."""
        self._check(words, fields, documented=documented)
        with self._lock:
            self._made += 1
            whole = self._whole(self._made, amount, fields)
            created = whole.created_at or self._now()
            for step, word in enumerate(words[1:], 1):
                self._planned += 1
                heapq.heappush(self._changes, Change(created + step * after, self._planned, word, whole))
            first = self._standing(words[0], whole, created)
            self._book.refunds[whole.connector_refund_id or ""] = first
            return first

    def refund(self, connector_refund_id: str) -> Refund:
        """A refund as it stands now. Raises `RefundNotFound`."""
        with self._lock:
            try:
                return self._current_book().refund(connector_refund_id)
            except RefundNotFound as error:
                error.connector = self.connector.name
                raise

    def event(self, connector_refund_id: str, nonce: str) -> Event:
        """The webhook that says how a refund stands now. Raises `RefundNotFound`."""
        refund = self.refund(connector_refund_id)
        return self.hooks.render_event(refund, Moment(now=self._clock.now(), nonce=nonce))

    def inject(self, plan: Plan, times: int) -> None:
        """Let this fault happen to the next calls that have none yet."""
        with self._lock:
            self._faults.extend([plan] * times)

    def answer(self, call: Call) -> Response:
        """The answer to a call, spoilt where that was planned. Raises ``ConnectionResetError``."""
        with self._lock:
            self.calls += 1
            plan = self._faults.popleft() if self._faults else None
        if plan is None:
            return self._answer(call)
        return spoil(plan, self.hooks, lambda: self._answer(call), self._wait)

    def _answer(self, call: Call) -> Response:
        with self._lock:
            return answer(self.hooks, call, self._current_book())

    def _current_book(self) -> Book:
        self._book.now = self._clock.now()
        while self._changes and self._changes[0].due <= self._book.now:
            change = heapq.heappop(self._changes)
            whole = change.whole
            self._book.refunds[whole.connector_refund_id or ""] = self._standing(change.word, whole, change.due)
        return self._book

    def _whole(self, number: int, amount: Money | None, fields: Mapping[str, Any]) -> Refund:
        currency = self.sandbox.settings.get("currency") or self.sandbox.currency
        made_up = {name: make(number) for name, make in _MADE_UP.items()}
        facts: dict[str, Any] = {
            "status": FAILED,
            "connector_refund_id": self.sandbox.refund_ids.format(number),
            "connector_transaction_id": self.sandbox.payment_ids.format(number),
            "refund_amount": amount or Money(1050, currency),
            "created_at": self._now(),
            **made_up,
        }
        return Refund(**{**{name: value for name, value in facts.items() if name in self._expressible}, **fields})

    def _standing(self, word: str, whole: Refund, since: datetime) -> Refund:
        status = self.connector.statuses.get(word, UNKNOWN)
        facts: dict[str, Any] = {
            "updated_at": since,
            "processed_at": since if status.is_settled else None,
            "error": whole.error if status is FAILED else None,
            "acquirer_reference_number": whole.acquirer_reference_number if status is SUCCEEDED else None,
        }
        shown = {name: value for name, value in facts.items() if name in self._expressible}
        return attrs.evolve(whole, status=status, connector_status=word, **shown)

    def _check(self, words: Sequence[str], fields: Mapping[str, Any], *, documented: bool) -> None:
        name, title = self.connector.name, self.connector.title
        strange = [word for word in words if documented and word not in self.connector.statuses]
        if strange or not words:
            raise ConfigurationError(f"{title} has no status {' or '.join(strange) or 'at all'}", connector=name)
        unknown = sorted(set(fields) - self._expressible)
        if unknown:
            raise ConfigurationError(f"{title} has nothing that says {unknown[0]}: leave it out", connector=name)

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)
