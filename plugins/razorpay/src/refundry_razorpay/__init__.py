"""Razorpay refunds for Refundry."""
