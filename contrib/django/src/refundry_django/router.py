"""Which database the ledger's rows are read from."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from refundry.errors import ConfigurationError
from refundry_django import conf

_APP = "refundry"


class LedgerRouter:
    """For ``DATABASE_ROUTERS``: the ledger's rows are in its database, and nothing else is."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        """The ledger's database for its models."""
        return _alias() if model._meta.app_label == _APP else None

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        """The same; the models refuse to be written."""
        return self.db_for_read(model)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """Whether the application's tables belong into this database."""
        own = db == _alias()
        if app_label == _APP:
            return own
        return False if own else None


def _alias() -> str | None:
    try:
        return conf.read().ledger
    except ConfigurationError:
        return None  # Django asks routers before it runs the check that says what is wrong
