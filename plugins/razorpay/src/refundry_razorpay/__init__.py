"""Razorpay refunds for Refundry."""

from refundry_razorpay.connector import Razorpay

__all__ = ["Razorpay"]
