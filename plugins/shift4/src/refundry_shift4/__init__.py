"""Shift4 refunds for Refundry."""

from refundry_shift4.connector import Shift4

__all__ = ["Shift4"]
