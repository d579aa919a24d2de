"""The refund desk of Refundry: pages for support, an API for applications, an endpoint for webhooks."""

from refundry_web.app import create_app
from refundry_web.desk import Desk
from refundry_web.settings import Settings

__all__ = ["Desk", "Settings", "create_app"]
