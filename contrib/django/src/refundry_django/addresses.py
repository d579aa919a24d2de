"""From an entry of ``DATABASES`` to the address of a ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import URL

from refundry.errors import ConfigurationError

_DJANGO_ONLY = frozenset({"isolation_level", "pool", "server_side_binding"})
"""Options that Django's backend takes and the driver does not."""


def address(entry: Mapping[str, Any], vendor: str) -> URL:
    """The address of this entry. Raises `ConfigurationError` for a database that holds no ledger."""
    match vendor:
        case "sqlite":
            return _sqlite(str(entry["NAME"]))
        case "postgresql":
            return _postgresql(entry)
        case _:
            raise ConfigurationError(f"a ledger lives in SQLite or PostgreSQL, not in {vendor}")


def _sqlite(name: str) -> URL:
    if name == ":memory:" or name.startswith("file:"):
        raise ConfigurationError('a ledger in memory would be lost: name a file; for tests in "TEST": {"NAME": ...}')
    return URL.create("sqlite", database=name)


def _postgresql(entry: Mapping[str, Any]) -> URL:
    options = dict(entry.get("OPTIONS", {}))
    if "assume_role" in options:
        raise ConfigurationError('the ledger takes no assume_role: use "options": "-c role=..."')
    return URL.create(
        "postgresql",
        username=entry.get("USER") or None,
        password=entry.get("PASSWORD") or None,
        host=entry.get("HOST") or None,
        port=int(entry["PORT"]) if entry.get("PORT") else None,
        database=entry.get("NAME") or None,
        query={name: str(value) for name, value in options.items() if name not in _DJANGO_ONLY},
    )
