"""What Worldpay says of payments: the events of one command of a payment are one refund."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from refundry import errors
from refundry.model import RefundPage, RefundQuery
from refundry.reading import Fields, page


def commands(payment: Fields) -> list[dict[str, Any]]:
    """The events of each command, which are those of one refund, or of something else that was asked for."""
    events: dict[object, list[Any]] = {}
    for number, item in enumerate(payment.required_items("events")):
        # What names no command, and what cannot be read, stands for itself.
        command = item.get("commandId") if isinstance(item, Mapping) else None
        events.setdefault(command if isinstance(command, str) and command else number, []).append(item)
    return [{"id": command if isinstance(command, str) else None, "events": own} for command, own in events.items()]


def is_refund(command: Fields) -> bool:
    """Whether a command is a refund, whatever later events of it are called. Raises `MappingError` for an odd one."""
    names = [event.required("eventName") for event in command.objects("events")]
    return any(name.startswith("refund") for name in names) and bool(command.required("id"))


def own_id(command: Fields) -> str | None:
    """The id of a command."""
    return command.text("id")


def reference(command: Fields) -> str | None:
    """The merchant's reference, which a full refund does not have."""
    return next(filter(None, (event.text("refundReference") for event in command.objects("events"))), None)


def latest(events: Sequence[Fields]) -> Fields:
    """The event that counts. Raises `MappingError` where the order of several cannot be told."""
    if len(events) == 1:
        return events[0]
    times = [event.iso_time("timestamp") for event in events]
    if None in times:
        raise errors.MappingError("an event has no time, so the last one is not known", field="timestamp")
    return max(zip(times, range(len(events)), events, strict=True))[2]


def read_page(fields: Fields) -> RefundPage:
    """A page of payments, each as what names it."""
    # An empty list may come without "_embedded", and never without its link to itself.
    fields.at("_links").required("self", "href")
    items = fields.items("_embedded", "payments")
    return page(items, lambda item: RefundQuery(connector_transaction_id=Fields(item).required("paymentId")))


def payment_ids(payments: RefundPage) -> list[str]:
    """The ids of the payments of a page."""
    return [hint.connector_transaction_id or "" for hint in payments.hints]


def only_payment(payments: RefundPage) -> str:
    """The id of the one payment of a page. Raises `RefundNotFound`, `AmbiguousRefund` or `MappingError`."""
    if payments.problems:
        raise payments.problems[0]
    if len(payments.hints) > 1:
        raise errors.AmbiguousRefund("several payments have this reference: ask with connector_transaction_id")
    if not payments.hints:
        raise errors.RefundNotFound("no payment has this reference, or it is not shown yet")
    return payment_ids(payments)[0]


def next_page(fields: Fields) -> str:
    """The query of the page after this one, empty after the last. The host in its link is not used."""
    if fields.get("_links", "next") is None:
        return ""
    query = fields.required("_links", "next", "href").partition("?")[2]
    if not query:
        raise errors.MappingError("the link to the next page has no query", field="_links.next.href")
    return query
