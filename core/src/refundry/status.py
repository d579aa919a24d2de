"""The five states of a refund."""

from __future__ import annotations

from enum import StrEnum


class RefundStatus(StrEnum):
    """The five states of a refund. No status is final: a bank may return a refund days later."""

    PENDING = "PENDING"
    """The processor has accepted the refund and not finished it."""
    SUCCEEDED = "SUCCEEDED"
    """The processor says in its own documented words that the refund was made."""
    FAILED = "FAILED"
    """The processor says in its own documented words that the customer gets nothing by this refund."""
    MANUAL_REVIEW = "MANUAL_REVIEW"
    """A person must act: at the merchant, at the processor, or the customer."""
    UNKNOWN = "UNKNOWN"
    """The processor said something that is not in the status table. It is neither success nor failure."""

    @property
    def is_settled(self) -> bool:
        """True for SUCCEEDED and FAILED."""
        return self in (RefundStatus.SUCCEEDED, RefundStatus.FAILED)


PENDING = RefundStatus.PENDING
SUCCEEDED = RefundStatus.SUCCEEDED
FAILED = RefundStatus.FAILED
MANUAL_REVIEW = RefundStatus.MANUAL_REVIEW
UNKNOWN = RefundStatus.UNKNOWN
