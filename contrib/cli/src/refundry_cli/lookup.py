"""``refundry get`` and ``refundry wait``: one refund."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec

import typer

from refundry.account import Account
from refundry.model import Refund, RefundQuery
from refundry_cli.connect import Target, open_client
from refundry_cli.exits import ExitCode, code_of_outcome, code_of_status
from refundry_cli.render import clean, facts_of, is_terminal, print_facts, to_json


def get_refund(target: Target, query: RefundQuery, *, as_json: bool) -> ExitCode:
    """Ask once and show the answer."""
    with open_client(target) as client:
        refund = client.get(query)
    _show(refund, client.account, as_json)
    return code_of_status(refund.status)


def wait_for_refund(target: Target, query: RefundQuery, *, timeout: float, as_json: bool) -> ExitCode:
    """Ask until the refund settles or time is up, show the last answer and why it stopped."""
    with open_client(target) as client, _progress() as on_poll:
        outcome = client.wait(query, timeout=timeout, on_poll=on_poll)
    if outcome.refund:
        _show(outcome.refund, client.account, as_json)
    typer.echo(clean(outcome.explanation), err=True)
    return code_of_outcome(outcome)


def _show(refund: Refund, account: Account, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(refund.to_dict()))
        return
    print_facts(facts_of(refund) | _in_words(refund, account))


def _in_words(refund: Refund, account: Account) -> dict[str, str]:
    """The sentence for the customer, where it can be made."""
    if find_spec("refundry_explain") is None:
        return {}
    from refundry_explain import explain

    within = account.connector.settles_within
    return {"sentence": explain(refund, now=datetime.now(UTC), settles_within=within).sentence}


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
