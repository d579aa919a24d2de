"""Accounts in ``refundry.toml``, with every secret in an environment variable.

```toml
[accounts.stripe-eu]
connector = "stripe"
environment = "PRODUCTION"
api_key = { env = "STRIPE_EU_KEY" }
webhook_secret = [{ env = "STRIPE_EU_WEBHOOK" }, { env = "STRIPE_EU_WEBHOOK_OLD" }]
```
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from refundry.connector import Connector, settings_of
from refundry.errors import ConfigurationError
from refundry.plugins import load_connector

CONFIG_VARIABLE = "REFUNDRY_CONFIG"
CONFIG_FILE = "refundry.toml"
_OPTIONS = frozenset({"connector", "environment", "base_url", "timeout", "rate_limit"})


def account_names(path: str | Path | None = None) -> tuple[str, ...]:
    """The names of the configured accounts; none where there is no file. Raises `ConfigurationError`."""
    file = config_path(path)
    return tuple(_accounts(file)) if file.exists() else ()


def read_account(name: str, path: str | Path | None = None) -> dict[str, Any]:
    """The arguments for `RefundClient` of this account. Raises `ConfigurationError`, which names the setting."""
    file = config_path(path)
    if not file.exists():
        raise ConfigurationError(f"there is no {file.name}: make one, or name it in the variable {CONFIG_VARIABLE}")
    accounts = _accounts(file)
    if name not in accounts:
        raise ConfigurationError(f"{file.name} has no account {name!r}: it has {', '.join(accounts) or 'none'}")
    return account_options(name, accounts[name])


def account_options(name: str, described: object) -> dict[str, Any]:
    """The arguments for `RefundClient` of an account described as in the file. Raises `ConfigurationError`."""
    if not isinstance(described, Mapping) or not isinstance(described.get("connector"), str):
        raise ConfigurationError(f'the account {name!r} lacks connector = "..."')
    connector = load_connector(described["connector"])
    return {key: _value(key, value, connector, name) for key, value in described.items()}


def config_path(path: str | Path | None = None) -> Path:
    """Where the accounts are: the path, the variable REFUNDRY_CONFIG, or refundry.toml in this directory."""
    return Path(path or os.environ.get(CONFIG_VARIABLE) or CONFIG_FILE)


def read_config(path: str | Path | None = None) -> Mapping[str, Any]:
    """The whole file, empty where there is none. Raises `ConfigurationError`."""
    file = config_path(path)
    try:
        return _parsed(file.absolute(), file.stat().st_mtime_ns) if file.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{file.name} cannot be read: {type(error).__name__}: {error}") from None


@lru_cache(maxsize=4)
def _parsed(file: Path, changed: int) -> Mapping[str, Any]:
    """The file as it was when it changed last: with thousands of accounts it takes a second to parse."""
    return tomllib.loads(file.read_text())


def read_secret(value: object, where: str) -> Any:
    """A secret of the file from its environment variable. Raises `ConfigurationError` for one written into the file."""
    return _resolve(value, where, secret=True)


def _accounts(file: Path) -> Mapping[str, Any]:
    accounts = read_config(file).get("accounts", {})
    if not isinstance(accounts, Mapping):
        raise ConfigurationError(f"accounts in {file.name} must be tables: [accounts.NAME]")
    return accounts


def _value(key: str, value: object, connector: type[Connector], account: str) -> Any:
    if key in _OPTIONS:
        return value
    secret = any(one.secret for one in settings_of(connector) if one.name == key)
    return _resolve(value, f"{key} of the account {account!r}", secret)


def _resolve(value: object, where: str, secret: bool) -> Any:
    match value:
        case {"env": str(variable), **rest} if not rest:
            return _from_environment(variable, where)
        case Mapping():
            return {key: _resolve(part, where, secret) for key, part in value.items()}
        case list():
            return [_resolve(part, where, secret) for part in value]
        case str() if secret:
            raise ConfigurationError(f'{where} is a secret: write {{ env = "A_VARIABLE" }} and set that variable')
        case _:
            return value


def _from_environment(variable: str, where: str) -> str:
    value = os.environ.get(variable, "")
    if not value.strip():
        raise ConfigurationError(f"{where}: the environment variable {variable} is not set")
    return value
