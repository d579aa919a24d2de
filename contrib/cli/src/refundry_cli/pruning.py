"""``refundry prune``: what the ledger need not keep for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from refundry_cli.books import open_ledger
from refundry_cli.exits import ExitCode
from refundry_cli.running import until_signal

if TYPE_CHECKING:
    from refundry_ledger import Ledger


def prune_ledger(
    bodies: timedelta,
    audit: timedelta | None,
    *,
    limit: int | None,
    dry_run: bool,
    ledger: str | None,
    config: Path | None,
) -> ExitCode:
    """Delete what is older than these ages and say how much; `ExitCode.INTERRUPTED` where a signal ended it early."""
    with open_ledger(ledger, config) as books, until_signal() as stop:
        verb = "would be deleted" if dry_run else "deleted"
        for line in _prune(books, bodies, audit, limit, dry_run, stop):
            typer.echo(f"{line} {verb}")
        return ExitCode.INTERRUPTED if stop.is_set() else ExitCode.SUCCEEDED


def _prune(
    books: Ledger, bodies: timedelta, audit: timedelta | None, limit: int | None, dry_run: bool, stop: threading.Event
) -> Iterator[str]:
    now = books.clock.now()
    done = books.prune(now - bodies, limit=limit, dry_run=dry_run, stop=stop)
    yield f"bodies of {done.answers} answers and {done.events} webhooks"
    if audit is not None:
        from refundry_cli.desk import require_web

        require_web()
        from refundry_web.audit import prune_entries
        from refundry_web.tables import create_tables

        if not dry_run:
            create_tables(books.database)
        entries = prune_entries(books.database, books.clock, now - audit, limit=limit, dry_run=dry_run, stop=stop)
        yield f"{entries} entries of the audit trail"
