"""A language with its numbers and dates, by Babel."""

from __future__ import annotations

import copy
import decimal
import math
from datetime import date, timedelta

import attrs
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_timedelta
from babel.numbers import parse_pattern

from refundry.model import Money
from refundry.money import iso_exponent
from refundry_explain.phrases import ENGLISH, LANGUAGES, Phrases

_INTERNATIONAL = {"en": "en_001"}
"""What a bare language code stands for, where Babel takes it for one country."""


@attrs.frozen
class Language:
    """How one customer is spoken to."""

    phrases: Phrases
    locale: Locale

    @classmethod
    def of(cls, tag: str) -> Language:
        """The language of a tag such as ``de``, ``de-AT`` or ``de_AT``; English where there is no such language."""
        code = tag.replace("_", "-").split("-")[0].lower()
        if code not in LANGUAGES:
            return cls(ENGLISH, Locale.parse(_INTERNATIONAL["en"]))
        return cls(LANGUAGES[code], _locale(tag.replace("-", "_"), code))

    @property
    def tag(self) -> str:
        """The tag, as HTML's ``lang`` takes it."""
        parts = (self.locale.language, self.locale.script, self.locale.territory)
        return "-".join(part for part in parts if part)

    def money(self, amount: Money) -> str | None:
        """The amount with all the decimals of its currency; None for a currency that ISO 4217 does not list.

        Babel's own number of decimals is that of cash in daily use, which would round.
        """
        decimals = iso_exponent(amount.currency)
        if decimals is None:
            return None
        pattern = copy.copy(parse_pattern(self.locale.currency_formats["standard"]))
        pattern.frac_prec = (decimals, decimals)
        with decimal.localcontext(prec=len(str(amount.minor_amount)) + 10):
            return str(pattern.apply(amount.decimal, self.locale, currency=amount.currency, currency_digits=False))

    def day(self, day: date, today: date) -> str:
        """The day, with its year where that is not this one."""
        if day.year == today.year:
            return format_skeleton("MMMMd", day, locale=self.locale)
        return format_date(day, format="long", locale=self.locale)

    def days(self, span: timedelta) -> str:
        """The span in whole days, rounded up."""
        whole = timedelta(days=max(1, math.ceil(span / timedelta(days=1))))
        return format_timedelta(whole, granularity="day", threshold=math.inf, locale=self.locale)


def _locale(tag: str, code: str) -> Locale:
    try:
        return Locale.parse(_INTERNATIONAL.get(tag.lower(), tag))
    except (ValueError, UnknownLocaleError):
        return Locale.parse(_INTERNATIONAL.get(code, code))
