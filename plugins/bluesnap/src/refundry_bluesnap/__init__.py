"""BlueSnap refunds for Refundry."""

from refundry_bluesnap.connector import BlueSnap

__all__ = ["BlueSnap"]
