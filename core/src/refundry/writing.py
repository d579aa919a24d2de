"""What a sandbox writes an answer with: the inverse of `refundry.reading`. What is absent stays None."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from refundry.model import Refund
from refundry.money import Exponents, to_minor
from refundry.times import to_iso


def filled(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The shape without what is None."""
    return {name: value for name, value in shape.items() if value is not None}


def minor_of(refund: Refund, exponents: Exponents | None = None) -> int | None:
    """The refund's amount in the processor's minor units."""
    return to_minor(refund.refund_amount, exponents) if refund.refund_amount else None


def decimal_of(refund: Refund) -> Decimal | None:
    """The refund's amount in major units."""
    return refund.refund_amount.decimal if refund.refund_amount else None


def currency_of(refund: Refund) -> str | None:
    """The refund's currency."""
    return refund.refund_amount.currency if refund.refund_amount else None


def unix_of(moment: datetime | None) -> int | None:
    """A time as whole Unix seconds."""
    return int(moment.timestamp()) if moment else None


def iso_of(moment: datetime | None, timespec: str = "auto") -> str | None:
    """A time as `refundry.times.to_iso` writes it."""
    return to_iso(moment, timespec) if moment else None
