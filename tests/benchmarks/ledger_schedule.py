"""The adaptive schedule against asking every hour, for refunds that settle after seconds to ten days: a table.

    python tests/benchmarks/ledger_schedule.py [--refunds N] [--plot FILE.png]

Settlement times are drawn log-uniformly from 5 seconds to 10 days, over 30 simulated days; the decisions are those of
`refundry_ledger.scheduling`, without a database. The delay is the time from settling to noticing, the age that from the
start to settling.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import mean, median
from typing import Any

import attrs

from refundry.model import PENDING, SUCCEEDED, RefundQuery
from refundry.schedule import Schedule
from refundry.testing import FakeClock
from refundry_ledger import RefundRecord
from refundry_ledger.scheduling import PATIENCE, SETTLES_WITHIN, Plan, after_answer

START = FakeClock().now()
END = START + timedelta(days=30)
FASTEST, SLOWEST = 5.0, 10 * 86400.0
SEED = 20260302
Wait = Callable[[RefundRecord, datetime], datetime | None]


def plan() -> Plan:
    """A processor that declares nothing about time, so that its refunds are asked for with the core's schedule."""
    none = timedelta(0)
    times = {"window": SETTLES_WITHIN, "patience": PATIENCE, "reversible_for": none, "visible_after": none}
    return Plan(title="", schedule=Schedule(), **times)


def adaptive(chance: random.Random) -> Wait:
    """The waits of the ledger."""
    return lambda refund, now: after_answer(plan(), refund, now, chance.random()).due


def hourly(refund: RefundRecord, now: datetime) -> datetime | None:
    """A fixed wait."""
    return now + timedelta(hours=1)


def follow(settles_after: float, wait: Wait) -> tuple[int, int, float]:
    """Requests in all, requests on the first day, seconds from settling to noticing."""
    facts: dict[str, Any] = {field.name: None for field in attrs.fields(RefundRecord)}
    facts |= {"id": 1, "account": "", "origin": "tracked", "query": RefundQuery(), "flags": frozenset(), "attempts": 0}
    refund = RefundRecord(**{**facts, "needs_attention": False, "changes": 0, "added_at": START, "status": PENDING})
    settled = START + timedelta(seconds=settles_after)
    asked: list[datetime] = []
    due: datetime | None = START
    while due is not None and due < END:
        asked.append(due)
        if due >= settled:
            break
        due = wait(refund, due)
    first_day = sum(moment < START + timedelta(days=1) for moment in asked)
    return len(asked), first_day, (asked[-1] - settled).total_seconds()


def plot(path: str, ages: list[float], delays: dict[str, list[float]]) -> None:
    """Each refund's delay over the time it took to settle, both on a logarithmic scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for name, seconds in delays.items():
        axes.scatter(ages, [max(1.0, delay) for delay in seconds], s=6, label=name)
    axes.set(xscale="log", yscale="log", xlabel="settled after, seconds", ylabel="noticed after that, seconds")
    axes.set_title("How late a settled refund is noticed")
    axes.legend()
    figure.savefig(path, dpi=120)


def main(count: int, picture: str | None) -> None:
    """Print the table, and draw the picture where one is asked for."""
    delays: dict[str, list[float]] = {}
    times = random.Random(SEED)
    ages = [FASTEST * (SLOWEST / FASTEST) ** times.random() for _ in range(count)]
    print(f"{count} refunds; {SUCCEEDED} after 5 s to 10 days, log-uniform")
    print("schedule   requests per refund   most on day one   delay, median   delay / age, median and mean")
    for name, wait in (("adaptive", adaptive(random.Random(SEED))), ("hourly", hourly)):
        rows = [follow(age, wait) for age in ages]
        shares = [delay / age for (_, _, delay), age in zip(rows, ages, strict=True)]
        delays[name] = [delay for _, _, delay in rows]
        delay = timedelta(seconds=round(median(delay for _, _, delay in rows)))
        print(
            f"{name:10} {mean(row[0] for row in rows):19.1f} {max(row[1] for row in rows):17} {delay!s:>15} "
            f"{median(shares):17.2f} {mean(shares):10.2f}"
        )

    if picture:
        plot(picture, ages, delays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--refunds", type=int, default=1000)
    parser.add_argument("--plot", metavar="FILE.png")
    given = parser.parse_args()
    main(given.refunds, given.plot)
