"""Worldline refunds for Refundry: its platforms Direct and Connect."""

from refundry_worldline.connect import WorldlineConnect
from refundry_worldline.direct import WorldlineDirect

__all__ = ["WorldlineConnect", "WorldlineDirect"]
