"""NMI refunds for Refundry."""

from refundry_nmi.connector import NMI

__all__ = ["NMI"]
