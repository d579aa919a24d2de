"""The timeline: what each observation said, where it came from, and what it changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby

import attrs

from refundry.state import Observation
from refundry_web.pages.words import GONE, SOURCES, STATUSES, When, Word, money, when

_TOLD_APART = timedelta(minutes=1)
_FEW = 2


@attrs.frozen(kw_only=True)
class Entry:
    """One observation."""

    number: int
    """Counted from the oldest, 1."""
    status: Word
    word: str | None
    source: str
    moment: When
    """By the processor, or else when it was heard."""
    heard: When | None
    """Where that was at another time."""
    changes: tuple[str, ...]
    is_quiet: bool
    """True when it said nothing new."""


@attrs.frozen
class Group:
    """Entries that are shown together; folded, where they say the same again."""

    entries: tuple[Entry, ...]
    folded: bool


def timeline(observations: Sequence[Observation]) -> list[Group]:
    """The observations, which come oldest first, newest first."""
    newest_first = reversed(list(_entries(observations)))
    return [
        _group(tuple(entries), is_quiet) for is_quiet, entries in groupby(newest_first, key=lambda one: one.is_quiet)
    ]


def _group(entries: tuple[Entry, ...], is_quiet: bool) -> Group:
    return Group(entries, folded=is_quiet and len(entries) >= _FEW)


def _entries(observations: Iterable[Observation]) -> Iterator[Entry]:
    known: dict[str, str] = {}
    for number, one in enumerate(observations, 1):
        said = {name: value for name, value in _said(one).items() if value}
        changes = tuple(_changes(known, said))
        known |= said
        yield _entry(number, one, changes)


def _entry(number: int, one: Observation, changes: tuple[str, ...]) -> Entry:
    heard_later = abs(one.observed_at - one.moment) >= _TOLD_APART
    moment = when(one.moment)
    assert moment is not None
    return Entry(
        number=number,
        status=_status(one),
        word=one.connector_status,
        source=SOURCES[one.source],
        moment=moment,
        heard=when(one.observed_at) if heard_later else None,
        changes=changes,
        is_quiet=number > 1 and not changes,
    )


def _said(one: Observation) -> Mapping[str, str | None]:
    error = one.error
    return {
        "Status": _status(one).text,
        "Word": one.connector_status,
        "Amount": money(one.amount),
        "Reason": (error.message or error.reason or error.code or error.network_code) if error else None,
        "Bank reference": one.acquirer_reference_number,
        "Belongs to": "another account of the processor" if one.foreign else None,
    }


def _changes(known: Mapping[str, str], said: Mapping[str, str]) -> Iterator[str]:
    for name, value in said.items():
        if name in known and known[name] != value:
            yield f"{name}: {known[name]} is now {value}"
        elif name not in known and name not in ("Status", "Word"):
            yield f"{name}: {value}"


def _status(one: Observation) -> Word:
    return GONE if one.kind == "gone" else STATUSES[one.status]
