"""Authorize.Net refunds for Refundry."""

from refundry_authorizedotnet.connector import AuthorizeDotNet

__all__ = ["AuthorizeDotNet"]
