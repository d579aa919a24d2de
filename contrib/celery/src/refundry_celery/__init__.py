"""The refunds of many accounts, asked for by many workers over Celery. See `refundry_celery.app.make_app`."""

from refundry_celery.app import make_app
from refundry_celery.events import hand_over
from refundry_celery.settings import Settings, read_settings

__all__ = ["Settings", "hand_over", "make_app", "read_settings"]
