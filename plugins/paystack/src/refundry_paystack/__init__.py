"""Paystack refunds for Refundry."""

from refundry_paystack.connector import Paystack

__all__ = ["Paystack"]
