"""What a processor said about one refund, as a row of the table ``said``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from refundry.model import Refund
from refundry_reconcile.store import plain

COLUMNS = (
    *("account", "connector_refund_id", "merchant_refund_id", "connector_transaction_id", "amount", "currency"),
    *("status", "word", "created_at", "updated_at", "processed_at", "source", "observed_at", "digest"),
    *("acquirer_reference_number", "error", "problem"),
)
_LARGEST = 2**63 - 1


class Scribe:
    """Writes down refunds of one account; answers that tell of many refunds are digested once."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._raw = b""
        self._digest = hashlib.sha256(b"").hexdigest()

    def row(self, refund: Refund, source: str, observed_at: str) -> Sequence[Any]:
        """The row of a refund, in the order of `COLUMNS`; ``observed_at`` is a column's text."""
        if refund.raw is not self._raw:
            self._raw, self._digest = refund.raw, hashlib.sha256(refund.raw).hexdigest()
        money = refund.refund_amount
        known = money is not None and money.minor_amount <= _LARGEST
        return (
            self._account,
            plain(refund.connector_refund_id),
            plain(refund.merchant_refund_id),
            plain(refund.connector_transaction_id),
            money.minor_amount if money and known else None,
            money.currency if money else None,
            refund.status.value,
            plain(refund.connector_status),
            _time(refund.created_at),
            _time(refund.updated_at),
            _time(refund.processed_at),
            source,
            observed_at,
            self._digest,
            plain(refund.acquirer_reference_number),
            _reason(refund),
            None if known else _problem(refund),
        )


def _problem(refund: Refund) -> str:
    if refund.refund_amount is not None:
        return "the processor's amount is out of range"
    problems = "; ".join(refund.problems)
    return plain(f"the processor's answer gives no amount{f' ({problems})' if problems else ''}") or ""


def _reason(refund: Refund) -> str | None:
    error = refund.error
    if error is None:
        return None
    parts = (error.code, error.message, error.reason, error.network_code)
    return plain(" / ".join(part for part in parts if part)) or None


def _time(moment: datetime | None) -> str | None:
    # The model holds times in UTC alone: its text ends in +00:00.
    return None if moment is None else moment.isoformat(" ")[:-6]
