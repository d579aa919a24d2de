"""Checkout.com refunds for Refundry."""

from refundry_checkout.connector import Checkout

__all__ = ["Checkout"]
