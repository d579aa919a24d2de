"""Rapyd refunds for Refundry."""

from refundry_rapyd.connector import Rapyd

__all__ = ["Rapyd"]
