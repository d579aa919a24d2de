"""For whoever passes over the ledger again and again: how long to rest, and how to end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from refundry_ledger.ledger import Ledger

LONGEST_REST = timedelta(seconds=30)
"""A refund that another process tracks meanwhile is noticed after this long."""
SHORTEST_REST = timedelta(seconds=1)


def rest(ledger: Ledger) -> timedelta:
    """How long there is nothing to do."""
    due = ledger.next_due()
    if due is None:
        return LONGEST_REST
    return min(max(due - ledger.clock.now(), SHORTEST_REST), LONGEST_REST)


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
