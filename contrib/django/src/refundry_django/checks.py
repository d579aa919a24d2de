"""System checks: what is wrong with the settings, said before it goes wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  Django's own name
from django.db import connections
from django.utils.module_loading import import_string
from sqlalchemy.exc import SQLAlchemyError

from refundry.errors import ConfigurationError
from refundry_django import conf
from refundry_django.addresses import address
from refundry_django.router import LedgerRouter
from refundry_ledger.upgrading import HEAD, revision


def register_all() -> None:
    """Register every check."""
    register(check_settings, "refundry")
    register(check_accounts, "refundry")
    register(check_tables, Tags.database)


def check_settings(app_configs: Any = None, **rest: Any) -> Iterable[CheckMessage]:
    """The setting itself, the ledger's database, and what stands around it."""
    try:
        alias = conf.read().ledger
    except ConfigurationError as error:
        return [Error(str(error), id="refundry.E001")]
    return [*_check_database(alias), *_check_router(), *_check_times(alias)]


def check_accounts(app_configs: Any = None, **rest: Any) -> Iterable[CheckMessage]:
    """Whether each account can be used here. A warning: where no secrets are, tests and builds go on."""
    try:
        names = conf.account_names()
    except ConfigurationError as error:
        return [Warning(str(error), id="refundry.W001")]
    if not names:
        hint = "Write them into refundry.toml, or as ACCOUNTS into REFUNDRY."
        return [Warning("there is no account to ask", hint=hint, id="refundry.W002")]
    return [one for name in names for one in _check_account(name)]


def check_tables(databases: Sequence[str] | None = None, **rest: Any) -> Iterable[CheckMessage]:
    """Whether the ledger's tables are those that this version needs; run by ``check --database``."""
    try:
        if conf.read().ledger not in (databases or ()):
            return []
        with conf.open_ledger() as ledger, ledger.database.reading() as connection:
            known = revision(connection)
    except ConfigurationError:
        return []  # said by `check_settings`
    except SQLAlchemyError as error:
        return [Error(f"the ledger's database cannot be reached: {type(error).__name__}", id="refundry.E006")]
    if known == HEAD:
        return []
    hint = f"Run: manage.py migrate --database {conf.read().ledger}"
    return [Warning("the ledger's tables are not those of this version", hint=hint, id="refundry.W003")]


def _check_database(alias: str) -> Iterable[CheckMessage]:
    if alias not in settings.DATABASES:
        return [Error(f"LEDGER names {alias!r}, which is no entry of DATABASES", id="refundry.E002")]
    if alias == "default":
        hint = "On SQLite give it a file of its own, on PostgreSQL the same database with a schema of its own."
        return [Error("LEDGER must name an entry of its own, not 'default'", hint=hint, id="refundry.E003")]
    try:
        address(connections[alias].settings_dict, connections[alias].vendor)
    except ConfigurationError as error:
        return [Error(str(error), id="refundry.E002")]
    return []


def _check_router() -> Iterable[CheckMessage]:
    routers = [import_string(one) if isinstance(one, str) else type(one) for one in settings.DATABASE_ROUTERS]
    if any(issubclass(one, LedgerRouter) for one in routers):
        return []
    hint = 'Add "refundry_django.router.LedgerRouter" to DATABASE_ROUTERS.'
    return [Error("nothing leads the ledger's models to its database", hint=hint, id="refundry.E004")]


def _check_times(alias: str) -> Iterable[CheckMessage]:
    zone = settings.DATABASES.get(alias, {}).get("TIME_ZONE")
    if settings.USE_TZ and not zone:
        return []
    hint = f"Set USE_TZ = True, and no TIME_ZONE in DATABASES[{alias!r}]."
    return [Error("the ledger's times are in UTC and would be shown wrong", hint=hint, id="refundry.E005")]


def _check_account(name: str) -> Iterable[CheckMessage]:
    try:
        conf.client(name)
    except ConfigurationError as error:
        return [Warning(f"the account {name!r} cannot be used: {error}", id="refundry.W001")]
    return []
