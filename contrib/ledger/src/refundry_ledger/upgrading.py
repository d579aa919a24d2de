"""Bringing a database to the form that this version needs."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from refundry.errors import ConfigurationError

HEAD = "0003"
"""The newest revision, by number, in ``migrations/versions``."""
_ONE_AT_A_TIME = 5_782_093_416_211_007


def upgrade(connection: Connection) -> None:
    """Upgrade within this transaction; two processes that do it at once do it one after the other.

    Raises `ConfigurationError` for a ledger of a newer version.
    """
    wait_for_turn(connection)
    known = revision(connection)
    if known == HEAD:
        return
    if known is not None and known > HEAD:
        raise ConfigurationError("the ledger was upgraded by a newer refundry-ledger: install that one here, too")
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def wait_for_turn(connection: Connection) -> None:
    """Wait until no other transaction changes the tables; on SQLite a write waits by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})


def revision(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
