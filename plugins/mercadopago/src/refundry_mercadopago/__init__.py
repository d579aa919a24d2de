"""Mercado Pago refunds for Refundry."""

from refundry_mercadopago.connector import MercadoPago

__all__ = ["MercadoPago"]
