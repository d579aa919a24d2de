"""The asynchronous client of Refundry, on aiohttp."""

from refundry_aio.client import AsyncRefundClient
from refundry_aio.listing import AsyncRefundIterator

__all__ = ["AsyncRefundClient", "AsyncRefundIterator"]
