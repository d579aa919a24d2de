"""Adyen refunds for Refundry."""

from refundry_adyen.connector import Adyen

__all__ = ["Adyen"]
