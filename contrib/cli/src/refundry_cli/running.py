"""``refundry track run`` and ``refundry events replay``: the ledger and the processors together."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from refundry.accounts import account_names
from refundry.client import RefundClient
from refundry.errors import ConfigurationError
from refundry_cli.books import open_ledger
from refundry_cli.connect import Target, open_client
from refundry_cli.exits import ExitCode
from refundry_cli.render import clean, is_terminal

if TYPE_CHECKING:
    from refundry_ledger import Ledger
    from refundry_ledger.records import Pass


def run_tracker(
    names: Sequence[str], *, watch: bool, concurrency: int, ledger: str | None, config: Path | None
) -> ExitCode:
    """Ask for what is due, once or until a signal; `ExitCode.UNAVAILABLE` when an account could not be asked at all."""
    with (
        open_ledger(ledger, config) as books,
        open_clients(names, config) as clients,
        until_signal() as stop,
        _progress() as say,
    ):
        from refundry_ledger.outbox import configured
        from refundry_ledger.watching import tried

        outbox = configured(config)
        while True:
            done = books.run_once(clients, concurrency=concurrency, stop=stop)
            say(_sentence(done), done)
            if outbox:
                sent = tried(partial(books.deliver_outbox, *outbox, stop=stop))
                say(f"{sent.done} changes told, {sent.failed} to be told again", sent)
            if not watch or stop.wait(_rest(books)):
                break
    return ExitCode.UNAVAILABLE if done.errors else ExitCode.SUCCEEDED


def replay_events(account: str, *, ledger: str | None, config: Path | None) -> ExitCode:
    """Map stored webhooks again; `ExitCode.NOT_UNDERSTOOD` when some still cannot be mapped."""
    with open_ledger(ledger, config) as books, open_client(Target(name=account, config=config)) as client:
        done = books.replay(client)
    typer.echo(f"{done.done} webhooks mapped, {done.failed} still not")
    _tell_errors(done)
    return ExitCode.NOT_UNDERSTOOD if done.failed else ExitCode.SUCCEEDED


@contextmanager
def open_clients(names: Sequence[str], config: Path | None) -> Iterator[list[RefundClient]]:
    """The clients of these accounts, or of all in ``refundry.toml``. Raises `ConfigurationError` if there are none."""
    chosen = list(names) or list(account_names(config))
    if not chosen:
        raise ConfigurationError("there is no account to ask: name one, or write it into refundry.toml")
    with ExitStack() as stack:
        yield [stack.enter_context(open_client(Target(name=name, config=config))) for name in chosen]


def until_signal() -> AbstractContextManager[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    # Here, for it is only known now that the ledger is installed.
    from refundry_ledger.watching import until_signal

    return until_signal()


@contextmanager
def _progress() -> Iterator[_Say]:
    if not is_terminal(sys.stderr):
        yield _say_plainly
        return
    from rich.console import Console

    with Console(stderr=True).status("asking for what is due") as status:

        def say(text: str, done: Pass) -> None:
            status.update(clean(text))
            for line in (*([text] if done.done or done.failed else []), *_errors(done)):
                # By way of the console, or it would stand in the line that moves.
                status.console.print(clean(line), markup=False, highlight=False)

        yield say


def _say_plainly(text: str, done: Pass) -> None:
    if done.done or done.failed or done.errors:
        typer.echo(text)
    _tell_errors(done)


def _tell_errors(done: Pass) -> None:
    for line in _errors(done):
        typer.echo(clean(line), err=True)


def _errors(done: Pass) -> list[str]:
    return [f"error: {name}: {text}" for name, text in done.errors.items()]


def _sentence(done: Pass) -> str:
    rate = done.done / done.elapsed.total_seconds() if done.elapsed else 0.0
    return f"{done.done} refunds asked, {done.failed} to be asked again, {rate:.0f} a second"


def _rest(books: Ledger) -> float:
    from refundry_ledger.watching import rest

    return rest(books).total_seconds()


if TYPE_CHECKING:
    from collections.abc import Callable

    _Say = Callable[[str, Pass], None]
