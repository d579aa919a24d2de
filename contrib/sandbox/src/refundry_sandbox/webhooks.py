"""Webhooks as a processor sends them, over real HTTP, to an endpoint on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from random import Random
from typing import TypeVar
from urllib.parse import urlsplit

import requests

from refundry.errors import ConfigurationError
from refundry.http import Event

_TIMEOUT = 10.0

T = TypeVar("T")


def post(session: requests.Session, event: Event, url: str) -> int:
    """Send one webhook and return the HTTP status of the reply.

    Raises `ConfigurationError` for a URL that leads off this machine, and what `requests` raises where nobody listens.
    """
    check_loopback(url)
    query = urlsplit(event.url or "").query
    target = f"{url}{'&' if '?' in url else '?'}{query}" if query else url
    with session.request(
        event.method, target, data=event.body, headers=dict(event.headers), timeout=_TIMEOUT, allow_redirects=False
    ) as reply:
        return reply.status_code


def disordered(events: Iterable[T], copies: int, shuffle: Random | None) -> list[T]:
    """Each of these as often as ``copies`` says, mixed up where ``shuffle`` is given."""
    many = [event for event in events for _ in range(copies)]
    if shuffle is not None:
        shuffle.shuffle(many)
    return many


def check_loopback(url: str) -> None:
    """Raise `ConfigurationError` for a URL that leads off this machine."""
    host = urlsplit(url).hostname or ""
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ConfigurationError("the sandbox delivers webhooks to this machine alone: use http://127.0.0.1:PORT/...")
