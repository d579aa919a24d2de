"""The command ``refundry reconcile`` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refundry_cli.track import Config, Ledger


def reconcile(
    since: Annotated[str, typer.Option(metavar="ISO", help="From this date or time on.")],
    until: Annotated[str, typer.Option(metavar="ISO", help="Before this date or time.")],
    accounts: Annotated[
        list[str] | None, typer.Argument(metavar="[ACCOUNT]...", help="All of refundry.toml if none is named.")
    ] = None,
    books: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="CSV, .parquet, the address of a database, or ledger.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=COLUMN", help="Which column holds the amount, the currency ...; repeatable."),
    ] = None,
    amounts: Annotated[
        str | None, typer.Option(metavar="minor|decimal", help="How amounts are written: 1050 or 10.50.")
    ] = None,
    status: Annotated[
        list[str] | None, typer.Option(metavar="WORD=STATUS", help="What a status of the books means; repeatable.")
    ] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Where the books have no column for it.")] = None,
    currency: Annotated[str | None, typer.Option(metavar="CODE", help="Where the books have no column for it.")] = None,
    table: Annotated[str | None, typer.Option(metavar="NAME", help="The table of the database.")] = None,
    query: Annotated[str | None, typer.Option(metavar="SQL", help="A query of the database instead.")] = None,
    truth: Annotated[str | None, typer.Option(metavar="processor|ledger", help="Who is asked; processor.")] = None,
    margin_days: Annotated[
        float | None, typer.Option(metavar="DAYS", help="How far beside the period the other half may be dated; 3.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For the report, and to go on when interrupted.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The summary as one JSON object.")] = False,
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Compare your books with what the processors say.

    What is not given as an option comes from the table [reconcile] of refundry.toml. Exits with 1 where there are
    differences.
    """
    from refundry_cli.connect import read_time
    from refundry_cli.reconciling import read_options, reconcile_books

    start, end = read_time("--since", since), read_time("--until", until)
    assert start is not None
    assert end is not None
    options = read_options(
        column or (),
        status or (),
        books=books,
        amounts=amounts,
        account=account,
        currency=currency,
        table=table,
        query=query,
        truth=truth,
        margin_days=margin_days,
    )
    raise typer.Exit(
        reconcile_books(
            accounts or (),
            since=start,
            until=end,
            folder=folder or Path(f"reconcile-{start:%Y%m%d}-{end:%Y%m%d}"),
            options=options,
            as_json=json,
            ledger=ledger,
            config=config,
        )
    )
