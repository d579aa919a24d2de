"""The geometry of the report's two charts; the template draws them as SVG. Lengths are in pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

import attrs

from refundry_reconcile.summary import AGES, NO_AGE, Settling
from refundry_reconcile.verdicts import Verdict

LABEL = 190
WIDTH = 460
ROW = 34
_UNITS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


@attrs.frozen(kw_only=True)
class Part:
    """A stretch of a bar."""

    x: float
    width: float
    kind: int
    """Which colour it has."""
    title: str


@attrs.frozen(kw_only=True)
class Bar:
    """One line of a chart."""

    label: str
    y: float
    parts: tuple[Part, ...]
    mark: float | None = None
    """Where the median stands."""
    note: str = ""


@attrs.frozen(kw_only=True)
class Chart:
    """Bars over a scale."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    unit: str

    @property
    def height(self) -> float:
        """All of it, with the scale."""
        return len(self.bars) * ROW + 30


def settling_chart(settling: Sequence[Settling]) -> Chart | None:
    """How long refunds took at each account: from the fastest tenth to the slowest tenth, with the median."""
    if not settling:
        return None
    most = max(one.nine_tenths for one in settling).total_seconds() or 1.0
    unit, seconds = next((name, size) for name, size in _UNITS if most >= size or size == 1.0)
    top, ticks = _scale(most / seconds)
    bars = tuple(_settling_bar(number, one, seconds * top) for number, one in enumerate(settling))
    return Chart(bars=bars, ticks=ticks, unit=unit)


def _settling_bar(number: int, one: Settling, longest: float) -> Bar:
    start, middle, end = (WIDTH * part.total_seconds() / longest for part in (one.tenth, one.median, one.nine_tenths))
    note = (
        f"half within {in_words(one.median)}, nine in ten within {in_words(one.nine_tenths)}, "
        f"the slowest {in_words(one.longest)} ({one.refunds:,} refunds)"
    )
    part = Part(x=start, width=max(end - start, 2.0), kind=1, title=note)
    return Bar(label=one.account, y=number * ROW, parts=(part,), mark=middle, note=note)


def age_chart(ages: Mapping[tuple[Verdict, str], int]) -> Chart | None:
    """How many differences there are of each class, by age."""
    kinds = (*AGES, NO_AGE)
    classes = [verdict for verdict in Verdict if any(verdict is one for one, _ in ages)]
    if not classes:
        return None
    counts = {verdict: [ages.get((verdict, kind), 0) for kind in kinds] for verdict in classes}
    top, ticks = _scale(max(sum(row) for row in counts.values()))
    bars = tuple(_age_bar(number, verdict, counts[verdict], kinds, top) for number, verdict in enumerate(classes))
    return Chart(bars=bars, ticks=tuple(tick for tick in ticks if "." not in tick[1]), unit="refunds")


def _age_bar(number: int, verdict: Verdict, counts: Sequence[int], kinds: Sequence[str], top: float) -> Bar:
    parts, x = [], 0.0
    for kind, count in enumerate(counts):
        if count:
            width = WIDTH * count / top
            parts.append(Part(x=x, width=width, kind=kind, title=f"{verdict}: {count:,}, {kinds[kind]}"))
            x += width
    return Bar(label=verdict.value, y=number * ROW, parts=tuple(parts), note=f"{sum(counts):,}")


def _scale(most: float) -> tuple[float, tuple[tuple[float, str], ...]]:
    """The end of a scale that is a round number, and its ticks."""
    step = 10 ** math.floor(math.log10(most))
    step = next(step * part for part in (0.2, 0.25, 0.5, 1.0, 2.0) if step * part * 5 >= most)
    count = math.ceil(most / step - 1e-9)
    top = step * count
    return top, tuple((WIDTH * place / count, f"{step * place:g}") for place in range(count + 1))


def in_words(time: timedelta) -> str:
    """A time in the unit that a person would use."""
    seconds = time.total_seconds()
    name, size = next((name, size) for name, size in _UNITS if seconds >= size or size == 1.0)
    amount = f"{seconds / size:.1f}".removesuffix(".0")
    return f"{amount} {name[:-1] if amount == '1' else name}"
