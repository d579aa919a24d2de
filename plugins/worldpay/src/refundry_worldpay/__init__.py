"""Worldpay refunds for Refundry."""

from refundry_worldpay.connector import Worldpay

__all__ = ["Worldpay"]
