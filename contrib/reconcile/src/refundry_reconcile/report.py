"""The report: one page for people, which needs nothing from anywhere, and files for programs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import attrs
from jinja2 import Environment, PackageLoader, StrictUndefined

from refundry.model import Money
from refundry.times import to_iso
from refundry_reconcile import charts
from refundry_reconcile.files import decimal_text, write_files
from refundry_reconcile.store import Store
from refundry_reconcile.summary import AGES, DIFFERENCES, NO_AGE, AccountSummary, Sum, Summary, read_findings
from refundry_reconcile.verdicts import EXPLANATIONS, Verdict

MOST_ROWS = 500
"""How many differences the page shows: with many more a browser grows slow."""


@attrs.frozen(kw_only=True)
class Total:
    """The refunds of one account and currency, with the classes that they add up from."""

    account: str
    currency: str
    books_count: int
    books: str
    processor_count: int
    processor: str
    difference: str
    differs: bool
    parts: tuple[tuple[Sum, str, str, str], ...]
    """Each class with the books' amount, the processor's, and how much the books have more."""


def write_report(store: Store, summary: Summary, folder: Path) -> Path:
    """Write everything into the folder; gives the page's path."""
    write_files(store, summary, folder)
    page = folder / "report.html"
    with page.open("w", encoding="utf-8", newline="\n") as lines:
        lines.writelines(_template().generate(**_content(store, summary)))
    return page


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("refundry_reconcile"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"money": money_text, "moment": moment_text, "number": "{:,}".format}
    return environment.get_template("report.html.j2")


def _content(store: Store, summary: Summary) -> dict[str, Any]:
    script = _resource("report.js")
    return {
        "summary": summary,
        "verdicts": [(verdict, summary.counts[verdict], EXPLANATIONS[verdict]) for verdict in Verdict],
        "totals": list(totals(summary.sums)),
        "ways": [(one, way_in_words(one)) for one in summary.accounts],
        "settling": charts.settling_chart(summary.settling),
        "ages": charts.age_chart(summary.ages),
        "age_names": (*AGES, NO_AGE),
        "charts": charts,
        "findings": read_findings(store, DIFFERENCES, MOST_ROWS),
        "shown": min(summary.differences, MOST_ROWS),
        "compared": sum(summary.counts.values()),
        "style": _resource("report.css"),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }


def _resource(name: str) -> str:
    return (files("refundry_reconcile") / "templates" / name).read_text(encoding="utf-8")


def totals(sums: Sequence[Sum]) -> Iterator[Total]:
    """The totals by account and currency; what has no currency has no amount either, and is a total of its own."""
    for (account, currency), group in groupby(sums, key=lambda one: (one.account, one.currency)):
        parts = list(group)
        books, processor = sum(one.books_amount for one in parts), sum(one.processor_amount for one in parts)
        yield Total(
            account=account or "no account named",
            currency=currency or "no currency",
            books_count=sum(one.books_count for one in parts),
            books=_amount(books, currency),
            processor_count=sum(one.processor_count for one in parts),
            processor=_amount(processor, currency),
            difference=_signed(books - processor, currency),
            differs=books != processor,
            parts=tuple(_part(one, currency) for one in parts),
        )


def _part(one: Sum, currency: str | None) -> tuple[Sum, str, str, str]:
    more = _signed(one.books_amount - one.processor_amount, currency)
    return one, _amount(one.books_amount, currency), _amount(one.processor_amount, currency), more


def _amount(minor: int, currency: str | None) -> str:
    # Rows whose currency cannot be read have no amount.
    return money_text(Money(int(minor), currency)) if currency and _is_code(currency) else "-"


def _signed(minor: int, currency: str | None) -> str:
    text = _amount(abs(minor), currency)
    return f"\N{MINUS SIGN}{text}" if minor < 0 else f"+{text}" if minor else text


def _is_code(currency: str) -> bool:
    return len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()


def money_text(money: Money | None) -> str:
    """An amount as people read it."""
    if money is None:
        return "\N{EN DASH}"
    try:
        return f"{money.decimal:,f} {money.currency}"
    except ValueError:
        return f"{decimal_text(money)} of {money.currency}"


def moment_text(moment: datetime | None) -> str:
    """A time as people read it, in UTC; midnight is a date."""
    if moment is None:
        return "\N{EN DASH}"
    return to_iso(moment.replace(microsecond=0)).removesuffix("T00:00:00Z").replace("T", " ").replace("Z", " UTC")


def way_in_words(one: AccountSummary) -> str:
    """How an account was asked, and what that leaves open."""
    if one.refused:
        return f"It could not be asked: {one.refused}."
    text = _WAYS.get(one.way, "{title} cannot be asked for refunds.").format(
        title=one.title, since=moment_text(one.listed_since), until=moment_text(one.listed_until)
    )
    if one.way == "list" and not one.complete:
        text += " Its list leaves some refunds out; those of your books were asked for one by one where possible."
    if one.unreadable:
        text += f" {one.unreadable:,} of its items could not be read."
    return text


_WAYS = {
    "list": "{title} listed its refunds from {since} to {until}.",
    "get": "{title} has no list, so the refunds of your books were asked for one by one. "
    "A refund that is in no book of yours cannot be seen this way.",
    "ledger": "The ledger said what it has heard. What it never heard of cannot be seen this way.",
}
