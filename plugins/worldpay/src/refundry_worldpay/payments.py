"""What Access Worldpay says of payments: the events of one command of a payment are one refund."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refundry import errors
from refundry.model import RefundQuery
from refundry.reading import Fields

REQUESTED = "refundRequested"


def listed(fields: Fields) -> list[Any]:
    """The payments of a page."""
    # An empty list may come without "_embedded", and never without its link to itself.
    fields.at("_links").required("self", "href")
    return fields.items("_embedded", "payments")


def only_payment(fields: Fields) -> str:
    """The id of the one payment of a page. Raises `RefundNotFound` or `AmbiguousRefund`."""
    match listed(fields):
        case [item]:
            return Fields(item).required("paymentId")
        case []:
            raise errors.RefundNotFound("no payment has this reference, or it is not shown yet")
        case _:
            raise errors.AmbiguousRefund("several payments have this reference: ask with connector_transaction_id")


def query_of(item: object) -> RefundQuery:
    """What names one payment of a page."""
    return RefundQuery(connector_transaction_id=Fields(item).required("paymentId"))


def next_page(fields: Fields) -> str:
    """The query of the page after this one, empty after the last. The host in its link is not used."""
    if fields.get("_links", "next") is None:
        return ""
    query = fields.required("_links", "next", "href").partition("?")[2]
    if not query:
        raise errors.MappingError("the link to the next page has no query", field="_links.next.href")
    return query


def commands(payment: Fields) -> list[dict[str, Any]]:
    """What was asked for of a payment, a refund or something else, each with its id and its events."""
    found: dict[object, dict[str, Any]] = {}
    for number, item in enumerate(payment.required_items("events")):
        command = item.get("commandId") if isinstance(item, dict) else None
        named = command if isinstance(command, str) and command else None
        # What names no command, and what cannot be read, stands for itself.
        found.setdefault(named or number, {"id": named, "events": []})["events"].append(item)
    return list(found.values())


def is_refund(command: Fields) -> bool:
    """Whether it is a refund, whatever later events of it are called. Raises `MappingError` for an odd one."""
    names = [event.required("eventName") for event in command.objects("events")]
    return any(name.startswith("refund") for name in names) and bool(command.required("id"))


def request_of(command: Fields) -> Fields:
    """The request for the refund, which has its amount and reference; empty where it is not shown."""
    return next((event for event in command.objects("events") if event.get("eventName") == REQUESTED), Fields({}))


def latest(events: Sequence[Fields]) -> Fields:
    """The event that counts, of one time the last. Raises `MappingError` where their order cannot be told."""
    times = [event.iso_time("timestamp") for event in events]
    if len(events) > 1 and None in times:
        raise errors.MappingError("an event has no time, so the last one is not known", field="timestamp")
    return max(zip(times, range(len(events)), events, strict=True))[2]
