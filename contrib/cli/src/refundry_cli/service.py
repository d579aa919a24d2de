"""The commands ``refundry serve`` and ``refundry token``, and their options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from refundry_cli.track import Config, Ledger

token = typer.Typer(help="Who may use the refund desk.", no_args_is_help=True)


class RoleName(StrEnum):
    """The roles of `refundry_web.tokens.Role`, which is not imported for ``--help``."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Who can reach it; this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for a free one.")] = 8000,
    demo: Annotated[bool, typer.Option("--demo", help="Show it with made-up refunds from the sandbox.")] = False,
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Serve the refund desk.

    Pages for support, an API, and an endpoint for webhooks, with the accounts in refundry.toml; refunds are tracked
    meanwhile. Until Ctrl-C or SIGTERM.
    """
    from refundry_cli.desk import serve_desk

    raise typer.Exit(serve_desk(host=host, port=port, demo=demo, ledger=ledger, config=config))


@token.command()
def add(
    name: Annotated[str, typer.Argument(help="Who gets it: a person or a program.")],
    role: Annotated[RoleName, typer.Option(help="read, operate or admin.")] = RoleName.READ,
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Make a token and show it, this once."""
    from refundry_cli.desk import add_token

    raise typer.Exit(add_token(name, role.value, ledger=ledger, config=config))


@token.command("list")
def list_command(ledger: Ledger = None, config: Config = None) -> None:
    """Show who has a token."""
    from refundry_cli.desk import list_tokens

    raise typer.Exit(list_tokens(ledger=ledger, config=config))


@token.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID|NAME", help="A token's id, or the name of its holder.")],
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Revoke a token; its sessions end at once."""
    from refundry_cli.desk import revoke_token

    raise typer.Exit(revoke_token(which, ledger=ledger, config=config))
