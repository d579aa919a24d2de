"""GoCardless refunds for Refundry."""

from refundry_gocardless.connector import GoCardless

__all__ = ["GoCardless"]
