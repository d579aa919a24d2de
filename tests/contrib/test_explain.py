"""A refund in words, in every case and language."""

from __future__ import annotations

import re
import string
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iso4217 import Currency
from observed import observed

from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN, ErrorInfo, Money, Refund, RefundStatus
from refundry.state import Flag, Observation, State, fold
from refundry_explain import LANGUAGES, Case, Explanation, explain
from refundry_explain.explaining import after_business_days
from refundry_explain.formats import Language
from refundry_explain.phrases import ENGLISH

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
SENT = datetime(2026, 3, 3, 9, 30, tzinfo=UTC)
ARN = "74537604221222132710572"
FULL = Refund(
    status=SUCCEEDED,
    connector_status="succeeded",
    refund_amount=Money(2000, "EUR"),
    created_at=datetime(2026, 3, 2, tzinfo=UTC),
    processed_at=SENT,
    acquirer_reference_number=ARN,
)


def told(source: Any = FULL, **options: Any) -> Explanation:
    """What is said on 5 March."""
    return explain(source, **{"now": NOW, **options})


def said(status: RefundStatus, day: int, *, dated: bool = True, **more: Any) -> Observation:
    """A webhook of this day of March, by the processor's time if it is dated, heard an hour later."""
    moment = datetime(2026, 3, day, 9, tzinfo=UTC)
    usual = {"source": "webhook", "amount": Money(2000, "EUR"), "provider_time": moment if dated else None}
    return observed(status, moment + timedelta(hours=1), **{**usual, **more})


# What is said


def test_a_refund_that_was_sent_is_told_as_a_customer_would_understand_it() -> None:
    explanation = told(title="Stripe")
    assert explanation.sentence == (
        "Your refund of €20.00 was sent to your bank on 3 March. Banks usually show it within 5 to 10 business days. "
        f"If it does not appear, give your bank this reference: {ARN}"
    )
    assert explanation.case is Case.SENT
    assert explanation.reference == ARN
    assert explanation.expected_by == date(2026, 3, 17)
    assert not explanation.is_late
    assert explanation.next_step == (
        "Nothing to do until 17 March: the bank may take that long. "
        f"The customer's bank can trace the money by the reference {ARN}."
    )


def test_once_the_bank_is_late_the_customer_is_sent_there() -> None:
    explanation = told(now=datetime(2026, 3, 18, tzinfo=UTC))
    assert explanation.is_late
    assert explanation.sentence == (
        "Your refund of €20.00 was sent to your bank on 3 March. Banks have usually shown it by now. "
        f"If you do not see it, give your bank this reference: {ARN}"
    )
    without = told(attrs.evolve(FULL, acquirer_reference_number=None), now=datetime(2026, 3, 18, tzinfo=UTC))
    assert without.sentence.endswith("If you do not see it, please tell us.")
    assert "acquirer reference number" in without.next_step


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("refund_amount", "Your refund was sent to your bank on 3 March."),
        ("processed_at", "Your refund of €20.00 was sent to your bank."),
        ("acquirer_reference_number", "Your refund of €20.00 was sent to the account you paid with on 3 March."),
    ],
)
def test_what_is_missing_is_left_out(missing: str, sentence: str) -> None:
    explanation = told(attrs.evolve(FULL, **{missing: None}))
    assert explanation.sentence.startswith(sentence)
    assert "None" not in explanation.sentence + explanation.next_step
    assert "  " not in explanation.sentence


@pytest.mark.parametrize(
    "moment", [NOW + timedelta(days=2), datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]
)
def test_a_time_that_is_yet_to_come_or_stands_for_none_is_not_told(moment: datetime) -> None:
    explanation = told(attrs.evolve(FULL, processed_at=moment), zone=ZoneInfo("America/New_York"))
    assert explanation.sentence.startswith("Your refund of €20.00 was sent to your bank. ")
    assert explanation.expected_by is None


def test_an_open_refund_is_told_without_the_bank_and_its_time_only_where_it_is_declared() -> None:
    refund = attrs.evolve(FULL, status=PENDING, acquirer_reference_number=None)
    assert told(refund).sentence == "Your refund of €20.00 was started on 2 March and is not finished yet."
    declared = told(refund, settles_within=timedelta(days=10), title="Stripe")
    assert declared.sentence.endswith("It usually takes up to 10 days.")
    assert declared.expected_by == date(2026, 3, 12)
    assert declared.next_step == "Nothing to do yet: it usually takes Stripe up to 10 days."
    late = told(refund, settles_within=timedelta(days=1), title="Stripe", now=NOW + timedelta(days=9))
    assert late.is_late
    assert late.sentence.endswith("It is taking longer than usual.")
    assert late.next_step == "It has been open longer than is usual: ask Stripe why."


def test_a_span_of_one_day_is_in_the_singular() -> None:
    refund = attrs.evolve(FULL, status=PENDING, created_at=NOW)
    assert "up to 1 day." in told(refund, settles_within=timedelta(hours=3)).sentence
    assert "bis zu 1 Tag." in told(refund, settles_within=timedelta(hours=3), locale="de").sentence


def test_a_refund_on_hold_names_the_word_to_the_colleague_alone() -> None:
    explanation = told(attrs.evolve(FULL, status=MANUAL_REVIEW, connector_status="requires_action"), title="Stripe")
    assert explanation.sentence == ("Your refund of €20.00 is on hold: a person has to look at it before it can go on.")
    assert "requires_action" not in explanation.sentence
    assert "only Stripe says who" in explanation.next_step
    assert "“requires_action”" in explanation.next_step


def test_a_refund_that_failed_gives_the_reason_to_the_colleague_alone() -> None:
    error = ErrorInfo(code="expired_card", message="The card\x1b has\u202e expired")
    explanation = told(attrs.evolve(FULL, status=FAILED, error=error))
    assert explanation.case is Case.FAILED
    assert explanation.sentence.startswith("Your refund of €20.00 did not go through.")
    assert "expired" not in explanation.sentence
    assert explanation.next_step.endswith("The reason given: “The card has expired”.")


@pytest.mark.parametrize("status", [UNKNOWN, None])
def test_what_is_not_known_is_not_told_as_anything(status: RefundStatus | None) -> None:
    state = State(status=status, amount=Money(2000, "EUR"), connector_status="odd" if status else None)
    explanation = told(state, settles_within=timedelta(days=5))
    assert explanation.case is Case.UNCLEAR
    assert explanation.sentence == (
        "Your refund of €20.00 has no clear status yet: we cannot say for certain whether it was sent."
    )
    assert explanation.expected_by is None
    assert ("“odd”" in explanation.next_step) == (status is UNKNOWN)


# From a history


@attrs.frozen
class Told:
    """A history as the ledger hands it out, as far as this package looks at it."""

    state: State


def test_a_history_that_was_watched_says_on_which_day() -> None:
    state = fold([said(PENDING, 2), said(SUCCEEDED, 3, acquirer_reference_number=ARN)])
    assert told(state).sentence.startswith("Your refund of €20.00 was sent to your bank on 3 March.")
    assert told(Told(state)) == told(state)


def test_a_history_that_began_after_the_settling_says_by_which_day() -> None:
    state = fold([said(SUCCEEDED, 3, source="get")])
    explanation = told(state)
    assert "with on or before 3 March." in explanation.sentence
    assert explanation.expected_by == date(2026, 3, 17)


def test_a_history_without_the_processors_time_says_by_which_day_it_was_heard() -> None:
    explanation = told(fold([said(PENDING, 2, dated=False), said(SUCCEEDED, 3, dated=False)]))
    assert "with on or before 3 March." in explanation.sentence
    assert explanation.expected_by == date(2026, 3, 17)


def test_a_refund_that_came_back_is_told_as_sent_and_failed() -> None:
    explanation = told(fold([said(SUCCEEDED, 3), said(FAILED, 5)]), title="Stripe", now=NOW + timedelta(days=1))
    assert explanation.case is Case.RETURNED
    assert explanation.sentence.startswith(
        "Your refund of €20.00 was sent, but was then reported as failed on 5 March."
    )
    assert "Ask Stripe whether the money came back" in explanation.next_step


def test_a_refund_that_is_open_again_says_so() -> None:
    explanation = told(fold([said(SUCCEEDED, 3), said(PENDING, 4)]), settles_within=timedelta(days=9))
    assert explanation.case is Case.REOPENED
    assert explanation.sentence == ("Your refund of €20.00 is being processed again and is not finished yet.")
    assert explanation.expected_by is None


@pytest.mark.parametrize(
    "history",
    [
        [said(SUCCEEDED, 3), said(UNKNOWN, 4, source="get", kind="gone")],
        [said(SUCCEEDED, 3), said(PENDING, 4, source="get", dated=False)],
    ],
    ids=["gone", "disputed"],
)
def test_a_contradiction_is_told_as_unclear(history: list[Observation]) -> None:
    state = fold(history)
    assert state.status is SUCCEEDED
    explanation = told(state, title="Stripe")
    assert explanation.case is Case.UNCLEAR
    assert "Do not refund again" in explanation.next_step


def test_an_amount_that_is_in_doubt_is_not_told() -> None:
    explanation = told(fold([said(SUCCEEDED, 3)], expected=Money(1999, "EUR")))
    assert explanation.sentence.startswith("Your refund was sent")
    assert explanation.next_step.startswith("Different amounts were reported")


def test_a_success_after_a_failure_warns_of_a_second_refund() -> None:
    explanation = told(fold([said(FAILED, 2), said(SUCCEEDED, 3)]))
    assert explanation.case is Case.SENT
    assert explanation.next_step.startswith("It was once reported as failed")


def test_a_newest_word_that_nobody_knows_is_asked_about() -> None:
    state = fold([said(SUCCEEDED, 3), said(UNKNOWN, 4, connector_status="novel")])
    assert Flag.UNKNOWN_WORD in state.flags
    assert "Do not refund again" in told(state).next_step


def test_an_open_history_is_late_by_when_it_was_first_seen() -> None:
    state = fold([said(PENDING, 2)])
    assert told(state, settles_within=timedelta(days=10)).expected_by == date(2026, 3, 12)
    assert told(state, settles_within=timedelta(days=10), now=NOW + timedelta(days=10)).is_late


# Languages


@pytest.mark.parametrize(
    ("locale", "sentence"),
    [
        ("en", "Your refund of €20.00 was sent to your bank on 3 March. "),
        ("en-US", "Your refund of €20.00 was sent to your bank on March 3. "),
        ("de", "Ihre Erstattung über 20,00\xa0€ wurde am 3. März an Ihre Bank gesendet. "),
        ("de_AT", "Ihre Erstattung über €\xa020,00 wurde am 3. März an Ihre Bank gesendet. "),
        ("fr", "Votre remboursement de 20,00\xa0€ a été envoyé à votre banque le 3 mars. "),
        ("es", "Su reembolso de 20,00\xa0€ se envió a su banco el 3 de marzo. "),
    ],
)
def test_amounts_and_days_are_written_as_in_the_region(locale: str, sentence: str) -> None:
    explanation = told(locale=locale)
    assert explanation.sentence.startswith(sentence)
    assert explanation.sentence.endswith(ARN)
    assert explanation.locale == locale.replace("_", "-").replace("en", "en-001" if locale == "en" else "en")


@pytest.mark.parametrize("locale", ["", "xx", "ja", "../etc", "e'", "DE", "de-XX", "de_DE.UTF-8", "en-XX", "d" * 999])
def test_a_language_that_is_not_there_is_english_and_a_region_that_is_not_is_the_language(locale: str) -> None:
    explanation = told(locale=locale)
    assert explanation.sentence[:4] == ("Ihre" if locale.lower().startswith("de") and len(locale) < 99 else "Your")


def test_the_year_is_said_where_it_is_not_this_one() -> None:
    assert "on 3 March 2026." in told(now=datetime(2027, 1, 2, tzinfo=UTC)).sentence


def test_the_day_is_the_customers() -> None:
    late = attrs.evolve(FULL, processed_at=datetime(2026, 3, 3, 23, 30, tzinfo=UTC))
    assert "on 3 March" in told(late).sentence
    assert "on 4 March" in told(late, zone=ZoneInfo("Europe/Berlin")).sentence


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_fills_the_same_places(code: str) -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for field in attrs.fields(type(ENGLISH)):
        theirs, ours = getattr(LANGUAGES[code], field.name), getattr(ENGLISH, field.name)
        # A language may name the processor where English need not, and the other way round.
        assert places(theirs) - {"title"} == places(ours) - {"title"}, field.name
        assert theirs == theirs.rstrip()
    for field_name in ("on", "by"):
        assert getattr(LANGUAGES[code], field_name).startswith(" ")


def test_no_language_borrows_from_english() -> None:
    texts = [set(attrs.asdict(phrases).values()) for code, phrases in LANGUAGES.items() if code != "en"]
    for language in texts:
        assert not language & set(attrs.asdict(ENGLISH).values())


# Properties

CURRENCIES = [one.code for one in Currency if one.exponent is not None]
AMOUNTS = st.builds(
    Money,
    st.sampled_from([0, 1, 9, 10, 99, 100, 10**9, 2**53 + 1, 10**30 + 1]) | st.integers(0, 10**20),
    st.sampled_from(CURRENCIES),
)
TEXT = st.text(max_size=30)
MOMENTS = st.integers(946_684_800, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@settings(deadline=None)
@given(AMOUNTS, st.sampled_from([*LANGUAGES, "de-CH", "fr-CA", "es-MX", "en-IN"]))
def test_no_amount_is_rounded(money: Money, locale: str) -> None:
    shown = Language.of(locale).money(money)
    assert shown is not None
    digits = "".join(re.findall(r"\d", shown))
    assert int(digits) == money.minor_amount
    assert len(digits) >= Currency(money.currency).exponent + 1


def test_an_amount_of_no_listed_currency_is_left_out() -> None:
    explanation = told(attrs.evolve(FULL, refund_amount=Money(100, "XXX")))
    assert explanation.sentence.startswith("Your refund was sent")


@settings(deadline=None)
@given(
    st.builds(
        Refund,
        status=st.sampled_from(RefundStatus),
        connector_status=st.none() | TEXT,
        refund_amount=st.none() | AMOUNTS,
        created_at=st.none() | MOMENTS,
        processed_at=st.none() | MOMENTS,
        acquirer_reference_number=st.none() | TEXT,
        error=st.none() | st.builds(ErrorInfo, code=st.none() | TEXT, message=st.none() | TEXT),
        refund_reason=st.just("a secret between us"),
    ),
    MOMENTS,
    st.sampled_from([*LANGUAGES, "xx"]),
    st.none() | st.timedeltas(timedelta(0), timedelta(days=90)),
)
def test_nothing_is_promised_that_is_not_known(
    refund: Refund, now: datetime, locale: str, settles_within: timedelta | None
) -> None:
    phrases = Language.of(locale).phrases
    explanation = explain(refund, now=now, locale=locale, settles_within=settles_within)
    text = explanation.sentence
    assert text.strip()
    assert "{" not in text.replace(explanation.reference or "", "")
    assert not [letter for letter in text if not letter.isprintable() and letter not in "\xa0\u202f"]
    assert "secret" not in text + explanation.next_step
    assert (phrases.banks_show.format(least=5, most=10) in text) <= (refund.status is SUCCEEDED)
    assert explanation.expected_by is None or refund.processed_at or settles_within is not None
    if not refund.processed_at and not refund.created_at:
        assert sentence_without_days(refund, now, locale, settles_within) == text


def sentence_without_days(refund: Refund, now: datetime, locale: str, settles_within: timedelta | None) -> str:
    """The sentence years later, when every day in it would have its year and any span would have passed."""
    return explain(refund, now=now + timedelta(days=3660), locale=locale, settles_within=settles_within).sentence


@settings(deadline=None)
@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 30))
def test_business_days_are_counted_as_a_calendar_counts_them(start: date, count: int) -> None:
    end = after_business_days(start, count)
    days = [start + timedelta(days=number) for number in range(1, (end - start).days + 1)]
    assert sum(day.weekday() < 5 for day in days) == count
    assert count == 0 or end.weekday() < 5
