"""Mollie refunds for Refundry."""

from refundry_mollie.connector import Mollie

__all__ = ["Mollie"]
