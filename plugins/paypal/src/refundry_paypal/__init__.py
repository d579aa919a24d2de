"""PayPal refunds for Refundry."""

from refundry_paypal.connector import PayPal

__all__ = ["PayPal"]
