"""The commands ``refundry track`` and ``refundry events``, and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

track = typer.Typer(help="Keep refunds in a ledger and follow them until they are settled.", no_args_is_help=True)
events = typer.Typer(help="The webhooks that the ledger keeps.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="An account in refundry.toml, or a connector.")]
Ledger = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="REFUNDRY_LEDGER",
        help='A file, or postgresql://...; else ledger = "..." in refundry.toml, else refundry.db.',
    ),
]
Config = Annotated[Path | None, typer.Option(help="refundry.toml, if it is elsewhere.", metavar="PATH")]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


@track.command()
def add(
    account: Account,
    connector_refund_id: Annotated[str | None, typer.Option(metavar="ID", help="The processor's id.")] = None,
    connector_transaction_id: Annotated[str | None, typer.Option(metavar="ID", help="Of the payment.")] = None,
    merchant_refund_id: Annotated[str | None, typer.Option(metavar="ID", help="Your own id.")] = None,
    amount: Annotated[str | None, typer.Option(metavar="10.50", help="What it should be, in major units.")] = None,
    currency: Annotated[str | None, typer.Option(metavar="CODE", help="ISO 4217.")] = None,
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Put one refund into the ledger."""
    from refundry_cli.books import add_refund

    fields = {
        "connector_refund_id": connector_refund_id,
        "connector_transaction_id": connector_transaction_id,
        "merchant_refund_id": merchant_refund_id,
        "amount": amount,
        "currency": currency,
    }
    raise typer.Exit(add_refund(account, fields, ledger=ledger, config=config))


@track.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="With a header; see the README.")],
    account: Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Where the file has no such column.")] = None,
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Put the refunds of a CSV file into the ledger.

    A line that cannot be read is named and harms no other.
    """
    from refundry_cli.importing import import_refunds

    raise typer.Exit(import_refunds(file, account, ledger=ledger, config=config))


@track.command()
def run(
    accounts: Annotated[
        list[str] | None, typer.Argument(metavar="[ACCOUNT]...", help="All of refundry.toml if none is named.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C or SIGTERM.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Requests at once, per account.")] = 4,
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Ask for every refund that is due.

    Changes are told to the address in the table [outbox] of refundry.toml, where there is one.
    """
    from refundry_cli.running import run_tracker

    raise typer.Exit(run_tracker(accounts or [], watch=watch, concurrency=concurrency, ledger=ledger, config=config))


@track.command()
def show(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="The processor's, yours, or the payment's.")],
    json: Json = False,
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Show a refund with its history, by any of its identifiers."""
    from refundry_cli.books import show_history

    raise typer.Exit(show_history(identifier, as_json=json, ledger=ledger, config=config))


@track.command()
def attention(json: Json = False, ledger: Ledger = None, config: Config = None) -> None:
    """List the refunds that a person should look at."""
    from refundry_cli.books import show_attention

    raise typer.Exit(show_attention(as_json=json, ledger=ledger, config=config))


@events.command()
def replay(account: Account, ledger: Ledger = None, config: Config = None) -> None:
    """Map again the stored webhooks that could not be mapped, after an upgrade of the connector.

    Those that a desk stored and has not read yet are read, too; it may be running.
    """
    from refundry_cli.running import replay_events

    raise typer.Exit(replay_events(account, ledger=ledger, config=config))
