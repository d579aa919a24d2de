"""Checkout.com refunds for Refundry."""
