"""Refunds in the sandbox, each followed through its life by way of the public client."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from queue import SimpleQueue
from typing import TYPE_CHECKING, Literal

from refundry.client import RefundClient
from refundry.connector import Connector
from refundry.errors import RefundryError
from refundry.model import Refund, RefundQuery, RefundStatus
from refundry.plugins import load_connector, load_sandbox
from refundry_cli.pace import PacedClock

if TYPE_CHECKING:
    from refundry_sandbox import Sandbox

Source = Literal["get", "webhook"]

_SHORTEST = timedelta(hours=40)
_STAGGER = timedelta(hours=9)
_STAGGERED = 8
_PATIENCE = timedelta(days=4)
_LOOK_AGAIN = timedelta(hours=6)


@dataclass(kw_only=True, eq=False)
class Case:
    """One refund, the life that is planned for it, and what was seen of it."""

    connector: type[Connector]
    life: str
    words: tuple[str, ...]
    """The processor's status words that it lives through."""
    after: timedelta
    """How long it stays at each."""
    by_event: bool
    """Whether a get cannot show this life, so that webhooks must."""
    query: RefundQuery
    seen: list[Refund] = field(default_factory=list)
    """One answer for each change, oldest first."""
    source: Source | None = None
    """Where the last answer came from."""
    error: Exception | None = None

    @property
    def ended_well(self) -> bool:
        """Whether the last answer is what the life ends with."""
        return self.error is None and bool(self.seen) and self.seen[-1].connector_status == self.words[-1]

    @property
    def was_returned(self) -> bool:
        """Whether the refund succeeded first and failed then, without having been called off."""
        if self.life == "cancelled":
            return False
        statuses = [refund.status for refund in self.seen]
        return statuses[-1:] == [RefundStatus.FAILED] and RefundStatus.SUCCEEDED in statuses

    def can_change(self) -> bool:
        """Whether the life goes on after the last answer."""
        return not self.seen or self.seen[-1].connector_status != self.words[-1]

    def note(self, refund: Refund, source: Source) -> bool:
        """Remember an answer; whether it tells anything new."""
        last = self.seen[-1] if self.seen else None
        if last and (last.status, last.connector_status) == (refund.status, refund.connector_status):
            return False
        self.seen.append(refund)
        self.source = source
        return True


def make_cases(sandbox: Sandbox) -> list[Case]:
    """One refund for every life at every processor; they change one after the other."""
    cases: list[Case] = []
    for name in sandbox.names:
        for life, words in sandbox.lives(name).items():
            length = _SHORTEST + _STAGGER * (len(cases) % _STAGGERED)
            cases.append(_make_case(sandbox, name, life, words, length / max(1, len(words) - 1)))
    return cases


def follow_all(sandbox: Sandbox, cases: Sequence[Case], *, pace: float) -> Iterator[Case]:
    """Follow all of them at once; yields a case whenever it has changed, and ends when none will change any more.

    ``pace`` is how many seconds pass in one of the machine's while all of them wait.
    """
    news: SimpleQueue[tuple[Case, bool]] = SimpleQueue()
    clock = PacedClock(sandbox.clock, len(cases), pace)
    clients = {case.connector.name: sandbox.client(case.connector.name, clock=clock) for case in cases}
    for case in cases:
        arguments = (sandbox, clients[case.connector.name], case, clock, news)
        # A daemon does not keep the command from ending on Ctrl-C.
        threading.Thread(target=_follow, args=arguments, daemon=True).start()
    going = len(cases)
    while going:
        case, ended = news.get()
        going -= ended
        if not ended or case.error:
            yield case


def _make_case(sandbox: Sandbox, name: str, life: str, words: tuple[str, ...], after: timedelta) -> Case:
    connector, playing = load_connector(name), load_sandbox(name)
    with sandbox.client(name) as client:
        can_get = client.account.can("get")
    by_event = not can_get or (playing is not None and not playing.event_words.isdisjoint(words))
    query = sandbox.add(name, life, after=after).query()
    return Case(connector=connector, life=life, words=words, after=after, by_event=by_event, query=query)


def _follow(
    sandbox: Sandbox, client: RefundClient, case: Case, clock: PacedClock, news: SimpleQueue[tuple[Case, bool]]
) -> None:
    def note(refund: Refund, source: Source) -> None:
        if case.note(refund, source):
            news.put((case, False))

    until = clock.monotonic() + (case.after * (len(case.words) - 1) + _PATIENCE).total_seconds()
    try:
        while case.can_change() and clock.monotonic() < until:
            pause = _LOOK_AGAIN
            if case.by_event:
                note(_by_event(sandbox, client, case), "webhook")
                pause = case.after
            elif not case.seen:
                note(client.get(case.query), "get")
                continue
            else:
                client.wait(case.query, timeout=until - clock.monotonic(), on_poll=lambda one: note(one, "get"))
            if case.can_change():
                clock.sleep(pause.total_seconds())
    except Exception as error:  # noqa: BLE001  whatever it is, the other refunds go on and the table says it
        case.error = error
    clock.leave()
    news.put((case, True))


def _by_event(sandbox: Sandbox, client: RefundClient, case: Case) -> Refund:
    event = sandbox.event(case.connector.name, case.query.connector_refund_id or "")
    delivery = client.handle_event(
        body=event.body, headers=event.headers, method=event.method, url=event.url, received_at=event.received_at
    )
    for one in delivery.events:
        if one.refund is not None:
            return one.refund
    raise RefundryError("the webhook says nothing of the refund that may be believed", connector=case.connector.name)
