"""``refundry connectors``: what is installed, what it can do and what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer

from refundry.account import HOOKS
from refundry.connector import Connector, Setting, settings_of
from refundry.errors import ConfigurationError
from refundry.plugins import connector_hooks, connector_names, load_connector
from refundry_cli.connect import variable
from refundry_cli.exits import ExitCode
from refundry_cli.render import aligned, clean

_WIDTHS = (20, 20, 4, 4, 7)
_INDENT = "  "


def show_connectors() -> ExitCode:
    """One line for each installed connector; one that is broken says so and harms no other."""
    typer.echo(aligned(("name", "processor", *HOOKS), _WIDTHS))
    for name in connector_names():
        typer.echo(_line(name))
    typer.echo("\nrefundry connectors NAME shows one. Another processor: pip install refundry-NAME")
    return ExitCode.SUCCEEDED


def show_connector(name: str) -> ExitCode:
    """All about one connector. Raises `UnknownConnector`, `ConfigurationError`."""
    connector = load_connector(name)
    can = operations(connector)
    sections = {
        f"{connector.title} ({connector.name})": [f"{one}: {'yes' if one in can else 'no'}" for one in HOOKS],
        "A get needs": _identifiers(connector) if "get" in can else [],
        "A list": _listing(connector) if "list" in can else [],
        "Settings": _settings(connector, can),
        "Hosts": [*_hosts(connector), *connector.extra_hosts],
        "Documentation": [f"{what}: {link}" for what, link in connector.documentation.items()],
    }
    typer.echo("\n\n".join(_section(title, lines) for title, lines in sections.items() if lines))
    return ExitCode.SUCCEEDED


def operations(connector: type[Connector]) -> tuple[str, ...]:
    """What a connector can do. Raises `ConfigurationError` where it does not keep the contract."""
    hooks = connector_hooks(connector())
    return tuple(name for name, needed in HOOKS.items() if hooks.can(*needed))


def _line(name: str) -> str:
    try:
        connector = load_connector(name)
        can = operations(connector)
    except ConfigurationError:
        return aligned((clean(name), "is broken: refundry doctor says why"), (_WIDTHS[0], 0))
    return aligned((name, connector.title, *("yes" if one in can else "no" for one in HOOKS)), _WIDTHS)


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([clean(title), *(_INDENT + clean(line) for line in lines)])


def _identifiers(connector: type[Connector]) -> list[str]:
    options = [" and ".join(_option(name) for name in sorted(names)) for names in connector.identifiers]
    return [options[0], *(f"or {option}" for option in options[1:])]


def _option(identifier: str) -> str:
    if identifier.startswith("metadata."):
        return f"--metadata {identifier.removeprefix('metadata.')}=..."
    return f"--{identifier.replace('_', '-')}"


def _listing(connector: type[Connector]) -> list[str]:
    listing = connector.listing
    if listing is None:
        return []
    if listing.basis == "payment":
        return ["is of one payment: --connector-transaction-id"]
    lines = [f"goes by the time when refunds were {listing.basis}"]
    if listing.by_payment:
        lines.append("can be of one payment: --connector-transaction-id")
    if not listing.complete:
        lines.append("leaves out refunds that a get finds")
    return lines


def _settings(connector: type[Connector], can: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for one in settings_of(connector):
        where = variable(connector.name, one.name) + ("" if one.secret else f" or --setting {one.name}=...")
        lines += [f"{one.name}: {one.help}", f"{_INDENT}{_terms(one, can)}; {where}"]
    if connector.credentials:
        choices = " or ".join(" with ".join(sorted(names)) for names in connector.credentials.alternatives)
        lines.append(f"{_needing(connector.credentials.needed_for, can)} needs {choices}")
    return lines


def _terms(one: Setting, can: Sequence[str]) -> str:
    need = f"needed for {_needing(one.needed_for, can)}" if one.required else "optional"
    return f"secret, {need}" if one.secret else need


def _needing(needed_for: Iterable[str], can: Sequence[str]) -> str:
    return ", ".join(sorted(set(needed_for).intersection(can)))


def _hosts(connector: type[Connector]) -> list[str]:
    lines = []
    for base, by_environment in connector.base_urls.items():
        for environment, hosts in by_environment.items():
            urls = (hosts,) if isinstance(hosts, str) else hosts
            lines.append(f"{base}, {environment}: {' or '.join(urls)}")
    return lines
