"""The application of this ``refundry.toml``, for Celery's own command: ``celery -A refundry_celery inspect active``."""

from __future__ import annotations

from refundry_celery.app import make_app
from refundry_celery.settings import read_settings

app = make_app(read_settings())
