"""Authorize.Net refunds for Refundry."""
