"""``refundry get`` and ``refundry wait``: one refund."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from refundry.model import Refund, RefundQuery
from refundry_cli.connect import Target, open_client
from refundry_cli.exits import ExitCode, code_of_outcome, code_of_status
from refundry_cli.render import clean, is_terminal, print_refund, to_json


def get_refund(target: Target, query: RefundQuery, *, as_json: bool) -> ExitCode:
    """Ask once and show the answer."""
    with open_client(target) as client:
        refund = client.get(query)
    _show(refund, as_json)
    return code_of_status(refund.status)


def wait_for_refund(target: Target, query: RefundQuery, *, timeout: float, as_json: bool) -> ExitCode:
    """Ask until the refund settles or time is up, show the last answer and why it stopped."""
    with open_client(target) as client, _progress() as on_poll:
        outcome = client.wait(query, timeout=timeout, on_poll=on_poll)
    if outcome.refund:
        _show(outcome.refund, as_json)
    typer.echo(clean(outcome.explanation), err=True)
    return code_of_outcome(outcome)


def _show(refund: Refund, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(refund.to_dict()))
    else:
        print_refund(refund)


@contextmanager
def _progress() -> Iterator[Callable[[Refund], None]]:
    if not is_terminal(sys.stderr):
        yield _each_change()
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    polls = 0

    def on_poll(refund: Refund) -> None:
        nonlocal polls
        polls += 1
        progress.update(task, said=describe(refund), polls=polls)

    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        TextColumn("asked {task.fields[polls]} times", style="dim"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False, transient=True) as progress:
        task = progress.add_task("", total=None, said="asking", polls=0)
        yield on_poll


def _each_change() -> Callable[[Refund], None]:
    """One line on stderr whenever the answer is another than before."""
    last = ""

    def on_poll(refund: Refund) -> None:
        nonlocal last
        said = describe(refund)
        if said != last:
            typer.echo(said, err=True)
        last = said

    return on_poll


def describe(refund: Refund) -> str:
    """The status and the processor's word for it."""
    return clean(f"{refund.status.value} ({refund.connector_status or 'without a word'})")
