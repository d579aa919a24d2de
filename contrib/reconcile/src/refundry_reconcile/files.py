"""The differences as files for programs and spreadsheets."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import attrs

from refundry.model import Money
from refundry.times import to_iso
from refundry_reconcile.store import Store, plain
from refundry_reconcile.summary import DIFFERENCES, Summary, read_findings
from refundry_reconcile.verdicts import Evidence, Finding, Side

_SIDE = tuple(field.name for field in attrs.fields(Side))
_EVIDENCE = tuple(field.name for field in attrs.fields(Evidence))
_MONEY = frozenset({"at_stake", "books_amount", "processor_amount"})
COLUMNS = (
    *("verdict", "reason", "account", "at_stake", "matched_by", "note"),
    *(f"books_{name}" for name in _SIDE),
    *(f"processor_{name}" for name in _SIDE),
    *_EVIDENCE,
)
# What a spreadsheet may take for a formula, with the full-width forms that some of them fold.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_files(store: Store, summary: Summary, folder: Path) -> None:
    """Write ``differences.csv``, ``.jsonl`` and ``.parquet``, and ``summary.json``."""
    with _opened(folder / "differences.csv") as lines, _opened(folder / "differences.jsonl") as objects:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(_header())
        for finding in read_findings(store, DIFFERENCES):
            writer.writerow(csv_row(finding))
            objects.write(json.dumps(to_dict(finding)) + "\n")
    store.export(DIFFERENCES, folder / "differences.parquet")
    text = json.dumps(summary.to_dict(), indent=2)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")


def to_dict(finding: Finding) -> dict[str, Any]:
    """A finding as JSON takes it: amounts in minor units with their currency, absent values left out."""
    return _without_none(attrs.asdict(finding, value_serializer=_plain))


def csv_row(finding: Finding) -> list[str]:
    """The cells of a finding, none of which a spreadsheet takes for a formula."""
    return [_cell(part) for name, value in _flat(finding) for part in _parts(name, value)]


def _header() -> list[str]:
    return [part for name in COLUMNS for part in ((name, f"{name}_currency") if name in _MONEY else (name,))]


def _flat(finding: Finding) -> Iterator[tuple[str, Any]]:
    prefixed = {"books_": finding.books, "processor_": finding.processor, "": finding.evidence}
    for name in COLUMNS:
        if name in ("verdict", "reason", "account", "at_stake", "matched_by", "note"):
            yield name, getattr(finding, name)
            continue
        prefix = next(one for one in prefixed if name.startswith(one))
        yield name, getattr(prefixed[prefix], name.removeprefix(prefix), None)


def _parts(name: str, value: Any) -> tuple[Any, ...]:
    if name not in _MONEY:
        return (value,)
    return (None, None) if value is None else (decimal_text(value), value.currency)


def decimal_text(money: Money) -> str:
    """The amount in major units, without its currency."""
    try:
        return f"{money.decimal:f}"
    except ValueError:
        return f"{money.minor_amount} minor units"


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = to_iso(value) if isinstance(value, datetime) else str(value)
    cell = plain(text) or ""
    return f"'{cell}" if text.startswith(_FORMULA_STARTS) or cell.strip().startswith(_FORMULA_STARTS) else cell


def _plain(instance: object, field: object, value: Any) -> Any:
    return to_iso(value) if isinstance(value, datetime) else value


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(part) if isinstance(part, dict) else part
        for name, part in value.items()
        if part is not None
    }


def _opened(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="")
