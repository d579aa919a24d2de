"""The application, for ``INSTALLED_APPS``."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RefundryConfig(AppConfig):
    """``refundry_django``, with the label ``refundry``."""

    name = "refundry_django"
    label = "refundry"
    verbose_name = "Refunds"

    def ready(self) -> None:
        """Register the checks, and bring the ledger's tables up to date with every ``migrate`` of its database."""
        from refundry_django import checks

        checks.register_all()
        post_migrate.connect(_upgrade_ledger, sender=self)


def _upgrade_ledger(using: str, **rest: Any) -> None:
    # The ledger keeps its own migrations: one of Django's for each of them would always be a release behind.
    from refundry_django import conf

    if using == conf.read().ledger:
        with conf.open_ledger() as ledger:
            ledger.database.upgrade()
