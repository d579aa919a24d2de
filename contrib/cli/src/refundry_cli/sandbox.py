"""``refundry sandbox``: the processors on this machine, until it is stopped."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from refundry.errors import ConfigurationError
from refundry.model import Refund
from refundry.plugins import connector_names, load_connector
from refundry_cli.catalogue import operations
from refundry_cli.connect import quieten_logs
from refundry_cli.exits import ExitCode
from refundry_cli.ready import get_command
from refundry_cli.render import aligned

if TYPE_CHECKING:
    from refundry_sandbox import Sandbox

_STEP = timedelta(days=3)
"""How long a refund stays at each state of its life, in life."""
_WIDTHS = (10, 22, 0)


def serve(names: Sequence[str], *, port: int, speed: float) -> ExitCode:
    """Run the sandbox with one refund of every life, and end well on SIGINT and SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # Its clock is the machine's, or it would refuse what commands sign now; the lives are shortened instead.
    after = _STEP / speed
    with open_sandbox(names, port=port) as sandbox:
        typer.echo(f"The sandbox answers at {sandbox.url}; each state of a refund lasts {after.total_seconds():g} s.")
        for name in sandbox.names:
            refunds = [(life, sandbox.add(name, life, after=after)) for life in sandbox.lives(name)]
            typer.echo(f"\n{_introduction(sandbox, name, refunds)}")
        say_left_out(sandbox, names)
        typer.echo("\nStop it with Ctrl-C.")
        stop.wait()
    typer.echo("The sandbox has stopped.")
    return ExitCode.SUCCEEDED


def open_sandbox(names: Sequence[str], *, port: int = 0, speed: float = 1.0) -> Sandbox:
    """A running sandbox. Raises `ConfigurationError` where it is not installed or its port is taken."""
    try:
        from refundry_sandbox import Sandbox
    except ImportError:
        raise ConfigurationError("the sandbox is not installed: pip install refundry-cli[sandbox]") from None
    quieten_logs()
    try:
        return Sandbox(list(names) or None, port=port, speed=speed)
    except OSError as error:
        raise ConfigurationError(f"port {port} cannot be used ({error.strerror}): give another --port") from None


def say_left_out(sandbox: Sandbox, names: Sequence[str]) -> None:
    """Name the connectors that should be in the sandbox and are not."""
    left_out = sorted(set(names or connector_names()) - set(sandbox.names))
    if left_out:
        typer.echo(f"\nLeft out, for their sandbox is missing or broken: {', '.join(left_out)}. See refundry doctor.")


def _introduction(sandbox: Sandbox, name: str, refunds: list[tuple[str, Refund]]) -> str:
    connector, settings, urls = load_connector(name), sandbox.settings(name), sandbox.base_urls(name)
    lines = [f"{connector.title} ({name})"]
    lines += [aligned(("  base_url", base, url), _WIDTHS) for base, url in urls.items()]
    lines += [aligned(("  setting", key, _text(value)), _WIDTHS) for key, value in settings.items()]
    for life, refund in refunds:
        lines.append(aligned(("  refund", life, refund.connector_refund_id or "-"), _WIDTHS))
    if "get" in operations(connector) and refunds:
        lines.append(f"  try: {get_command(connector, settings, urls, refunds[0][1].query())}")
    return "\n".join(lines)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
