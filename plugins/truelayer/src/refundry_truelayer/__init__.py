"""TrueLayer refunds for Refundry."""

from refundry_truelayer.connector import TrueLayer

__all__ = ["TrueLayer"]
