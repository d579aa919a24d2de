"""Stripe refunds for Refundry."""

from refundry_stripe.connector import Stripe

__all__ = ["Stripe"]
