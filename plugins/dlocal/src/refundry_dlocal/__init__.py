"""dLocal refunds for Refundry."""

from refundry_dlocal.connector import DLocal

__all__ = ["DLocal"]
