"""What a payment of Access Worldpay says about its refunds: the events of one command are one refund."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from refundry.errors import AmbiguousRefund, MappingError, NotARefund, RefundNotFound
from refundry.model import RefundQuery
from refundry.reading import Fields

REQUESTED = "refundRequested"

EventItem = Mapping[str, Any]


def read_commands(payment: Fields) -> tuple[dict[str, list[EventItem]], list[MappingError]]:
    """The events of each command, and what could not be read."""
    commands: dict[str, list[EventItem]] = {}
    problems = []
    for number, item in enumerate(payment.required_items("events")):
        try:
            event = Fields(item, where=f"events.{number}")
            named_refund = event.required("eventName").startswith("refund")
            command = event.required("commandId") if named_refund else event.text("commandId")
        except MappingError as error:
            problems.append(error)
        else:
            commands.setdefault(command or "", []).append(event.value)
    return commands, problems


def is_refund(events: Sequence[EventItem]) -> bool:
    """Whether a command is a refund, whatever later events of it are called."""
    return any(str(event["eventName"]).startswith("refund") for event in events)


def asked_command(query: RefundQuery, commands: Mapping[str, Sequence[EventItem]]) -> str:
    """The command that is the refund of this query. Raises `RefundNotFound` or one of its kinds."""
    refunds = {command: events for command, events in commands.items() if is_refund(events)}
    if query.connector_refund_id:
        found = [command for command in refunds if command == query.connector_refund_id]
    elif query.merchant_refund_id:
        found = [command for command, events in refunds.items() if _has_reference(events, query.merchant_refund_id)]
    else:
        found = list(refunds)
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousRefund("the payment has several such refunds: ask with connector_refund_id")
    if query.connector_refund_id in commands:
        raise NotARefund("this id belongs to a command that is no refund")
    raise RefundNotFound("the payment has no such refund, or does not show it yet; a full refund has no reference")


def latest_event(events: Sequence[EventItem]) -> EventItem:
    """The event that counts. Raises `MappingError` where the order of several cannot be told."""
    if len(events) == 1:
        return events[0]
    order = []
    for number, event in enumerate(events):
        time = Fields(event).iso_time("timestamp")
        if time is None:
            raise MappingError("an event of the refund has no time, so the last one is not known", field="timestamp")
        order.append((time, number))
    return events[max(order)[1]]


def first_event(events: Sequence[EventItem]) -> EventItem:
    """The request for the refund, which has its amount and reference; empty where it is not shown."""
    return next((event for event in events if event["eventName"] == REQUESTED), {})


def listed_payments(fields: Fields) -> list[Any]:
    """The payments of a page."""
    # An empty list may come without "_embedded", and never without its link to itself.
    fields.at("_links").required("self", "href")
    return fields.items("_embedded", "payments")


def next_page(fields: Fields) -> str:
    """The query of the page after this one, empty after the last. The host in its link is not used."""
    if fields.get("_links", "next") is None:
        return ""
    query = fields.required("_links", "next", "href").partition("?")[2]
    if not query:
        raise MappingError("the link to the next page has no query", field="_links.next.href")
    return query


def payment_query(item: object) -> RefundQuery:
    """What names one listed payment."""
    return RefundQuery(connector_transaction_id=Fields(item).required("paymentId"))


def only_payment(fields: Fields) -> str:
    """The id of the one payment of a page. Raises `RefundNotFound` or `AmbiguousRefund`."""
    payments = listed_payments(fields)
    if not payments:
        raise RefundNotFound("no payment has this reference, or it is not shown yet")
    if len(payments) > 1:
        raise AmbiguousRefund("several payments have this reference: ask with connector_transaction_id")
    return Fields(payments[0]).required("paymentId")


def _has_reference(events: Sequence[EventItem], reference: str) -> bool:
    return any(event.get("refundReference") == reference for event in events)
