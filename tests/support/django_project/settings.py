"""A shop that has refundry_django, with a ledger on SQLite and one on PostgreSQL; `djangos` says where they are."""

import json
import os
from pathlib import Path

FOLDER = Path(os.environ["SHOP_FOLDER"])
SCHEMA = os.environ.get("SHOP_SCHEMA", "public")

SECRET_KEY = "not a secret"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "django_project.urls"
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "refundry_django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "shop.db", "ATOMIC_REQUESTS": True},
    "sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "refunds.db"},
    "postgresql": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "test",
        "USER": "postgres",
        "HOST": "127.0.0.1",
        "PORT": "5432",
        "OPTIONS": {"options": f"-c search_path={SCHEMA}"},
    },
    "away": {"ENGINE": "django.db.backends.postgresql", "NAME": "test", "HOST": "127.0.0.1", "PORT": "1"},
}
DATABASE_ROUTERS = ["refundry_django.router.LedgerRouter"]
REFUNDRY = {
    "LEDGER": os.environ.get("SHOP_LEDGER", "sqlite"),
    "ACCOUNTS": json.loads(os.environ.get("SHOP_ACCOUNTS", "{}")),
}
