"""Fiserv refunds for Refundry."""

from refundry_fiserv.connector import Fiserv

__all__ = ["Fiserv"]
