"""The classes that a refund can end in, in the words of those who keep books."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

from refundry.model import Money


class Verdict(StrEnum):
    """How a refund stands between the books and the processor. Every refund ends in exactly one."""

    MATCHED = "matched"
    AMOUNT_DIFFERS = "amount differs"
    CURRENCY_DIFFERS = "currency differs"
    STATUS_DIFFERS = "status differs"
    MISSING_AT_PROCESSOR = "missing at the processor"
    MISSING_IN_BOOKS = "missing in the books"
    DUPLICATE = "duplicate"
    AMBIGUOUS = "ambiguous"
    NOT_COMPARABLE = "not comparable"


@attrs.frozen
class Explanation:
    """What a class means, and what whoever finds a refund in it should do."""

    meaning: str
    advice: str


EXPLANATIONS: Mapping[Verdict, Explanation] = {
    Verdict.MATCHED: Explanation(
        "Your books and the processor have the same refund with the same amount, currency and status.",
        "Nothing.",
    ),
    Verdict.AMOUNT_DIFFERS: Explanation(
        "Both have the refund, with different amounts.",
        "Find out which amount the customer was promised. Correct the books, or refund what is lacking.",
    ),
    Verdict.CURRENCY_DIFFERS: Explanation(
        "Both have the refund, in different currencies. The amounts are not comparable then.",
        "Look at the payment's currency; most often the books hold the shop's currency instead.",
    ),
    Verdict.STATUS_DIFFERS: Explanation(
        "Both have the refund with the same amount, and do not agree on whether the money went out.",
        "Where the processor says FAILED the customer has no money: refund another way. Where it says PENDING or "
        "MANUAL_REVIEW, wait or act there before you call it done. Otherwise bring the books up to date.",
    ),
    Verdict.MISSING_AT_PROCESSOR: Explanation(
        "Your books have a refund that the processor does not know.",
        "Most likely it was never made, and the customer still waits. Check the account and the identifier; never "
        "refund again before you know.",
    ),
    Verdict.MISSING_IN_BOOKS: Explanation(
        "The processor has a refund that your books lack.",
        "Somebody may have made it in the processor's dashboard. Find out who, and book it.",
    ),
    Verdict.DUPLICATE: Explanation(
        "The same refund is there more than once: booked twice, or made twice by the processor.",
        "Booked twice: remove one entry. Made twice: the customer has the money twice; talk to the processor.",
    ),
    Verdict.AMBIGUOUS: Explanation(
        "Several refunds could be meant, and nothing says which. None was chosen.",
        "Put the processor's refund id into your books; it alone tells refunds of one payment apart.",
    ),
    Verdict.NOT_COMPARABLE: Explanation(
        "Something that the comparison needs is missing or cannot be read. The reason stands with each.",
        "Mend what the reason names, and run the comparison again.",
    ),
}


@attrs.frozen(kw_only=True)
class Side:
    """A refund as one side has it."""

    where: str
    """Where it stands: "line 17" of the books, or what the processor's answer was: "list", "get", "ledger"."""
    connector_refund_id: str | None
    merchant_refund_id: str | None
    connector_transaction_id: str | None
    amount: Money | None
    status: str | None
    """A `refundry.model.RefundStatus`; None where the books keep none."""
    word: str | None
    """The status in this side's own words."""
    at: datetime | None
    """The books' date, or when the processor made it."""


@attrs.frozen(kw_only=True)
class Evidence:
    """What the processor's side rests on."""

    observed_at: datetime
    digest: str
    """SHA-256, as hex, of the answer that it was read from; one answer may tell of many refunds."""
    processed_at: datetime | None
    acquirer_reference_number: str | None
    error: str | None


@attrs.frozen(kw_only=True)
class Finding:
    """One refund and its verdict."""

    verdict: Verdict
    reason: str
    """Why, in a sentence."""
    account: str
    matched_by: str | None
    """What ties the two sides together; None where only one is there."""
    at_stake: Money | None
    """The money that the difference is about; None where no amount is known."""
    books: Side | None
    processor: Side | None
    evidence: Evidence | None
    note: str | None
    """What is worth knowing besides: it was found outside the period, or how the processor was asked in vain."""
