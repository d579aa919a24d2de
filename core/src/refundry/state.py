"""Observations: what a processor said about a refund at a moment."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal, TypeAlias

import attrs

from refundry.model import Money, Refund, RefundStatus

Source: TypeAlias = Literal["get", "list", "webhook", "import"]


@attrs.frozen(kw_only=True)
class Observation:
    """One thing that a processor said about a refund."""

    account: str
    connector_refund_id: str | None
    merchant_refund_id: str | None
    connector_transaction_id: str | None
    status: RefundStatus
    connector_status: str | None
    amount: Money | None
    provider_time: datetime | None
    """When the processor says that the refund came to stand like this; None where it does not say."""
    observed_at: datetime
    source: Source
    digest: str
    """SHA-256, as hex, of what the observation was read from."""


def observe(account: str, refund: Refund, *, source: Source, observed_at: datetime) -> Observation:
    """The observation that this refund is."""
    return Observation(
        account=account,
        connector_refund_id=refund.connector_refund_id,
        merchant_refund_id=refund.merchant_refund_id,
        connector_transaction_id=refund.connector_transaction_id,
        status=refund.status,
        connector_status=refund.connector_status,
        amount=refund.refund_amount,
        provider_time=refund.processed_at or refund.updated_at,
        observed_at=observed_at,
        source=source,
        digest=hashlib.sha256(refund.raw).hexdigest(),
    )
