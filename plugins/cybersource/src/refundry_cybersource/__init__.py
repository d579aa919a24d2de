"""CyberSource refunds for Refundry."""
