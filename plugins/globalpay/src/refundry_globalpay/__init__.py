"""Global Payments refunds for Refundry."""

from refundry_globalpay.connector import GlobalPay

__all__ = ["GlobalPay"]
