"""English."""

from refundry_explain.phrases.table import Phrases

ENGLISH = Phrases(
    refund="Your refund",
    refund_of="Your refund of {amount}",
    on=" on {date}",
    by=" on or before {date}",
    sent_to_bank="{refund} was sent to your bank{when}.",
    sent="{refund} was sent to the account you paid with{when}.",
    banks_show="Banks usually show it within {least} to {most} business days.",
    if_not_shown="If it does not appear, give your bank this reference: {reference}",
    overdue_at_bank="Banks have usually shown it by now. "
    "If you do not see it, give your bank this reference: {reference}",
    overdue_without_reference="Banks have usually shown it by now. If you do not see it, please tell us.",
    started="{refund} was started{when} and is not finished yet.",
    restarted="{refund} is being processed again and is not finished yet.",
    usually_takes="It usually takes up to {span}.",
    takes_longer="It is taking longer than usual.",
    on_hold="{refund} is on hold: a person has to look at it before it can go on.",
    failed="{refund} did not go through. Please contact us, so that we can find another way.",
    returned="{refund} was sent, but was then reported as failed{when}. "
    "Please contact us, so that we can find another way.",
    unclear="{refund} has no clear status yet: we cannot say for certain whether it was sent.",
    processor="the processor",
    wait_for_bank="Nothing to do until {date}: the bank may take that long.",
    bank_can_trace="The customer's bank can trace the money by the reference {reference}.",
    ask_for_reference="If the customer does not see it, ask {title} for the acquirer reference number (ARN).",
    wait_for_processor="Nothing to do yet: ask {title} again later.",
    wait_for_processor_until="Nothing to do yet: it usually takes {title} up to {span}.",
    ask_why_late="It has been open longer than is usual: ask {title} why.",
    see_who_must_act="Someone must act, and only {title} says who: look it up there.",
    refund_otherwise="Find out why it failed; make sure that no other refund was made, then refund another way.",
    check_return="Ask {title} whether the money came back to you before you refund another way.",
    ask_what_holds="Ask {title} what holds now. Do not refund again before that is clear.",
    ask_now="Nothing was heard about it yet: ask {title} now.",
    word_is="The processor's word is \u201c{word}\u201d.",
    reason_is="The reason given: \u201c{reason}\u201d.",
    look_for_second_refund="It was once reported as failed: make sure that it was not refunded a second time.",
    compare_amounts="Different amounts were reported: compare them with the order.",
)
