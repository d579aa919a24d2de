"""The ledger's rows, for reading: for the admin and for a project's own queries.

Only the ledger writes them, so the models are not managed: ``migrate`` has the ledger make its tables itself.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NoReturn

from django.db import models

from refundry.model import Money
from refundry.state import Flag
from refundry_ledger.records import attention


class Json(models.JSONField):
    """JSON as the ledger keeps it: PostgreSQL's driver has read it already."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The value; SQLite hands out its text."""
        return json.loads(value) if isinstance(value, str) else value


class LedgerRow(models.Model):
    """A row that only the ledger writes."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: use `refundry_ledger.Ledger`."""
        raise TypeError("the ledger's rows are written by refundry_ledger.Ledger alone")

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: what was said stays said."""
        raise TypeError("the ledger's rows are never deleted")


class Account(LedgerRow):
    """An account of a processor that refunds were asked of or heard from."""

    id: models.BigIntegerField[int, int] = models.BigIntegerField(primary_key=True)
    name: models.TextField[str, str] = models.TextField()
    connector: models.TextField[str | None, str | None] = models.TextField(null=True)
    run_until: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField("tracked until", null=True)

    class Meta:
        managed = False
        db_table = "accounts"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name


class Refund(LedgerRow):
    """One refund, as its observations add up."""

    id: models.BigIntegerField[int, int] = models.BigIntegerField(primary_key=True)
    account: models.ForeignKey[Account, Account] = models.ForeignKey(Account, models.DO_NOTHING)
    origin: models.CharField[str, str] = models.CharField(max_length=10)
    merged_into: models.ForeignKey[Refund | None, Refund | None] = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, db_column="merged_into"
    )
    connector_refund_id: models.TextField[str | None, str | None] = models.TextField("processor's id", null=True)
    merchant_refund_id: models.TextField[str | None, str | None] = models.TextField("merchant's id", null=True)
    connector_transaction_id: models.TextField[str | None, str | None] = models.TextField("payment", null=True)
    expected_amount: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    expected_currency: models.CharField[str | None, str | None] = models.CharField(max_length=3, null=True)
    status: models.CharField[str | None, str | None] = models.CharField(max_length=13, null=True)
    connector_status: models.TextField[str | None, str | None] = models.TextField("processor's word", null=True)
    since: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    amount: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    currency: models.CharField[str | None, str | None] = models.CharField(max_length=3, null=True)
    flags = Json()
    acknowledged = Json()
    notice: models.TextField[str | None, str | None] = models.TextField(null=True)
    needs_attention: models.BooleanField[bool, bool] = models.BooleanField()
    changes: models.IntegerField[int, int] = models.IntegerField()
    added_at: models.DateTimeField[datetime, datetime] = models.DateTimeField()
    asked_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    first_observed: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    last_observed: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    next_due: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "refunds"
        default_permissions = ("view",)
        permissions = (("operate_refund", "Can ask the processor again, and acknowledge"),)

    def __str__(self) -> str:
        return self.connector_refund_id or self.merchant_refund_id or f"#{self.pk}"

    @property
    def money(self) -> Money | None:
        """What was refunded, as the processor says."""
        return _money(self.amount, self.currency)

    @property
    def expected(self) -> Money | None:
        """What should have been refunded."""
        return _money(self.expected_amount, self.expected_currency)

    @property
    def attention(self) -> str | None:
        """Why a person should look at it; None when nobody need."""
        return attention((Flag(flag) for flag in self.flags), self.acknowledged, self.notice)


class Observation(LedgerRow):
    """One thing that a processor said about a refund."""

    id: models.BigIntegerField[int, int] = models.BigIntegerField(primary_key=True)
    account: models.ForeignKey[Account, Account] = models.ForeignKey(Account, models.DO_NOTHING)
    refund: models.ForeignKey[Refund | None, Refund | None] = models.ForeignKey(
        Refund, models.DO_NOTHING, null=True, related_name="observations"
    )
    kind: models.CharField[str, str] = models.CharField(max_length=6)
    connector_refund_id: models.TextField[str | None, str | None] = models.TextField("processor's id", null=True)
    merchant_refund_id: models.TextField[str | None, str | None] = models.TextField("merchant's id", null=True)
    connector_transaction_id: models.TextField[str | None, str | None] = models.TextField("payment", null=True)
    status: models.CharField[str, str] = models.CharField(max_length=13)
    connector_status: models.TextField[str | None, str | None] = models.TextField("processor's word", null=True)
    amount: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    currency: models.CharField[str | None, str | None] = models.CharField(max_length=3, null=True)
    provider_time: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        "processor's time", null=True
    )
    observed_at: models.DateTimeField[datetime, datetime] = models.DateTimeField("heard")
    source: models.CharField[str, str] = models.CharField(max_length=7)
    is_foreign: models.BooleanField[bool, bool] = models.BooleanField("of another account")

    class Meta:
        managed = False
        db_table = "observations"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.status if self.kind == 'status' else self.kind} by {self.source}"

    @property
    def money(self) -> Money | None:
        """What it says was refunded."""
        return _money(self.amount, self.currency)


def _money(amount: int | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money(amount, currency)
