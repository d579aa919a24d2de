"""Klarna refunds for Refundry."""

from refundry_klarna.connector import Klarna

__all__ = ["Klarna"]
