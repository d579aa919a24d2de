"""Braintree refunds for Refundry."""

from refundry_braintree.connector import Braintree

__all__ = ["Braintree"]
