"""How refunds are shown: plain text for pipes and files, `rich` for terminals.

Whatever came from a processor passes through `clean`, and reaches `rich` as `Text`, which reads no markup.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import typer

from refundry.model import Money, Refund, RefundStatus
from refundry.times import to_iso

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

STYLES = {
    RefundStatus.SUCCEEDED: "green",
    RefundStatus.FAILED: "red",
    RefundStatus.PENDING: "yellow",
    RefundStatus.MANUAL_REVIEW: "magenta",
    RefundStatus.UNKNOWN: "bold magenta",
}

ROW_WIDTHS = {
    "refund": 30,
    "status": 13,
    "amount": 14,
    "processor says": 18,
    "created": 20,
    "payment": 30,
    "reference": 23,
    "reason": 0,
}
"""The columns of a list, and how wide each is at least; a terminal shows the first that fit."""

_CSV_FIELDS = (
    "connector_refund_id",
    "merchant_refund_id",
    "connector_transaction_id",
    "status",
    "connector_status",
    "minor_amount",
    "currency",
    "amount",
    "created_at",
    "updated_at",
    "processed_at",
    "acquirer_reference_number",
    "refund_reason",
    "error",
    "problems",
)
# What a spreadsheet may take for a formula, with the full-width forms that some of them fold.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def is_terminal(stream: IO[str]) -> bool:
    """Whether colours and moving parts may be written to this stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def clean(text: str) -> str:
    """The text on one line, without what could steer a terminal or change the direction of writing."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def to_json(value: Mapping[str, Any]) -> str:
    """One line of JSON in ASCII."""
    return json.dumps(value)


def reason_of(refund: Refund) -> str:
    """Why a refund failed, in the processor's words; empty where it said nothing."""
    error = refund.error
    if error is None:
        return ""
    return clean(" / ".join(part for part in (error.code, error.message, error.reason, error.network_code) if part))


def facts_of(refund: Refund) -> dict[str, str]:
    """What is known about one refund, by the names of `Refund`; what is absent is left out."""
    facts = {
        "status": refund.status.value,
        "connector_status": refund.connector_status,
        "refund_amount": str(refund.refund_amount) if refund.refund_amount else None,
        "connector_refund_id": refund.connector_refund_id,
        "merchant_refund_id": refund.merchant_refund_id,
        "connector_transaction_id": refund.connector_transaction_id,
        "acquirer_reference_number": refund.acquirer_reference_number,
        "refund_reason": refund.refund_reason,
        "error": reason_of(refund),
        "created_at": _iso(refund.created_at),
        "updated_at": _iso(refund.updated_at),
        "processed_at": _iso(refund.processed_at),
        **{f"metadata.{key}": value for key, value in refund.metadata.items()},
        "problems": "; ".join(refund.problems),
    }
    return {clean(name): clean(value) for name, value in facts.items() if value}


def row_of(refund: Refund) -> tuple[str, ...]:
    """The cells of one line of a list, in the order of `ROW_WIDTHS`."""
    facts = facts_of(refund)
    return (
        facts.get("connector_refund_id", "-"),
        facts["status"],
        facts.get("refund_amount", "-"),
        facts.get("connector_status", "-"),
        facts.get("created_at", "-"),
        facts.get("connector_transaction_id", "-"),
        facts.get("acquirer_reference_number", "-"),
        facts.get("error", "-"),
    )


def csv_header() -> tuple[str, ...]:
    """The first line of a CSV file."""
    return _CSV_FIELDS


def csv_row(refund: Refund) -> list[str]:
    """The cells of one refund in a CSV file, none of which a spreadsheet takes for a formula."""
    money = refund.refund_amount
    values: dict[str, object] = {
        **{name: getattr(refund, name, None) for name in _CSV_FIELDS},
        "status": refund.status.value,
        "minor_amount": money.minor_amount if money else None,
        "currency": money.currency if money else None,
        "amount": _decimal(money) if money else None,
        "error": reason_of(refund),
        "problems": "; ".join(refund.problems),
    }
    return [_csv_cell(values[name]) for name in _CSV_FIELDS]


def aligned(cells: Iterable[str], widths: Iterable[int]) -> str:
    """Cells in columns, as plain text; a cell that is too long is never cut."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def plain_facts(facts: Mapping[str, str]) -> str:
    """One fact a line."""
    width = max(map(len, facts), default=0)
    return "\n".join(aligned(pair, (width, 0)) for pair in facts.items())


def rich_facts(facts: Mapping[str, str]) -> Table:
    """One fact a line, for a terminal."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        style = STYLES[RefundStatus(value)] if name == "status" else ""
        grid.add_row(Text(name, style="dim"), Text(value, style=style, overflow="fold"))
    return grid


def rich_row(cells: Sequence[str]) -> Text:
    """One line of a list, for a terminal, its status in colour."""
    from rich.text import Text

    padded = [cell.ljust(width) for cell, width in zip(cells, ROW_WIDTHS.values(), strict=True)]
    status = RefundStatus(cells[1])
    parts = [(cell, STYLES[status] if cell.strip() == status.value else "") for cell in padded]
    return Text("  ").join(Text(*part) for part in parts)


def print_facts(facts: Mapping[str, str]) -> None:
    """Show facts on stdout, one a line."""
    if not is_terminal(sys.stdout):
        typer.echo(plain_facts(facts))
        return
    from rich.console import Console

    Console().print(rich_facts(facts))


def _decimal(money: Money) -> str | None:
    try:
        return str(money.decimal)
    except ValueError:
        return None


def _csv_cell(value: object) -> str:
    if value is None:
        return ""
    text = to_iso(value) if isinstance(value, datetime) else str(value)
    cell = clean(text)
    return f"'{cell}" if text.startswith(_FORMULA_STARTS) or cell.strip().startswith(_FORMULA_STARTS) else cell


def _iso(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None
