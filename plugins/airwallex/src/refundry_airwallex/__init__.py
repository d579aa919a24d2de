"""Airwallex refunds for Refundry."""

from refundry_airwallex.connector import Airwallex

__all__ = ["Airwallex"]
