"""Observations: one thing that a processor said about a refund, by whatever way, as a history keeps it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias

import attrs

from refundry.model import UNKNOWN, ErrorInfo, Money, Refund, RefundQuery, RefundStatus

Source: TypeAlias = Literal["get", "list", "webhook", "import"]

ASKED: frozenset[Source] = frozenset({"get", "list"})
"""Sources whose answer holds at the moment of asking; the others may come late and repeatedly."""
CLOCK_SKEW = timedelta(minutes=10)
"""A processor's time further ahead than this of when it was heard is a plan or a mistake: it orders nothing."""


@attrs.frozen(kw_only=True)
class Observation:
    """One thing that a processor said about a refund."""

    account: str
    connector_refund_id: str | None
    merchant_refund_id: str | None
    connector_transaction_id: str | None
    status: RefundStatus
    connector_status: str | None = None
    amount: Money | None = None
    provider_time: datetime | None = None
    """When the processor last changed what it says here; None where it does not say."""
    observed_at: datetime
    source: Source
    digest: str
    """SHA-256, as hex, of what the observation was read from."""
    kind: Literal["status", "gone"] = "status"
    """"gone": the processor was asked and knows no such refund; the status is UNKNOWN then and says nothing."""
    foreign: bool = False
    """True when the processor sent it for another of its accounts."""
    error: ErrorInfo | None = None
    """Why the refund failed, where the processor said so."""
    acquirer_reference_number: str | None = None

    @property
    def evidence(self) -> str:
        """What makes this observation the same as another, as hex: all that was said and what it was read from.

        An answer that comes again says that it still holds, so the time of asking is part of it; a webhook that comes
        again says nothing new.
        """
        # A ledger keeps this as a key: what it is made of stays as it is when fields are added.
        amount = self.amount and (self.amount.minor_amount, self.amount.currency)
        facts = (
            *(self.account, self.kind, self.source, self.digest, self.foreign),
            *(self.connector_refund_id, self.merchant_refund_id, self.connector_transaction_id),
            *(self.status.value, self.connector_status, amount, self.provider_time),
            self.observed_at if self.source in ASKED else None,
        )
        return hashlib.sha256(json.dumps(facts, default=datetime.isoformat).encode()).hexdigest()

    @property
    def is_dated(self) -> bool:
        """Whether the processor gives it a time that may be believed."""
        return self.provider_time is not None and self.provider_time <= self.observed_at + CLOCK_SKEW

    @property
    def moment(self) -> datetime:
        """Where the observation stands in the history: the processor's time, or when it was heard."""
        return self.provider_time if self.provider_time and self.is_dated else self.observed_at


def observe(
    account: str,
    refund: Refund,
    *,
    source: Source,
    observed_at: datetime,
    foreign: bool = False,
    occurred_at: datetime | None = None,
) -> Observation:
    """The observation that this refund is; ``occurred_at`` is the time that a webhook gives beside the refund."""
    times = [moment for moment in (refund.processed_at, refund.updated_at, occurred_at) if moment is not None]
    return Observation(
        account=account,
        connector_refund_id=refund.connector_refund_id,
        merchant_refund_id=refund.merchant_refund_id,
        connector_transaction_id=refund.connector_transaction_id,
        status=refund.status,
        connector_status=refund.connector_status,
        amount=refund.refund_amount,
        provider_time=max(times, default=None),  # a value date may lie before the update that tells it
        observed_at=observed_at,
        source=source,
        digest=_digest(refund.raw),
        foreign=foreign,
        error=refund.error,
        acquirer_reference_number=refund.acquirer_reference_number,
    )


@lru_cache(maxsize=1)  # all refunds of a page share its body
def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def observe_gone(account: str, query: RefundQuery, *, observed_at: datetime) -> Observation:
    """The observation that the processor, asked with this query, knows no such refund. It never means a failure."""
    return Observation(
        account=account,
        connector_refund_id=query.connector_refund_id,
        merchant_refund_id=query.merchant_refund_id,
        connector_transaction_id=query.connector_transaction_id,
        status=UNKNOWN,
        observed_at=observed_at,
        source="get",
        digest=hashlib.sha256(b"").hexdigest(),
        kind="gone",
    )
