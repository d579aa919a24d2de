"""``refundry serve`` and ``refundry token``: the refund desk, and who may use it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from refundry.accounts import account_names
from refundry.errors import ConfigurationError
from refundry.times import to_iso
from refundry_cli.books import open_ledger
from refundry_cli.exits import ExitCode
from refundry_cli.render import aligned, clean
from refundry_cli.running import open_clients, until_signal

if TYPE_CHECKING:
    from refundry_ledger import Ledger
    from refundry_web import Desk, Settings

_WIDTHS = (13, 9, 21, 0)


def serve_desk(*, host: str, port: int, demo: bool, ledger: str | None, config: Path | None) -> ExitCode:
    """Serve the desk until SIGINT or SIGTERM, with the accounts of ``refundry.toml`` or with the sandbox's."""
    require_web()
    from refundry_web.serving import listen
    from refundry_web.settings import read_settings

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = read_settings(config, secure_cookies=not is_loopback(host))
    with until_signal() as stop, listen(host, port) as listening:
        url = f"http://{_bracketed(host)}:{listening.getsockname()[1]}"
        if demo:
            _serve_demo(settings, listening, url, stop)
        else:
            _serve_accounts(settings, listening, url, stop, ledger, config)
    typer.echo("The desk has closed.")
    return ExitCode.SUCCEEDED


def add_token(name: str, role: str, *, ledger: str | None, config: Path | None) -> ExitCode:
    """Make a token and show it, this once."""
    with _desk_ledger(ledger, config) as books:
        from refundry_web import tokens

        typer.echo(tokens.add_token(books.database, books.clock, name, tokens.Role(role)))
    typer.echo("It is shown this once: the ledger keeps only its digest.", err=True)
    return ExitCode.SUCCEEDED


def list_tokens(*, ledger: str | None, config: Path | None) -> ExitCode:
    """Show who has a token."""
    with _desk_ledger(ledger, config) as books:
        from refundry_web import tokens

        typer.echo(aligned(("id", "role", "made", "name"), _WIDTHS))
        for one in tokens.list_tokens(books.database):
            name = f"{one.name} (revoked {to_iso(one.revoked_at)})" if one.revoked_at else one.name
            typer.echo(aligned((one.id, one.role.value, to_iso(one.made_at), clean(name)), _WIDTHS))
    return ExitCode.SUCCEEDED


def revoke_token(which: str, *, ledger: str | None, config: Path | None) -> ExitCode:
    """Revoke tokens by number or name; `ExitCode.NOT_FOUND` where there is none."""
    with _desk_ledger(ledger, config) as books:
        from refundry_web import tokens

        revoked = tokens.revoke(books.database, books.clock, which)
    typer.echo(f"{revoked} tokens revoked")
    return ExitCode.SUCCEEDED if revoked else ExitCode.NOT_FOUND


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach this address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _serve_accounts(
    settings: Settings,
    listening: socket.socket,
    url: str,
    stop: threading.Event,
    ledger: str | None,
    config: Path | None,
) -> None:
    from refundry_ledger.outbox import configured
    from refundry_web import Desk, create_app
    from refundry_web.serving import serve
    from refundry_web.tokens import list_tokens

    if not account_names(config):
        raise ConfigurationError("there is no account in refundry.toml to serve; refundry serve --demo needs none")
    with open_ledger(ledger, config) as books, open_clients((), config) as clients:
        desk = Desk(ledger=books, clients={one.account.name: one for one in clients}, settings=settings)
        app = create_app(desk)
        typer.echo(f"The desk answers at {url} for {', '.join(desk.clients)}. Webhooks go to {url}/webhooks/ACCOUNT.")
        if not any(one.revoked_at is None for one in list_tokens(books.database)):
            typer.echo("Nobody can sign in yet: refundry token add NAME makes a token.")
        typer.echo("Stop it with Ctrl-C.")
        serve(app, listening, outbox=configured(config), stop=stop)


def _serve_demo(settings: Settings, listening: socket.socket, url: str, stop: threading.Event) -> None:
    if find_spec("refundry_sandbox") is None:
        raise ConfigurationError("the sandbox is not installed: pip install refundry-cli[sandbox]")
    from refundry_web import create_app
    from refundry_web.demo import playing
    from refundry_web.serving import serve

    with playing(settings, typer.echo, stop) as demo:
        if stop.is_set():
            return
        app = create_app(demo.desk)
        typer.echo(_invitation(demo.desk, url))
        living = threading.Thread(target=demo.live_on, args=(url, stop), name="demo")
        living.start()
        try:
            serve(app, listening, stop=stop)
        finally:
            stop.set()
            living.join()


def _invitation(desk: Desk, url: str) -> str:
    from refundry_web.entering import entry_path
    from refundry_web.tokens import Role, add_token, id_of

    token = add_token(desk.ledger.database, desk.clock, "demo", Role.ADMIN)
    lines = (
        f"The desk answers at {url}. Look in with this link; it works once:",
        f"  {url}{entry_path(desk, id_of(token))}",
        "Or with this token, at the page and at the API:",
        f"  {token}",
        f'  curl -H "Authorization: Bearer {token}" {url}/v1/totals',
        "All refunds are made up, and gone when it closes. Stop it with Ctrl-C.",
    )
    return "\n".join(lines)


@contextmanager
def _desk_ledger(ledger: str | None, config: Path | None) -> Iterator[Ledger]:
    require_web()
    from refundry_web.tables import create_tables

    with open_ledger(ledger, config) as books:
        create_tables(books.database)
        yield books


def require_web() -> None:
    """Raise `ConfigurationError` where the desk is not installed."""
    if find_spec("refundry_web") is None:
        raise ConfigurationError("the refund desk is not installed; try: pip install refundry-web")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
