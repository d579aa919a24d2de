"""The models without their columns: those are the ledger's, which makes and upgrades its tables itself."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models


def unmanaged(name: str, table: str, **options: Any) -> migrations.CreateModel:
    """A model of the ledger's rows."""
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigIntegerField(primary_key=True, serialize=False))
    ]
    described = {"db_table": table, "managed": False, "default_permissions": ("view",), **options}
    return migrations.CreateModel(name=name, fields=fields, options=described)


class Migration(migrations.Migration):
    """Makes nothing in the database."""

    initial = True
    dependencies = ()
    operations = (
        unmanaged("Account", "accounts"),
        unmanaged("Observation", "observations"),
        unmanaged(
            "Refund",
            "refunds",
            permissions=(("operate_refund", "Can ask the processor again, and acknowledge"),),
        ),
    )
