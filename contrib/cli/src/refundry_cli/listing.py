"""``refundry list``: the refunds of a window, page by page."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from refundry.listing import RefundIterator
from refundry_cli.connect import Target, open_client
from refundry_cli.exits import ExitCode
from refundry_cli.render import (
    ROW_WIDTHS,
    aligned,
    clean,
    csv_header,
    csv_row,
    is_terminal,
    rich_row,
    row_of,
    to_json,
)

if TYPE_CHECKING:
    from rich.console import Console

Writer: TypeAlias = Callable[[RefundIterator], None]


def list_refunds(target: Target, write: Writer, **window: Any) -> ExitCode:
    """Show every refund of the window; items that could not be read are warned of on stderr."""
    with open_client(target) as client:
        refunds = client.list(**window)
        write(refunds)
    for problem in refunds.problems:
        typer.echo(f"warning: an item could not be read: {clean(problem.message)}", err=True)
    return ExitCode.NOT_UNDERSTOOD if refunds.problems else ExitCode.SUCCEEDED


def write_json(refunds: RefundIterator) -> None:
    """One JSON object a line."""
    with _counter() as count:
        for refund in refunds:
            typer.echo(to_json(refund.to_dict()))
            count(refunds.pages)


def write_csv(refunds: RefundIterator) -> None:
    """CSV with a header line."""
    typer.echo(_csv_line(csv_header()))
    with _counter() as count:
        for refund in refunds:
            typer.echo(_csv_line(csv_row(refund)))
            count(refunds.pages)


def write_table(refunds: RefundIterator) -> None:
    """A line for each refund, in colour on a terminal."""
    if is_terminal(sys.stdout):
        _write_terminal_table(refunds)
        return
    widths = tuple(ROW_WIDTHS.values())
    typer.echo(aligned(ROW_WIDTHS, widths))
    with _counter() as count:
        for refund in refunds:
            typer.echo(aligned(row_of(refund), widths))
            count(refunds.pages)


WRITERS: dict[str, Writer] = {"json": write_json, "csv": write_csv, "table": write_table}


def _write_terminal_table(refunds: RefundIterator) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    line = partial(console.print, no_wrap=True, overflow="ellipsis")
    line(Text(aligned(ROW_WIDTHS, ROW_WIDTHS.values()), style="bold"))
    with _counter(console) as count:
        for refund in refunds:
            line(rich_row(row_of(refund)))
            count(refunds.pages)


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


@contextmanager
def _counter(console: Console | None = None) -> Iterator[Callable[[int], None]]:
    """Counts refunds and pages: on this console, else on stderr where that is a terminal."""
    if console is None and not is_terminal(sys.stderr):
        yield lambda pages: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    text = "{task.completed} refunds, {task.fields[pages]} pages"
    columns = (BarColumn(bar_width=20), TextColumn(text, markup=False), TimeElapsedColumn())
    shown = console or Console(stderr=True)
    with Progress(*columns, console=shown, redirect_stdout=False, redirect_stderr=False, transient=True) as progress:
        task = progress.add_task("", total=None, pages=0)
        yield lambda pages: progress.update(task, advance=1, pages=pages)
