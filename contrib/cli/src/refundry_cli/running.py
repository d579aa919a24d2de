"""``refundry track run`` and ``refundry events replay``: the ledger and the processors together."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from refundry.accounts import account_names, read_config, read_secret
from refundry.client import RefundClient
from refundry.errors import ConfigurationError
from refundry_cli.books import open_ledger
from refundry_cli.connect import Target, open_client
from refundry_cli.exits import ExitCode
from refundry_cli.render import clean, is_terminal

if TYPE_CHECKING:
    from refundry_ledger import Ledger
    from refundry_ledger.records import Pass

_LONGEST_SLEEP = timedelta(seconds=30)
"""A refund that another process tracks meanwhile is noticed after this long."""
_SHORTEST_SLEEP = timedelta(seconds=1)


def run_tracker(
    names: Sequence[str], *, watch: bool, concurrency: int, ledger: str | None, config: Path | None
) -> ExitCode:
    """Ask for what is due, once or until a signal; `ExitCode.UNAVAILABLE` when an account could not be asked at all."""
    outbox = _outbox(config)
    with (
        open_ledger(ledger, config) as books,
        open_clients(names, config) as clients,
        _until_signal() as stop,
        _progress() as say,
    ):
        while True:
            done = books.run_once(clients, concurrency=concurrency, stop=stop)
            say(_sentence(done), done)
            if outbox:
                sent = books.deliver_outbox(*outbox)
                say(f"{sent.done} changes told, {sent.failed} to be told again", sent)
            if not watch or stop.wait(_sleep(books).total_seconds()):
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
    """A client for each of these accounts, or for all of refundry.toml. Raises `ConfigurationError`."""
    chosen = list(names) or list(account_names(config))
    if not chosen:
        raise ConfigurationError("there is no account to ask: name one, or write it into refundry.toml")
    with ExitStack() as stack:
        yield [stack.enter_context(open_client(Target(name=name, config=config))) for name in chosen]


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


def _sleep(books: Ledger) -> timedelta:
    due = books.next_due()
    if due is None:
        return _LONGEST_SLEEP
    return min(max(due - books.clock.now(), _SHORTEST_SLEEP), _LONGEST_SLEEP)


def _outbox(config: Path | None) -> tuple[str, str] | None:
    described = read_config(config).get("outbox")
    if described is None:
        return None
    if not isinstance(described, Mapping) or not isinstance(described.get("url"), str) or "secret" not in described:
        raise ConfigurationError('the table [outbox] takes url = "https://..." and secret = { env = "A_VARIABLE" }')
    return described["url"], read_secret(described["secret"], "secret of [outbox]")


if TYPE_CHECKING:
    from collections.abc import Callable

    _Say = Callable[[str, Pass], None]
