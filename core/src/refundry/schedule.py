"""When to ask again for a refund that is still open: data and pure functions."""

from __future__ import annotations

from datetime import timedelta

import attrs


@attrs.frozen(kw_only=True)
class Schedule:
    """An adaptive schedule: the older the open refund, the longer the wait, so that the delay in noticing stays a
    share of its age."""

    first: timedelta = timedelta(seconds=10)
    """The wait after the first look."""
    factor: float = 1.8
    """Each wait is this many times the refund's age."""
    longest: timedelta = timedelta(hours=12)
    """No wait is longer."""


def next_delay(schedule: Schedule, age: timedelta) -> timedelta:
    """How long to wait before asking again for a refund of this age."""
    return min(max(schedule.first, age * schedule.factor), schedule.longest)


def spread(delay: timedelta, chance: float, share: float = 0.1) -> timedelta:
    """The delay moved by up to ``share`` of itself, so that refunds of one batch are not asked for at one moment.

    ``chance`` is a number from 0 up to 1.
    """
    return delay * (1 + share * (2 * chance - 1))
