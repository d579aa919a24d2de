"""Revolut refunds for Refundry."""

from refundry_revolut.connector import Revolut

__all__ = ["Revolut"]
