"""Elavon refunds for Refundry."""

from refundry_elavon.connector import Elavon

__all__ = ["Elavon"]
