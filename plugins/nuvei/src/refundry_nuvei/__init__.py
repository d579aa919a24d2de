"""Nuvei refunds for Refundry."""

from refundry_nuvei.connector import Nuvei

__all__ = ["Nuvei"]
