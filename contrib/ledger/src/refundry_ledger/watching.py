"""For whoever passes over the ledger again and again: how long to rest, and how to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from refundry_ledger.database import AWAY
from refundry_ledger.ledger import Ledger
from refundry_ledger.records import Pass

LONGEST_REST = timedelta(seconds=30)
"""A refund that another process tracks meanwhile is noticed after this long."""
SHORTEST_REST = timedelta(seconds=1)


def rest(ledger: Ledger) -> timedelta:
    """How long there is nothing to do, or nothing can be done: the database is away."""
    try:
        due = ledger.next_due()
    except AWAY:
        return LONGEST_REST
    if due is None:
        return LONGEST_REST
    return min(max(due - ledger.clock.now(), SHORTEST_REST), LONGEST_REST)


def tried(act: Callable[[], Pass]) -> Pass:
    """What this came to; an error where the database is away, for the next pass makes up for it."""
    try:
        return act()
    except AWAY as error:
        return Pass(errors={"the ledger": type(error).__name__})


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; the signals do what they did before when the block ends."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
