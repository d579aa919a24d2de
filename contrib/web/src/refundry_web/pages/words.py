"""Statuses, flags and sources in words, each with the kind that its colour goes by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs
from babel import Locale
from babel.dates import format_datetime

from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN, Money, RefundStatus
from refundry.state import Flag, Source
from refundry.times import to_iso
from refundry_explain import Language

_ENGLISH = Language.of("en")


@attrs.frozen
class Word:
    """A status in words."""

    kind: str
    """A class of the style sheet."""
    text: str


@attrs.frozen
class When:
    """A moment, for people and for programs."""

    iso: str
    text: str


@attrs.frozen
class Reason:
    """Why a person should look at a refund."""

    kind: str
    """A key of `KINDS`."""
    title: str
    text: str


STATUSES: Mapping[RefundStatus | None, Word] = {
    PENDING: Word("pending", "Pending"),
    SUCCEEDED: Word("succeeded", "Succeeded"),
    FAILED: Word("failed", "Failed"),
    MANUAL_REVIEW: Word("review", "Needs review"),
    UNKNOWN: Word("unknown", "Unknown"),
    None: Word("unknown", "Not heard of yet"),
}
"""In the order of a refund's life."""

GONE = Word("unknown", "Not found any more")

SOURCES: Mapping[Source, str] = {
    "get": "asked",
    "list": "listed",
    "webhook": "webhook",
    "import": "imported",
}

ORIGINS: Mapping[str, str] = {
    "tracked": "Tracked by you",
    "discovered": "Discovered at the processor",
    "hint": "Named by a webhook, not seen yet",
}

KINDS: Mapping[str, str] = {
    "returned": "Failed after success",
    "overdue": "Overdue",
    "unknown": "Unknown",
    "contradiction": "Contradictions",
    "asking": "Cannot be asked",
}
"""The kinds of reasons."""

REASONS: Mapping[Flag, Reason] = {
    Flag.REGRESSED: Reason("returned", "Failed after success", "It was reported as made, and later as failed."),
    Flag.UNKNOWN_WORD: Reason("unknown", "Unknown word", "The newest word is in no document of the processor."),
    Flag.RECOVERED: Reason("contradiction", "Success after failure", "It may have been refunded twice meanwhile."),
    Flag.REOPENED: Reason("contradiction", "Open again", "It was settled, and the processor works on it again."),
    Flag.AMOUNT_DIFFERS: Reason("contradiction", "Amounts differ", "Compare what was reported with the order."),
    Flag.CURRENCY_DIFFERS: Reason("contradiction", "Currencies differ", "Compare what was reported with the order."),
    Flag.DISPUTED: Reason("contradiction", "Disputed", "The processor's newest answer says otherwise."),
    Flag.GONE: Reason("contradiction", "Gone", "The processor knows it no longer. That is no failure."),
}


def when(moment: datetime | None) -> When | None:
    """The moment in UTC, to the minute."""
    if moment is None:
        return None
    return When(to_iso(moment), format_datetime(moment, "d MMM y, HH:mm", locale="en"))


def language_name(code: str) -> str:
    """How a language calls itself."""
    return (Locale.parse(code).get_display_name(code) or code).capitalize()


def money(amount: Money | None) -> str | None:
    """The amount as English writes it; in minor units for a currency that is not listed."""
    return (_ENGLISH.money(amount) or str(amount)) if amount else None
