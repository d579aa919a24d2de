"""Novalnet refunds for Refundry."""

from refundry_novalnet.connector import Novalnet

__all__ = ["Novalnet"]
