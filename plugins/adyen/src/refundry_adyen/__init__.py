"""Adyen refunds for Refundry."""
