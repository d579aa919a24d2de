"""Xendit refunds for Refundry."""

from refundry_xendit.connector import Xendit

__all__ = ["Xendit"]
