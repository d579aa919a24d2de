"""The setting ``REFUNDRY``, and the ledger and the clients that it describes.

```python
REFUNDRY = {
    "LEDGER": "refunds",  # an entry of DATABASES
    "CONFIG": BASE_DIR / "refundry.toml",  # or "ACCOUNTS": {...}
    "OBSERVERS": ["refundry_otel.Telemetry"],
}
```
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
from django.conf import settings
from django.core.signals import setting_changed
from django.db import connections
from django.utils.module_loading import import_string
from sqlalchemy.engine import URL

from refundry import RefundClient
from refundry.accounts import account_names as names_in_file
from refundry.accounts import account_options, read_account
from refundry.errors import ConfigurationError
from refundry_django.addresses import address
from refundry_ledger import Ledger

_KEYS = frozenset({"LEDGER", "ACCOUNTS", "CONFIG", "OBSERVERS"})


@attrs.frozen(kw_only=True)
class Refundry:
    """The setting ``REFUNDRY``."""

    ledger: str
    """The entry of ``DATABASES`` that the ledger lives in."""
    accounts: Mapping[str, object] | None
    """Accounts as tables of ``refundry.toml``; None: they are in the file."""
    config: str | Path | None
    """The file with the accounts; None: as `refundry.accounts.config_path` finds it."""
    observers: tuple[str, ...]
    """Classes of observers by their dotted path."""


def read() -> Refundry:
    """The setting. Raises `ConfigurationError`, which says what is wrong with it."""
    given = getattr(settings, "REFUNDRY", None)
    if not isinstance(given, Mapping) or not isinstance(given.get("LEDGER"), str):
        raise ConfigurationError('REFUNDRY must be a dictionary with "LEDGER": the name of an entry of DATABASES')
    unknown = sorted(str(key) for key in given.keys() - _KEYS)
    if unknown:
        raise ConfigurationError(f"REFUNDRY knows no {', '.join(unknown)}: it takes {', '.join(sorted(_KEYS))}")
    accounts = given.get("ACCOUNTS")
    if accounts is not None and not isinstance(accounts, Mapping):
        raise ConfigurationError("ACCOUNTS in REFUNDRY must be a dictionary by account name")
    if accounts is not None and "CONFIG" in given:
        raise ConfigurationError("REFUNDRY takes ACCOUNTS or CONFIG, not both")
    paths = given.get("OBSERVERS", ())
    if not isinstance(paths, list | tuple):
        raise ConfigurationError("OBSERVERS in REFUNDRY must be a list of dotted paths")
    return Refundry(
        ledger=given["LEDGER"],
        accounts=accounts,
        config=given.get("CONFIG"),
        observers=tuple(paths),
    )


def account_names() -> tuple[str, ...]:
    """The names of the accounts. Raises `ConfigurationError`."""
    setting = read()
    return names_in_file(setting.config) if setting.accounts is None else tuple(setting.accounts)


def client(name: str) -> RefundClient:
    """The client of this account, one for the process. Raises `ConfigurationError`."""
    with _lock:
        return _client(name)


def clients(*names: str) -> dict[str, RefundClient]:
    """The clients of these accounts, or of all. Raises `ConfigurationError`."""
    return {name: client(name) for name in names or account_names()}


def ledger() -> Ledger:
    """The ledger of this process. Its tables are made by ``migrate``. Raises `ConfigurationError`."""
    with _lock:
        return _ledger(_address())


def open_ledger() -> Ledger:
    """A ledger to be closed by whoever opens it. Raises `ConfigurationError`."""
    return Ledger(_address())


def observers() -> tuple[object, ...]:
    """The observers, each made once. Raises `ConfigurationError`."""
    with _lock:
        return _observers()


_lock = threading.RLock()
"""So that a process makes each of them once."""


def _address() -> URL:
    connection = connections[read().ledger]
    # As it stands now: a test runner names another database.
    return address(connection.settings_dict, connection.vendor)


@lru_cache
def _ledger(url: URL) -> Ledger:
    return Ledger(url)


@lru_cache
def _client(name: str) -> RefundClient:
    setting = read()
    if setting.accounts is None:
        options = read_account(name, setting.config)
    elif name in setting.accounts:
        options = account_options(name, setting.accounts[name])
    else:
        raise ConfigurationError(f"REFUNDRY has no account {name!r}: it has {', '.join(setting.accounts) or 'none'}")
    return RefundClient(**options, plugins=observers(), account_name=name)


@lru_cache
def _observers() -> tuple[object, ...]:
    return tuple(_observer(path) for path in read().observers)


def _observer(path: str) -> object:
    try:
        return import_string(path)()
    except (ImportError, TypeError) as error:
        raise ConfigurationError(f"the observer {path} cannot be made: {error}") from None


def _forget(*, setting: str, **rest: Any) -> None:
    if setting == "REFUNDRY":
        _client.cache_clear()
        _observers.cache_clear()


setting_changed.connect(_forget)
