"""Refund desks on loopback over any ledger, as `refundry_web.serving` serves them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
import requests
import uvicorn
from fastapi import FastAPI

from refundry import RefundClient
from refundry_ledger import Ledger
from refundry_web import Desk, Settings, create_app
from refundry_web.serving import config, listen
from refundry_web.tokens import Role, add_token


@attrs.frozen(kw_only=True)
class Served:
    """A desk that answers at an address."""

    url: str
    desk: Desk
    app: FastAPI

    def token(self, role: str = "read", name: str | None = None) -> str:
        """A new token."""
        return add_token(self.desk.ledger.database, self.desk.clock, name or f"a {role} person", Role(role))

    def call(self, method: str, path: str, role: str | None = "admin", **options: Any) -> requests.Response:
        """One request, with a new token of this role."""
        headers = {"Authorization": f"Bearer {self.token(role)}"} if role else {}
        headers |= options.pop("headers", {})
        return requests.request(method, self.url + path, headers=headers, timeout=30, **options)

    def get(self, path: str, role: str | None = "admin", **options: Any) -> requests.Response:
        """One GET."""
        return self.call("GET", path, role, **options)


@contextmanager
def serving_app(app: Any) -> Iterator[str]:
    """Any ASGI application on loopback until the block ends: its address."""
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving_desk(ledger: Ledger, clients: Mapping[str, RefundClient], **settings: Any) -> Iterator[Served]:
    """A desk on loopback until the block ends."""
    desk = Desk(ledger=ledger, clients=clients, settings=Settings(**{"secure_cookies": False, **settings}))
    app = create_app(desk)
    with serving_app(app) as url:
        try:
            yield Served(url=url, desk=desk, app=app)
        finally:
            app.state.service.close()
