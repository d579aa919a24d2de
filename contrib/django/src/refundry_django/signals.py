"""The signal of a refund's change."""

from __future__ import annotations

from django.dispatch import Signal

from refundry.hookspecs import hookimpl
from refundry.model import RefundStatus
from refundry.state import Observation
from refundry_ledger.records import Pass

refund_status_changed = Signal()
"""Sent by ``refundry_track``, with the ``previous`` `RefundStatus` or None, and the ``current`` `Observation`.

Each change is sent at least once, those of one refund in their order. A receiver that raises is logged, harms no other
and is not called again for that change.
"""


class SignalSender:
    """The observer that sends the signal."""

    @hookimpl
    def refund_status_changed(self, previous: RefundStatus | None, current: Observation) -> None:
        refund_status_changed.send_robust(SignalSender, previous=previous, current=current)


def tell_changes() -> Pass:
    """Tell receivers and observers of every change that they have not heard of."""
    from refundry_django import conf

    return conf.ledger().tell_observers([SignalSender(), *conf.observers()])
