"""The commands and their options. What a command does is imported only when it runs, so that ``--help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refundry_cli.exits import help_text
from refundry_cli.prune import prune
from refundry_cli.reconcile import reconcile
from refundry_cli.service import serve, token
from refundry_cli.track import events, track
from refundry_cli.workers import celery

if TYPE_CHECKING:
    from refundry.model import RefundQuery
    from refundry_cli.connect import Target

app = typer.Typer(
    help="Where is this refund? One command for every payment processor.",
    epilog=help_text(),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.add_typer(track, name="track")
app.add_typer(events, name="events")
app.add_typer(celery, name="celery")
app.add_typer(token, name="token")
app.command()(serve)
app.command()(reconcile)
app.command()(prune)


def _complete_name(incomplete: str) -> list[str]:
    from refundry_cli.connect import known_names

    return known_names(incomplete)


Name = Annotated[
    str,
    typer.Argument(
        metavar="CONNECTOR|ACCOUNT",
        help="An account in refundry.toml, or a connector whose settings are in REFUNDRY_<CONNECTOR>_<SETTING>.",
        autocompletion=_complete_name,
    ),
]
Config = Annotated[Path | None, typer.Option(help="refundry.toml, if it is elsewhere.", metavar="PATH")]
Settings = Annotated[
    list[str] | None, typer.Option("--setting", metavar="NAME=VALUE", help="A setting that is no secret; repeatable.")
]
Environment = Annotated[str | None, typer.Option(metavar="SANDBOX|PRODUCTION", help="SANDBOX if nothing says more.")]
BaseUrls = Annotated[
    list[str] | None,
    typer.Option("--base-url", metavar="[BASE=]URL", help="Another address than the processor's; repeatable."),
]
ConnectorRefundId = Annotated[str | None, typer.Option(metavar="ID", help="The processor's id of the refund.")]
ConnectorTransactionId = Annotated[str | None, typer.Option(metavar="ID", help="The processor's id of the payment.")]
MerchantRefundId = Annotated[str | None, typer.Option(metavar="ID", help="Your own id of the refund.")]
Currency = Annotated[str | None, typer.Option(metavar="CODE", help="ISO 4217, where the answer does not carry it.")]
PaymentMethodType = Annotated[str | None, typer.Option(metavar="TYPE", help="Where the processor's call needs it.")]
Metadata = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="What this processor alone needs; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


@app.command()
def get(
    name: Name,
    connector_refund_id: ConnectorRefundId = None,
    connector_transaction_id: ConnectorTransactionId = None,
    merchant_refund_id: MerchantRefundId = None,
    currency: Currency = None,
    payment_method_type: PaymentMethodType = None,
    metadata: Metadata = None,
    json: Json = False,
    config: Config = None,
    setting: Settings = None,
    environment: Environment = None,
    base_url: BaseUrls = None,
) -> None:
    """Ask for one refund."""
    from refundry_cli.lookup import get_refund

    query = _query(
        metadata,
        connector_refund_id=connector_refund_id,
        connector_transaction_id=connector_transaction_id,
        merchant_refund_id=merchant_refund_id,
        currency=currency,
        payment_method_type=payment_method_type,
    )
    raise typer.Exit(get_refund(_target(name, config, setting, environment, base_url), query, as_json=json))


@app.command()
def wait(
    name: Name,
    connector_refund_id: ConnectorRefundId = None,
    connector_transaction_id: ConnectorTransactionId = None,
    merchant_refund_id: MerchantRefundId = None,
    currency: Currency = None,
    payment_method_type: PaymentMethodType = None,
    metadata: Metadata = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", min=0, max=1e8, help="Stop after this long.")] = 3600.0,
    json: Json = False,
    config: Config = None,
    setting: Settings = None,
    environment: Environment = None,
    base_url: BaseUrls = None,
) -> None:
    """Wait until a refund is settled.

    Asks ever less often, until it is settled or time is up.
    """
    from refundry_cli.lookup import wait_for_refund

    query = _query(
        metadata,
        connector_refund_id=connector_refund_id,
        connector_transaction_id=connector_transaction_id,
        merchant_refund_id=merchant_refund_id,
        currency=currency,
        payment_method_type=payment_method_type,
    )
    target = _target(name, config, setting, environment, base_url)
    raise typer.Exit(wait_for_refund(target, query, timeout=timeout, as_json=json))


@app.command("list")
def list_command(
    name: Name,
    since: Annotated[str | None, typer.Option(metavar="ISO", help="From this date or time on; 30 days back.")] = None,
    until: Annotated[str | None, typer.Option(metavar="ISO", help="Before this date or time; now.")] = None,
    connector_transaction_id: ConnectorTransactionId = None,
    page_size: Annotated[int | None, typer.Option(min=1, metavar="N", help="Refunds a request.")] = None,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV that a spreadsheet opens safely.")] = False,
    config: Config = None,
    setting: Settings = None,
    environment: Environment = None,
    base_url: BaseUrls = None,
) -> None:
    """List refunds.

    Those of a span of time, or of one payment. A time without a zone is UTC.
    """
    from refundry_cli.connect import read_time
    from refundry_cli.listing import WRITERS, list_refunds

    if json and csv:
        raise typer.BadParameter("give --json or --csv, not both")
    raise typer.Exit(
        list_refunds(
            _target(name, config, setting, environment, base_url),
            WRITERS["json" if json else "csv" if csv else "table"],
            since=read_time("--since", since),
            until=read_time("--until", until),
            connector_transaction_id=connector_transaction_id,
            page_size=page_size,
        )
    )


@app.command()
def event(
    name: Name,
    body_file: Annotated[Path, typer.Argument(help="The body, byte for byte as it came; - for stdin.")],
    header: Annotated[list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="A header; repeatable.")] = None,
    headers_file: Annotated[Path | None, typer.Option(metavar="PATH", help="Headers, one a line.")] = None,
    method: Annotated[str, typer.Option(metavar="METHOD", help="The HTTP method it came with.")] = "POST",
    url: Annotated[str | None, typer.Option(metavar="URL", help="The address it was sent to, with its query.")] = None,
    received_at: Annotated[str | None, typer.Option(metavar="ISO", help="When it came; now.")] = None,
    json: Json = False,
    config: Config = None,
    setting: Settings = None,
    environment: Environment = None,
    base_url: BaseUrls = None,
) -> None:
    """Verify a webhook and show what it says."""
    from refundry_cli.connect import read_time
    from refundry_cli.events import handle_event

    raise typer.Exit(
        handle_event(
            _target(name, config, setting, environment, base_url),
            body_file,
            headers=header or [],
            headers_file=headers_file,
            method=method,
            url=url,
            received_at=read_time("--received-at", received_at),
            as_json=json,
        )
    )


@app.command()
def connectors(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One connector, with its settings.")] = None,
) -> None:
    """Show the installed connectors.

    What each can do; with a name, also its settings, hosts and documents.
    """
    from refundry_cli.catalogue import show_connector, show_connectors

    raise typer.Exit(show_connectors() if name is None else show_connector(name))


@app.command()
def doctor(config: Config = None) -> None:
    """Check the installation and the accounts.

    Every plugin is loaded, and no secret is shown.
    """
    from refundry_cli.doctor import examine

    raise typer.Exit(examine(config))


@app.command()
def sandbox(
    names: Annotated[list[str] | None, typer.Argument(metavar="CONNECTOR", help="Which; all if none.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for a free one.")] = 0,
    speed: Annotated[
        float, typer.Option(min=0.001, max=1e6, help="How many times faster than in life refunds change.")
    ] = 3600.0,
) -> None:
    """Run the processors' sandbox on this machine.

    It holds one refund of every life, until Ctrl-C.
    """
    from refundry_cli.sandbox import serve

    raise typer.Exit(serve(names or [], port=port, speed=speed))


@app.command()
def demo(json: Json = False) -> None:
    """Watch refunds settle at every processor.

    Uses the sandbox of every installed connector, and no network beyond this machine.
    """
    from refundry_cli.demo import run_demo

    raise typer.Exit(run_demo(as_json=json))


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The connector's name, for example acme-pay.")],
) -> None:
    """Write the project of a new connector.

    What follows the name is the directory and the answers, as in python -m refundry_template --help; what is not
    answered is asked in a terminal.
    """
    from refundry_cli.project import write_project

    raise typer.Exit(write_project(name, context.args))


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        from refundry_cli import __version__

        typer.echo(f"refundry-cli {__version__}")
        raise typer.Exit


def _target(
    name: str,
    config: Path | None,
    settings: list[str] | None,
    environment: str | None,
    base_urls: list[str] | None,
) -> Target:
    from refundry_cli.connect import Target

    return Target(
        name=name,
        config=config,
        settings=tuple(settings or ()),
        environment=environment,
        base_urls=tuple(base_urls or ()),
    )


def _query(metadata: list[str] | None, **fields: str | None) -> RefundQuery:
    from refundry_cli.connect import read_query

    return read_query(fields, metadata or ())
