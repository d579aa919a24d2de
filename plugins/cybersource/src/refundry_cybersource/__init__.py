"""CyberSource refunds for Refundry."""

from refundry_cybersource.connector import CyberSource

__all__ = ["CyberSource"]
