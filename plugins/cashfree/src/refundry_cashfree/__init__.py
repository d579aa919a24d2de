"""Cashfree refunds for Refundry."""

from refundry_cashfree.connector import Cashfree

__all__ = ["Cashfree"]
