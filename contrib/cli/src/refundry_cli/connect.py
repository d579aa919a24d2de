"""From the command line, the environment and ``refundry.toml`` to a client."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from refundry.accounts import account_names, config_path, read_account
from refundry.client import RefundClient
from refundry.connector import Connector, settings_of
from refundry.errors import ConfigurationError, InvalidQuery, UnknownConnector
from refundry.model import RefundQuery
from refundry.plugins import connector_names, load_connector
from refundry.times import from_iso

_NAMED_URL = re.compile(r"(\w+)=(https?://.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom to ask, as the command line says it."""

    name: str
    """An account in ``refundry.toml``, or else a connector."""
    config: Path | None = None
    settings: tuple[str, ...] = ()
    """``NAME=VALUE``, for settings that are no secrets."""
    environment: str | None = None
    base_urls: tuple[str, ...] = ()
    """``URL``, or ``BASE=URL`` where the connector has several."""


def open_client(target: Target) -> RefundClient:
    """The client of an account, or of a connector with its settings from the environment.

    Raises `UnknownConnector` and `ConfigurationError`.
    """
    quieten_logs()
    accounts = _account_names(target.config)
    given = read_account(target.name, target.config) if target.name in accounts else _from_environment(target, accounts)
    connector = load_connector(given["connector"])
    given |= plain_settings(connector, target.settings) | {"account_name": target.name}
    if target.environment:
        given["environment"] = target.environment.upper()
    if target.base_urls:
        given["base_url"] = _base_urls(target.base_urls)
    try:
        return RefundClient(**given)
    except (TypeError, ValueError, AttributeError) as error:
        kind = type(error).__name__
        text = f"a setting, an option of the account or base_url has a value of the wrong kind ({kind})"
        raise ConfigurationError(text, connector=connector.name) from None


def quieten_logs() -> None:
    """Keep warnings of the library and of the sandbox's server off stderr: the commands say themselves what matters."""
    for name in ("refundry", "waitress"):
        logging.getLogger(name).addHandler(logging.NullHandler())


def variable(connector: str, setting: str) -> str:
    """The environment variable of a setting: ``REFUNDRY_STRIPE_API_KEY``."""
    return re.sub(r"\W", "_", f"REFUNDRY_{connector}_{setting}").upper()


def plain_settings(connector: type[Connector], texts: Iterable[str]) -> dict[str, str]:
    """Settings from ``NAME=VALUE``. Raises `ConfigurationError` for a secret, which a command line would give away."""
    given = read_pairs(texts, ConfigurationError("--setting takes NAME=VALUE", connector=connector.name))
    secret = {one.name for one in settings_of(connector) if one.secret}
    for name in given.keys() & secret:
        raise ConfigurationError(
            f"{name} is a secret, and command lines are seen by others and kept: "
            f"set the variable {variable(connector.name, name)} instead",
            connector=connector.name,
        )
    return given


def read_query(fields: Mapping[str, str | None], metadata: Iterable[str]) -> RefundQuery:
    """A query of what was given. Raises `InvalidQuery`."""
    given: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    return RefundQuery.of({**given, "metadata": read_pairs(metadata, InvalidQuery("--metadata takes KEY=VALUE"))})


def read_time(option: str, text: str | None) -> datetime | None:
    """An ISO 8601 date or time, in UTC unless it names a zone. Raises `InvalidQuery`."""
    if text is None:
        return None
    try:
        return from_iso(text, zone=UTC)
    except ValueError as error:
        raise InvalidQuery(f"{option}: {error}; write 2026-03-01 or 2026-03-01T09:30:00Z") from None


def read_pairs(texts: Iterable[str], error: Exception) -> dict[str, str]:
    """What was given as ``NAME=VALUE``, by name. Raises ``error`` for a text that is none."""
    parts = [text.partition("=") for text in texts]
    if not all(name and separator for name, separator, _ in parts):
        raise error
    return {name: value for name, _, value in parts}


def _account_names(config: Path | None) -> tuple[str, ...]:
    if config is not None and not config.exists():
        raise ConfigurationError(f"there is no file {config}: --config names your refundry.toml")
    return account_names(config)


def _from_environment(target: Target, accounts: tuple[str, ...]) -> dict[str, Any]:
    name = target.name
    try:
        connector = load_connector(name)
    except UnknownConnector as error:
        if accounts:
            error.message += f"; accounts in {config_path(target.config).name}: {', '.join(accounts)}"
        raise
    values = {one.name: os.environ.get(variable(name, one.name), "") for one in settings_of(connector)}
    return {"connector": name, **{setting: value for setting, value in values.items() if value.strip()}}


def _base_urls(texts: tuple[str, ...]) -> str | dict[str, str]:
    if len(texts) == 1 and not _NAMED_URL.fullmatch(texts[0]):
        return texts[0]
    matches = [_NAMED_URL.fullmatch(text) for text in texts]
    named = {match[1]: match[2] for match in matches if match}
    if len(named) != len(texts):
        raise ConfigurationError("several --base-url take BASE=URL each, every base once")
    return named


def known_names(incomplete: str) -> list[str]:
    """Accounts and connectors that begin like this, for the shell's completion."""
    try:
        names = {*account_names(), *connector_names()}
    except ConfigurationError:
        names = set(connector_names())
    return sorted(name for name in names if name.startswith(incomplete))
