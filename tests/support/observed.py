"""Observations for tests of what is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.model import RefundStatus
from refundry.state import Observation


def observed(status: RefundStatus, at: datetime, **more: Any) -> Observation:
    """What the account ``shop`` was answered about the refund ``re_1`` at this moment, if nothing else is said."""
    facts: dict[str, Any] = {
        "account": "shop",
        "connector_refund_id": "re_1",
        "merchant_refund_id": None,
        "connector_transaction_id": None,
        "status": status,
        "connector_status": status.lower(),
        "observed_at": at,
        "source": "get",
        "digest": f"{status} {at}",
    }
    return Observation(**{**facts, **more})
