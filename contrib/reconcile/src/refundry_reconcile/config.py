"""The table ``[reconcile]`` of ``refundry.toml``.

```toml
[reconcile]
books = "refunds.csv"          # or a .parquet file, or { env = "BOOKS_URL" }: the address of a database; or "ledger"
table = "refunds"              # of a database; or query = "SELECT ..."
amounts = "decimal"            # or "minor"
account = "stripe-eu"          # where the books have no column for it
statuses = { refunded = "SUCCEEDED", requested = "PENDING", rejected = "FAILED" }

[reconcile.columns]
connector_refund_id = "psp_reference"
amount = "amount"
currency = "currency"
status = "state"
at = "refunded_on"
```
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from refundry.accounts import read_secret
from refundry.errors import ConfigurationError
from refundry_reconcile.books import Books, Columns

_BOOKS = frozenset(field.name for field in attrs.fields(Books)) - {"source", "columns", "zone"}
_MINE = frozenset({"books", "columns", "time_zone", "truth", "margin_days"})
LEDGER = "ledger"
DEFAULT_MARGIN_DAYS = 3


@attrs.frozen(kw_only=True)
class Plan:
    """What the table says."""

    books: Books | None
    """None: the books are the ledger."""
    from_ledger: bool
    """Whether the ledger says what the processors know, instead of these."""
    margin: timedelta


def read_plan(config: Mapping[str, Any], given: Mapping[str, Any], folder: Path) -> Plan:
    """The plan of a configuration, where options that are given count over it.

    ``folder`` is where files with a relative name are. Raises `ConfigurationError`, which names the setting.
    """
    table = config.get("reconcile", {})
    if not isinstance(table, Mapping):
        raise ConfigurationError("reconcile in refundry.toml must be a table: [reconcile]")
    settings = {**table, **{name: value for name, value in given.items() if value not in (None, {}, ())}}
    unknown = sorted(set(settings) - _BOOKS - _MINE)
    if unknown:
        known = ", ".join(sorted(_BOOKS | _MINE))
        raise ConfigurationError(f"the table [reconcile] has no {unknown[0]!r}: it takes {known}")
    return Plan(
        books=_books(settings, folder),
        from_ledger=_truth(settings.get("truth", "processor")),
        margin=_margin(settings.get("margin_days", DEFAULT_MARGIN_DAYS)),
    )


def _truth(word: object) -> bool:
    if word not in ("processor", LEDGER):
        raise ConfigurationError('truth in [reconcile] is "processor" or "ledger"')
    return word == LEDGER


def _margin(days: object) -> timedelta:
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 <= days <= 366:
        raise ConfigurationError("margin_days in [reconcile] is a number of days, from 0 to 366")
    return timedelta(days=days)


def _books(settings: Mapping[str, Any], folder: Path) -> Books | None:
    source = (
        read_secret(settings.get("books"), "books in [reconcile]") if _is_variable(settings) else settings.get("books")
    )
    if source is None:
        raise ConfigurationError("say where the books are: --books, or books in the table [reconcile] of refundry.toml")
    if source == LEDGER:
        return None
    if not isinstance(source, str):
        raise ConfigurationError('books in [reconcile] is text, or { env = "A_VARIABLE" }')
    if "amounts" not in settings:
        raise ConfigurationError('say how the books write amounts: amounts = "minor" (1050) or "decimal" (10.50)')
    options = {name: settings[name] for name in _BOOKS & settings.keys()}
    for name in ("accounts", "statuses", "columns"):
        if not isinstance(settings.get(name, {}), Mapping):
            raise ConfigurationError(f"{name} in [reconcile] is a table")
    return Books(
        source=source if "://" in source else folder / source,
        columns=Columns.of(settings.get("columns", {})),
        zone=settings.get("time_zone", "UTC"),
        **options,
    )


def _is_variable(settings: Mapping[str, Any]) -> bool:
    return isinstance(settings.get("books"), Mapping)
