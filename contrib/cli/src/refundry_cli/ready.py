"""Commands and code that are ready to be tried, for a connector and a refund."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from refundry.connector import Connector, settings_of
from refundry.model import RefundQuery
from refundry_cli.connect import variable


def get_command(
    connector: type[Connector], settings: Mapping[str, Any], base_urls: Mapping[str, str], query: RefundQuery
) -> str:
    """A line for the shell that asks for this refund, its secrets in variables."""
    texts = {name: settings[name] for name in _needed(connector, settings) if isinstance(settings[name], str)}
    variables = [f"{variable(connector.name, name)}={shlex.quote(value)}" for name, value in texts.items()]
    urls = [f"--base-url {base}={url}" for base, url in base_urls.items()]
    identifiers = [f"{option_of(name)}{shlex.quote(value)}" for name, value in identifiers_of(connector, query).items()]
    return " ".join([*variables, "refundry get", connector.name, *urls, *identifiers])


def python_lines(connector: type[Connector], settings: Iterable[str], query: RefundQuery) -> list[str]:
    """Three lines of Python that wait for this refund."""
    arguments = "".join(f', {name}="..."' for name in _needed(connector, settings))
    plain = {name: value for name, value in identifiers_of(connector, query).items() if "." not in name}
    keys = {name.removeprefix("metadata."): value for name, value in query.items() if name.startswith("metadata.")}
    given = [f'{name}="{value}"' for name, value in plain.items()] + ([f"metadata={keys}"] if keys else [])
    return [
        "from refundry import RefundClient",
        f'client = RefundClient("{connector.name}"{arguments}, environment="SANDBOX")',
        f"print(client.wait({', '.join(given)}).explanation)",
    ]


def identifiers_of(connector: type[Connector], query: RefundQuery) -> dict[str, str]:
    """The fewest identifiers of this query by which the connector finds the refund; all of them where none suffice."""
    given = dict(query.items())
    enough = [names for names in connector.identifiers if names <= given.keys()]
    chosen = min(enough, key=len, default=frozenset(given))
    return {name: value for name, value in given.items() if name in chosen}


def option_of(identifier: str) -> str:
    """The option of ``refundry get`` that gives this identifier, up to its value."""
    if identifier.startswith("metadata."):
        return f"--metadata {identifier.removeprefix('metadata.')}="
    return f"--{identifier.replace('_', '-')} "


def _needed(connector: type[Connector], settings: Iterable[str]) -> list[str]:
    """Those of the settings that a get uses."""
    return [one.name for one in settings_of(connector) if "get" in one.needed_for and one.name in settings]
