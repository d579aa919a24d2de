"""``refundry reconcile``: the books against the processors, a summary on the terminal, and a report in a folder."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from refundry.accounts import config_path, read_config
from refundry.errors import ConfigurationError
from refundry_cli.books import open_ledger
from refundry_cli.connect import read_pairs
from refundry_cli.exits import ExitCode
from refundry_cli.render import aligned, clean, is_terminal, to_json
from refundry_cli.running import open_clients

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from refundry.client import RefundClient
    from refundry_ledger import Ledger
    from refundry_reconcile import Books, LedgerBooks, Progress, Reconciliation, Summary
    from refundry_reconcile.config import Plan

    Tell: TypeAlias = Callable[[Progress], None]

_WIDTHS = (24, 20, 20, 0)


def reconcile_books(
    names: Sequence[str],
    *,
    since: datetime,
    until: datetime,
    folder: Path,
    options: Mapping[str, Any],
    as_json: bool,
    ledger: str | None,
    config: Path | None,
) -> ExitCode:
    """Compare and write the report; `ExitCode.FAULT` when there are differences. Raises `ConfigurationError`.

    Ctrl-C ends it with `ExitCode.INTERRUPTED`, and what the processors said until then is kept.
    """
    if find_spec("refundry_reconcile") is None:
        raise ConfigurationError("the reconciliation is not installed; try: pip install refundry-cli[reconcile]")
    from refundry_reconcile.config import read_plan

    # A file that an option names is looked for here, one that refundry.toml names beside it.
    beside = Path() if options.get("books") else config_path(config).parent
    plan = read_plan(read_config(config), options, beside)
    with ExitStack() as stack:
        books, truth = _sides(plan, names, stack, ledger, config)
        try:
            done = stack.enter_context(_compare(books, truth, since, until, folder, plan.margin))
        except KeyboardInterrupt:
            typer.echo("interrupted: the same command goes on where it was", err=True)
            return ExitCode.INTERRUPTED
        page = done.write_report()
        _show(done.summary, page, as_json=as_json)
    return ExitCode.FAULT if done.summary.differences else ExitCode.SUCCEEDED


def _sides(
    plan: Plan, names: Sequence[str], stack: ExitStack, ledger: str | None, config: Path | None
) -> tuple[Books | LedgerBooks, list[RefundClient] | Ledger]:
    from refundry_reconcile import LedgerBooks

    if plan.books is not None and not plan.from_ledger:
        return plan.books, stack.enter_context(open_clients(names, config))
    if plan.from_ledger and names:
        raise ConfigurationError(
            "accounts cannot be named where the ledger is the truth: all that it knows are compared"
        )
    known = stack.enter_context(open_ledger(ledger, config))
    truth = known if plan.from_ledger else stack.enter_context(open_clients(names, config))
    return plan.books or LedgerBooks(known, names or None), truth


def _compare(
    books: Books | LedgerBooks,
    truth: list[RefundClient] | Ledger,
    since: datetime,
    until: datetime,
    folder: Path,
    margin: timedelta,
) -> Reconciliation:
    from refundry_reconcile import reconcile

    # The bars are gone when this returns, or they would take the result with them.
    with _progress() as tell:
        return reconcile(books, truth, since=since, until=until, folder=folder, margin=margin, tell=tell)


def read_options(column: Sequence[str], status: Sequence[str], **given: Any) -> dict[str, Any]:
    """The options as the table ``[reconcile]`` would hold them. Raises `ConfigurationError`."""
    columns = read_pairs(column, ConfigurationError("--column takes NAME=COLUMN"))
    statuses = read_pairs(status, ConfigurationError("--status takes WORD=STATUS"))
    return {**given, "columns": columns, "statuses": statuses}


def _show(summary: Summary, page: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json({**summary.to_dict(), "report": str(page)}))
    else:
        _print(summary)
        typer.echo(f"\nThe report: {page}")


def _print(summary: Summary) -> None:
    from refundry_reconcile.report import moment_text

    in_colour = is_terminal(sys.stdout)
    span = f"{moment_text(summary.period.since)} up to, and not including, {moment_text(summary.period.until)}"
    typer.echo(f"Refunds from {span}; books: {clean(', '.join(summary.books))}\n")
    for verdict, count in summary.counts.items():
        line = aligned((verdict.value, f"{count:>11,}"), (26, 0))
        found = in_colour and count > 0
        typer.secho(line, fg=("green" if verdict.value == "matched" else "red") if found else None)
    typer.echo()
    for cells in _totals(summary):
        typer.echo(aligned(map(clean, cells), _WIDTHS))
    for one in summary.accounts:
        if one.refused:
            typer.echo(f"error: {one.account}: {clean(one.refused)}", err=True)


def _totals(summary: Summary) -> Iterator[tuple[str, ...]]:
    from refundry_reconcile.report import totals

    yield "account", "books", "processor", "difference"
    for total in totals(summary.sums):
        yield total.account, total.books, total.processor, total.difference


@contextmanager
def _progress() -> Iterator[Tell]:
    """Bars on stderr where that is a terminal, with the rate and the time left."""
    if not is_terminal(sys.stderr):
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}", markup=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), rate)
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars).tell


class _Bars:
    """A bar for each account and stage."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._turn = threading.Lock()

    def tell(self, progress: Progress) -> None:
        """Move the bar that this is about; it is called from several threads."""
        with self._turn:
            key = (progress.account, progress.stage)
            if key not in self._tasks:
                title = clean(f"{progress.account or 'your books'}: {progress.stage}")
                self._tasks[key] = self._bars.add_task(title, total=None, rate="")
            task = self._bars.tasks[self._bars.task_ids.index(self._tasks[key])]
            # The books' rows only say about how many a list will have.
            total = max(progress.total, progress.done) if progress.total else None
            rate = f"{task.speed:,.0f} a second" if task.speed else ""
            self._bars.update(task.id, completed=progress.done, total=total, rate=rate)
