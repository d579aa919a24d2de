"""MultiSafepay refunds for Refundry."""

from refundry_multisafepay.connector import MultiSafepay

__all__ = ["MultiSafepay"]
