"""`explain`: which sentences fit the facts. It knows no word of any language."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum

import attrs

from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, Refund
from refundry.state import Flag, State
from refundry_explain.facts import Facts, HasState, clean, facts_of
from refundry_explain.formats import Language

BANK_DAYS = (5, 10)
"""How many business days banks usually take to show a refund."""
_WEEKEND = (5, 6)
_UNCLEAR = frozenset({Flag.GONE, Flag.DISPUTED})


class Case(StrEnum):
    """What a customer is told."""

    SENT = "sent"
    PENDING = "pending"
    REOPENED = "reopened"
    ON_HOLD = "on hold"
    FAILED = "failed"
    RETURNED = "returned"
    """It was sent and then failed."""
    UNCLEAR = "unclear"
    """Nothing was said, or nothing that can be relied on."""


@attrs.frozen(kw_only=True)
class Explanation:
    """A refund in words."""

    case: Case
    locale: str
    """The language that it is in, as a tag: ``de-AT``."""
    sentence: str
    """For the customer: one to three sentences."""
    next_step: str
    """For the person who answers the customer."""
    reference: str | None = None
    """The acquirer reference number, with which the customer's bank can trace the money."""
    expected_by: date | None = None
    """The day by which it has usually happened: the money shown by the bank, or the refund sent by the processor.
    Banks work from Monday to Friday here; public holidays are not known."""
    is_late: bool = False
    """True when that day has passed."""


def explain(
    told: Refund | State | HasState,
    *,
    now: datetime,
    locale: str = "en",
    title: str | None = None,
    settles_within: timedelta | None = None,
    zone: tzinfo = UTC,
) -> Explanation:
    """Put a refund into words. It says nothing that is not known: what is missing is left out.

    Args:
        told: a `Refund`, the `State` of one, or the ledger's history of one.
        now: aware; a time after it, or long before any refund, is taken for a missing one.
        locale: ``de``, ``de-AT``; English where there is no such language, see `LANGUAGES`.
        title: the processor's name.
        settles_within: what the connector declares, None where it declares nothing.
        zone: where the customer lives, for the dates.
    """
    facts = facts_of(told, now)
    case = _case(facts)
    expected_by = _expected_by(facts, case, settles_within, zone)
    today = now.astimezone(zone).date()
    teller = _Teller(
        facts=facts,
        case=case,
        language=Language.of(locale),
        title=clean(title) if title else None,
        settles_within=settles_within,
        expected_by=expected_by,
        today=today,
        zone=zone,
    )
    return Explanation(
        case=case,
        locale=teller.language.tag,
        sentence=" ".join(teller.for_customer()),
        next_step=" ".join(teller.for_colleague()),
        reference=facts.reference,
        expected_by=expected_by,
        is_late=teller.is_late,
    )


def after_business_days(start: date, count: int) -> date:
    """The day that is so many business days later; Saturday and Sunday are none."""
    day = start
    while count:
        day += timedelta(days=1)
        count -= day.weekday() not in _WEEKEND
    return day


def _case(facts: Facts) -> Case:
    if facts.flags & _UNCLEAR:
        return Case.UNCLEAR
    if facts.status is PENDING:
        return Case.REOPENED if Flag.REOPENED in facts.flags else Case.PENDING
    if facts.status is FAILED:
        return Case.RETURNED if Flag.REGRESSED in facts.flags else Case.FAILED
    return {SUCCEEDED: Case.SENT, MANUAL_REVIEW: Case.ON_HOLD}.get(facts.status, Case.UNCLEAR)  # type: ignore[arg-type]


def _expected_by(facts: Facts, case: Case, settles_within: timedelta | None, zone: tzinfo) -> date | None:
    if case is Case.SENT and facts.reached:
        return after_business_days(facts.reached.astimezone(zone).date(), BANK_DAYS[1])
    if case is Case.PENDING and settles_within and facts.open_since:
        return (facts.open_since + settles_within).astimezone(zone).date()
    return None


@attrs.frozen(kw_only=True)
class _Teller:
    """Chooses the phrases and fills them."""

    facts: Facts
    case: Case
    language: Language
    title: str | None
    settles_within: timedelta | None
    expected_by: date | None
    today: date
    zone: tzinfo

    @property
    def is_late(self) -> bool:
        return self.expected_by is not None and self.today > self.expected_by

    def for_customer(self) -> Iterator[str]:
        """The sentences for the customer."""
        phrases, reached = self.language.phrases, self._when(self.facts.reached, exact=self.facts.is_exact)
        match self.case:
            case Case.SENT:
                yield from self._sent(reached)
            case Case.PENDING:
                yield self._fill(phrases.started, when=self._when(self.facts.started))
                yield from self._processor_takes(phrases.takes_longer, phrases.usually_takes)
            case Case.REOPENED:
                yield self._fill(phrases.restarted)
            case Case.ON_HOLD:
                yield self._fill(phrases.on_hold)
            case Case.FAILED:
                yield self._fill(phrases.failed)
            case Case.RETURNED:
                yield self._fill(phrases.returned, when=reached)
            case Case.UNCLEAR:
                yield self._fill(phrases.unclear)

    def for_colleague(self) -> Iterator[str]:
        """The next step: what is odd first."""
        phrases, flags = self.language.phrases, self.facts.flags
        if flags & {Flag.AMOUNT_DIFFERS, Flag.CURRENCY_DIFFERS}:
            yield phrases.compare_amounts
        if Flag.RECOVERED in flags:
            yield phrases.look_for_second_refund
        if Flag.UNKNOWN_WORD in flags and self.case in (Case.SENT, Case.FAILED, Case.RETURNED):
            yield self._fill(phrases.ask_what_holds)
        match self.case:
            case Case.SENT:
                yield from self._trace()
            case Case.PENDING | Case.REOPENED:
                yield from self._processor_takes(phrases.ask_why_late, phrases.wait_for_processor_until)
                if self.settles_within is None or self.case is Case.REOPENED:
                    yield self._fill(phrases.wait_for_processor)
            case Case.ON_HOLD:
                yield from self._with_word(phrases.see_who_must_act)
            case Case.FAILED:
                yield from self._with_reason(phrases.refund_otherwise)
            case Case.RETURNED:
                yield from self._with_reason(phrases.check_return)
            case Case.UNCLEAR:
                yield from self._with_word(phrases.ask_what_holds if self.facts.status else phrases.ask_now)

    def _sent(self, when: str) -> Iterator[str]:
        phrases, reference = self.language.phrases, self.facts.reference
        yield self._fill(phrases.sent_to_bank if reference else phrases.sent, when=when)
        if self.is_late:
            yield self._fill(phrases.overdue_at_bank if reference else phrases.overdue_without_reference)
            return
        yield self._fill(phrases.banks_show)
        if reference:
            yield self._fill(phrases.if_not_shown)

    def _trace(self) -> Iterator[str]:
        phrases = self.language.phrases
        if self.expected_by and not self.is_late:
            yield self._fill(phrases.wait_for_bank, date=self.language.day(self.expected_by, self.today))
        yield self._fill(phrases.bank_can_trace if self.facts.reference else phrases.ask_for_reference)

    def _processor_takes(self, late: str, in_time: str) -> Iterator[str]:
        if self.case is Case.PENDING and self.settles_within:
            yield self._fill(late if self.is_late else in_time, span=self.language.days(self.settles_within))

    def _with_word(self, phrase: str) -> Iterator[str]:
        yield self._fill(phrase)
        if self.facts.word:
            yield self._fill(self.language.phrases.word_is, word=self.facts.word)

    def _with_reason(self, phrase: str) -> Iterator[str]:
        yield self._fill(phrase)
        if self.facts.reason:
            yield self._fill(self.language.phrases.reason_is, reason=self.facts.reason)

    def _when(self, moment: datetime | None, *, exact: bool = True) -> str:
        if moment is None:
            return ""
        phrase = self.language.phrases.on if exact else self.language.phrases.by
        return phrase.format(date=self.language.day(moment.astimezone(self.zone).date(), self.today))

    def _fill(self, phrase: str, **more: str) -> str:
        known = {
            "refund": self._refund(),
            "reference": self.facts.reference or "",
            "title": self.title or self.language.phrases.processor,
            "least": str(BANK_DAYS[0]),
            "most": str(BANK_DAYS[1]),
        }
        return phrase.format(**known, **more)

    def _refund(self) -> str:
        phrases = self.language.phrases
        amount = self.language.money(self.facts.amount) if self.facts.amount else None
        return phrases.refund_of.format(amount=amount) if amount else phrases.refund
