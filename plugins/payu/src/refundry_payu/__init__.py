"""PayU refunds for Refundry."""

from refundry_payu.connector import PayU

__all__ = ["PayU"]
