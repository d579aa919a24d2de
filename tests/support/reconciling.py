"""Books and processors for the tests of the reconciliation."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from refundry.client import RefundClient
from refundry.connector import Connector
from refundry.model import SUCCEEDED, Money, Refund
from refundry.testing import Wiring
from refundry_reconcile import Books, Columns, Reconciliation, reconcile
from refundry_stripe import Stripe

SINCE, UNTIL = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
PERIOD: dict[str, Any] = {"since": SINCE, "until": UNTIL}
"""In the past of `refundry.testing.FakeClock`, with its margin."""
NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)
NAMES = ("account", "refund", "reference", "payment", "amount", "currency", "state", "on")
COLUMNS = Columns(
    account="account",
    connector_refund_id="refund",
    merchant_refund_id="reference",
    connector_transaction_id="payment",
    amount="amount",
    currency="currency",
    status="state",
    at="on",
)
STATUSES = {"done": "SUCCEEDED", "open": "PENDING", "rejected": "FAILED", "?": "UNKNOWN"}


def a_refund(refund_id: str, **changes: Any) -> Refund:
    """A refund as the processor has it: 10.50 EUR, done, made on 10 February."""
    facts: dict[str, Any] = {
        "connector_refund_id": refund_id,
        "status": SUCCEEDED,
        "connector_status": "succeeded",
        "refund_amount": Money(1050, "EUR"),
        "created_at": NOON,
    }
    return Refund(**{**facts, **changes})


def a_row(refund: str = "", **changes: str) -> dict[str, str]:
    """A row of the books: 10.50 EUR, done, booked on 10 February."""
    facts = {"account": "stripe", "refund": refund, "amount": "10.50", "currency": "EUR", "state": "done"}
    return {**dict.fromkeys(NAMES, ""), **facts, "on": "2026-02-10", **changes}


def write_books(path: Path, rows: Iterable[Mapping[str, str]]) -> Books:
    """The rows as a CSV file."""
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, NAMES)
        writer.writeheader()
        writer.writerows(rows)
    return Books(source=path, columns=COLUMNS, amounts="decimal", statuses=STATUSES)  # type: ignore[arg-type]


def processor(
    refunds: Iterable[Refund] = (), *, connector: type[Connector] = Stripe, name: str | None = None
) -> tuple[Wiring, RefundClient]:
    """A processor with these refunds, and the client of an account there."""
    wiring = Wiring(connector, refunds)
    return wiring, wiring.client(account_name=name or connector.name)


def compare(folder: Path, rows: Iterable[Mapping[str, str]], *clients: RefundClient, **options: Any) -> Reconciliation:
    """Compare rows with what these accounts say."""
    books = write_books(folder / "books.csv", rows)
    chosen: dict[str, Any] = {**PERIOD, "folder": folder / "work", "clock": Wiring(Stripe).clock, **options}
    return reconcile(books, clients, **chosen)


def by_place(done: Reconciliation) -> dict[str, tuple[str, str | None]]:
    """The verdicts, with what each was matched by, by the line of the books or the id of the refund."""
    found: dict[str, tuple[str, str | None]] = {}
    for one in done.findings():
        if one.books:
            found[one.books.where] = (one.verdict.value, one.matched_by)
        if one.processor:
            found[one.processor.connector_refund_id or "?"] = (one.verdict.value, one.matched_by)
    return found


def days(number: float) -> timedelta:
    """So many days."""
    return timedelta(days=number)
