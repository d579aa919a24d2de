"""The Django project of `django_project`, set up once in this process, with an empty ledger for each test."""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import attrs
from acme import running
from ledgers import empty_schema, postgresql_schema

from refundry.connector import settings_of
from refundry.plugins import load_connector
from refundry_ledger import Ledger
from refundry_sandbox import Sandbox

ALIASES = ("sqlite", "postgresql")


@attrs.frozen
class Shop:
    """The project with an empty ledger, and the processor that its accounts ask."""

    alias: str
    sandbox: Sandbox
    ledger: Ledger

    def add(self, life: str = "settles", **options: Any) -> str:
        """A refund at the processor; its id."""
        return self.sandbox.add("stripe", life, **options).connector_refund_id or ""


def account(sandbox: Sandbox, name: str = "stripe") -> dict[str, Any]:
    """The account that asks this sandbox, as REFUNDRY describes it."""
    named = {setting: {"env": variable} for setting, variable in _variables(name).items()}
    return {"connector": name, "base_url": sandbox.base_urls(name), **_plain(sandbox.settings(name), named)}


def secrets(sandbox: Sandbox, name: str = "stripe") -> dict[str, str]:
    """The environment that `account` needs."""
    settings = sandbox.settings(name)
    return {variable: settings[setting] for setting, variable in _variables(name).items() if setting in settings}


def _variables(name: str) -> dict[str, str]:
    secret = (one.name for one in settings_of(load_connector(name)) if one.secret)
    return {setting: f"SHOP_{name}_{setting}".upper().replace("-", "_") for setting in secret}


def _plain(settings: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    return {setting: named.get(setting, value) for setting, value in settings.items()}


@cache
def set_up() -> Path:
    """Set the project up, so that its models can be imported; its folder."""
    folder = Path(mkdtemp())
    atexit.register(shutil.rmtree, folder)
    os.environ |= {"SHOP_FOLDER": str(folder), "DJANGO_SETTINGS_MODULE": "django_project.settings"}
    os.environ["SHOP_SCHEMA"] = f"shop_{os.getpid()}"

    import django

    django.setup()
    return folder


@cache
def migrated_sqlite() -> None:
    """Make the tables of the project, and those of a ledger to be copied for each test."""
    from django.core.management import call_command

    for alias in ("default", "sqlite"):
        call_command("migrate", database=alias, verbosity=0)
    _close()
    shutil.copy(set_up() / "refunds.db", set_up() / "empty.db")


@cache
def migrated_postgresql() -> None:
    """Make the ledger's tables there, in a schema of their own."""
    from django.core.management import call_command

    postgresql_schema(os.environ["SHOP_SCHEMA"])
    with changed(LEDGER="postgresql"):
        call_command("migrate", database="postgresql", verbosity=0)


@contextmanager
def changed(**values: Any) -> Iterator[None]:
    """The project with these values in REFUNDRY."""
    from django.conf import settings
    from django.test import override_settings

    with override_settings(REFUNDRY={**settings.REFUNDRY, **values}):
        yield


@contextmanager
def shop(alias: str, accounts: Mapping[str, Any], sandbox: Sandbox) -> Iterator[Shop]:
    """The project with an empty ledger in this database."""
    folder = set_up()
    migrated_sqlite()
    if alias == "postgresql":
        migrated_postgresql()
    from refundry_django import conf

    with changed(LEDGER=alias, ACCOUNTS=accounts):
        try:
            yield Shop(alias, sandbox, conf.ledger())
        finally:
            conf.ledger().close()
            _close()
            _empty(alias, folder)


@contextmanager
def served() -> Iterator[str]:
    """The project behind a real HTTP server of this process; its address."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(get_wsgi_application())
    with running(server):
        yield f"http://127.0.0.1:{server.server_port}"


def _close() -> None:
    from django.db import connections

    connections.close_all()


def _empty(alias: str, folder: Path) -> None:
    if alias == "postgresql":
        empty_schema(os.environ["SHOP_SCHEMA"])
        return
    for path in folder.glob("refunds.db*"):
        path.unlink()
    shutil.copy(folder / "empty.db", folder / "refunds.db")
