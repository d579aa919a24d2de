"""Square refunds for Refundry."""

from refundry_square.connector import Square

__all__ = ["Square"]
