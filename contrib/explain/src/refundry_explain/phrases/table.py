"""What a language must be able to say."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Phrases:
    """The texts of one language, with the places that are filled in braces.

    ``when`` is `on`, `by` or nothing; it brings its own space. ``refund`` is `refund` or `refund_of`.
    """

    refund: str
    """The refund, as the subject of a sentence."""
    refund_of: str
    """The same with its {amount}."""
    on: str
    """On this {date}, after a space."""
    by: str
    """On this {date} or before it, after a space."""

    # For the customer
    sent_to_bank: str
    sent: str
    banks_show: str
    """How long a bank usually takes: within {least} to {most} business days."""
    if_not_shown: str
    """Give the bank this {reference}."""
    overdue_at_bank: str
    """The usual time at the bank has passed: give the bank this {reference}."""
    overdue_without_reference: str
    started: str
    restarted: str
    usually_takes: str
    """How long the processor usually takes: up to this {span}."""
    takes_longer: str
    on_hold: str
    failed: str
    returned: str
    unclear: str

    # For the person who answers the customer; {title} is the processor
    processor: str
    """The processor where its name is not known, as it stands after "ask"."""
    wait_for_bank: str
    """The bank may take until this {date}."""
    bank_can_trace: str
    """The bank finds the money by this {reference}."""
    ask_for_reference: str
    wait_for_processor: str
    wait_for_processor_until: str
    """It usually takes up to this {span}."""
    ask_why_late: str
    see_who_must_act: str
    refund_otherwise: str
    check_return: str
    ask_what_holds: str
    ask_now: str
    word_is: str
    """What the processor says, in its own {word}."""
    reason_is: str
    """Why it failed, in the processor's own words: {reason}."""
    look_for_second_refund: str
    compare_amounts: str
