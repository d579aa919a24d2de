"""The numbers of the overview as bars: lengths and places in per cent, each plot with the table that says the same."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

import attrs

from refundry.model import Money, RefundStatus
from refundry_ledger import Total
from refundry_web.pages.words import STATUSES, Word, money

Naming: TypeAlias = Callable[[str], str]
"""How an account is called."""
_SECOND, _MINUTE, _HOUR, _DAY = (timedelta(seconds=number) for number in (1, 60, 3600, 86400))
_HEADROOM = 12.0
"""Per cent of a plot's height that is left for the numbers on top of its bars."""
_GAP = 0.18
"""The share of a column that is left empty."""


@attrs.frozen
class Scale:
    """The columns of a plot of spans: where each ends, and how it is called."""

    ends: tuple[timedelta, ...]
    ticks: tuple[str, ...]


DAYS = Scale(
    (_HOUR, 6 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY, 14 * _DAY),
    ("< 1 h", "1-6 h", "6-24 h", "1-3 d", "3-7 d", "1-2 w", "> 2 w"),
)
SECONDS = Scale(
    (_SECOND, 10 * _SECOND, _MINUTE, 10 * _MINUTE, _HOUR),
    ("< 1 s", "1-10 s", "10-60 s", "1-10 m", "10-60 m", "> 1 h"),
)


@attrs.frozen(kw_only=True)
class Piece:
    """A part of a bar that lies: one status of one account."""

    kind: str
    label: str
    x: float
    width: float


@attrs.frozen(kw_only=True)
class Row:
    """The refunds of one account."""

    name: str
    total: int
    bars: tuple[Piece, ...]
    description: str


@attrs.frozen(kw_only=True)
class States:
    """Refunds by state per processor."""

    key: str = "states"
    title: str = "Refunds by state"
    keys: tuple[Word, ...]
    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]


@attrs.frozen(kw_only=True)
class Column:
    """A bar that stands."""

    label: str
    tick: str
    x: float
    width: float
    middle: float
    y: float
    height: float


@attrs.frozen(kw_only=True)
class SpanPlot:
    """How many spans of time fall into each column of a scale."""

    key: str
    title: str
    summary: str
    description: str
    bars: tuple[Column, ...]
    columns: tuple[str, ...] = ("Account", "Number", "Median", "90 % within")
    table: tuple[tuple[str, ...], ...]


@attrs.frozen(kw_only=True)
class Sum:
    """What the refunds of one currency in one state add up to."""

    currency: str
    status: Word
    refunds: int
    amount: str | None


def states_plot(totals: Iterable[Total], name_of: Naming) -> States:
    """Refunds by state, an account a row, the one with most first."""
    counts: dict[str, Counter[RefundStatus | None]] = defaultdict(Counter)
    for total in totals:
        counts[total.account][total.status] += total.refunds
    used = [status for status in STATUSES if any(count[status] for count in counts.values())]
    largest = max((count.total() for count in counts.values()), default=0)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1].total(), pair[0]))
    named = [(name_of(account), count) for account, count in ordered]
    return States(
        keys=tuple({STATUSES[status].kind: STATUSES[status] for status in reversed(used)}.values())[::-1],
        rows=tuple(_row(name, count, largest) for name, count in named),
        columns=("Account", *(STATUSES[status].text for status in used), "All"),
        table=tuple((name, *(str(count[one]) for one in used), str(count.total())) for name, count in named),
    )


def span_plot(
    key: str, title: str, spans: Mapping[str, Sequence[timedelta]], scale: Scale, what: str, name_of: Naming
) -> SpanPlot:
    """How spans are spread over a scale; the table says it by account. ``what`` names the things in the summary."""
    every = sorted(span for of_account in spans.values() for span in of_account)
    counts = Counter(bisect_right(scale.ends, span) for span in every)
    numbers = [counts[place] for place in range(len(scale.ticks))]
    summary = (
        f"{len(every)} {what}; half within {in_words(_share(every, 0.5))}, 90 % within {in_words(_share(every, 0.9))}"
    )
    shown = ", ".join(f"{tick}: {number}" for tick, number in zip(scale.ticks, numbers, strict=True))
    return SpanPlot(
        key=key,
        title=title,
        summary=summary if every else f"No {what} yet",
        description=f"{title}: {shown}",
        bars=_columns(numbers, scale.ticks) if every else (),
        table=tuple(_span_row(name_of(account), of_account) for account, of_account in spans.items()),
    )


def sums_of(totals: Iterable[Total]) -> list[Sum]:
    """What the refunds add up to, by currency and state."""
    amounts: Counter[tuple[str, RefundStatus | None]] = Counter()
    numbers: Counter[tuple[str, RefundStatus | None]] = Counter()
    for total in totals:
        if total.currency is not None and total.minor_amount is not None:
            amounts[total.currency, total.status] += total.minor_amount
            numbers[total.currency, total.status] += total.refunds
    places = list(STATUSES)
    ordered = sorted(amounts.items(), key=lambda pair: (pair[0][0], places.index(pair[0][1])))
    return [
        Sum(
            currency=currency,
            status=STATUSES[status],
            refunds=numbers[currency, status],
            amount=money(Money(amount, currency)),
        )
        for (currency, status), amount in ordered
    ]


def in_words(span: timedelta) -> str:
    """A span, in the largest unit of which there is one."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m")):
        if span >= unit:
            return f"{span / unit:.1f} {name}"
    return f"{span / _SECOND:.1f} s"


def _row(name: str, count: Counter[RefundStatus | None], largest: int) -> Row:
    bars, x = [], 0.0
    for status, word in STATUSES.items():
        width = round(100 * count[status] / largest, 3)
        if width:
            bars.append(Piece(kind=word.kind, label=f"{word.text}: {count[status]}", x=round(x, 3), width=width))
        x += width
    description = f"{name}: {', '.join(bar.label for bar in bars)}"
    return Row(name=name, total=count.total(), bars=tuple(bars), description=description)


def _columns(numbers: Sequence[int], ticks: Sequence[str]) -> tuple[Column, ...]:
    step, largest = 100 / len(numbers), max(numbers)
    columns = []
    for place, (number, tick) in enumerate(zip(numbers, ticks, strict=True)):
        height = round((100 - _HEADROOM) * number / largest, 3)
        columns.append(
            Column(
                label=str(number) if number else "",
                tick=tick,
                x=round(step * (place + _GAP / 2), 3),
                width=round(step * (1 - _GAP), 3),
                middle=round(step * (place + 0.5), 3),
                y=round(100 - height, 3),
                height=height,
            )
        )
    return tuple(columns)


def _span_row(name: str, spans: Sequence[timedelta]) -> tuple[str, ...]:
    return name, str(len(spans)), in_words(_share(spans, 0.5)), in_words(_share(spans, 0.9))


def _share(ordered: Sequence[timedelta], share: float) -> timedelta:
    """The span within which this share of them lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else timedelta(0)
