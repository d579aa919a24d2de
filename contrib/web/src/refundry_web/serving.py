"""The desk as a server of its own: HTTP by uvicorn, and the tracker beside it."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from refundry.errors import ConfigurationError
from refundry_ledger.watching import LONGEST_REST, rest
from refundry_web.desk import Desk
from refundry_web.metrics import Metrics
from refundry_web.service import Service

HEAD_SECONDS = 10.0
"""How long a client may take for the head of a request; `BoundedBody` bounds the rest."""
_KEEP_ALIVE_SECONDS = 30
_SHUTDOWN_SECONDS = 20
_MOST_CONNECTIONS = 2000
_BACKLOG = 2048
logger = logging.getLogger("refundry_web.serving")


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection on which the head of a request does not come within `HEAD_SECONDS`."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """Another head begins."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


@attrs.frozen(kw_only=True)
class Tracking:
    """Asks for what is due and tells changes, again and again, in a thread of its own."""

    desk: Desk
    metrics: Metrics
    outbox: tuple[str, str] | None = None
    """Address and secret of whoever is told of changes."""
    stop: threading.Event = attrs.field(factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Track until the block ends; what is under way is finished first."""
        thread = threading.Thread(target=self._run, name="tracker")
        thread.start()
        try:
            yield
        finally:
            self.stop.set()
            thread.join()

    def _run(self) -> None:
        while not self.stop.is_set():
            pause = LONGEST_REST
            try:
                self._pass()
                pause = rest(self.desk.ledger)
            except Exception as error:  # noqa: BLE001  the database is away, say: the next pass finds what is due
                logger.error("a pass of the tracker ended early: %s", type(error).__name__)
            self.stop.wait(pause.total_seconds())

    def _pass(self) -> None:
        ledger = self.desk.ledger
        done = ledger.run_once(self.desk.clients, stop=self.stop)
        self.metrics.tracked.labels("answered").inc(done.done)
        self.metrics.tracked.labels("failed").inc(done.failed)
        for account, text in done.errors.items():
            logger.error("account %s cannot be asked: %s", account, text)
        if self.outbox:
            ledger.deliver_outbox(*self.outbox, stop=self.stop)


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on. Raises `ConfigurationError` for an address that cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        text = f"{host} port {port} cannot be used ({error.strerror}): give another --host or --port"
        raise ConfigurationError(text) from None


class StoppableServer(uvicorn.Server):
    """uvicorn, which does not know of a signal that came before it began to listen to them."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and end at once where somebody has asked for it."""
        await super().startup(sockets)
        self.should_exit = self.should_exit or self._stop.is_set()


def serve(
    app: FastAPI,
    listening: socket.socket,
    *,
    outbox: tuple[str, str] | None = None,
    stop: threading.Event | None = None,
    **options: Any,
) -> None:
    """Serve this desk, and track its refunds, until SIGINT or SIGTERM. ``options`` are uvicorn's.

    A ``stop`` that is set when it begins ends it at once: a signal came while everything was made ready.
    """
    service: Service = app.state.service
    service.start()
    try:
        with Tracking(desk=app.state.desk, metrics=service.metrics, outbox=outbox).running():
            StoppableServer(config(app, **options), stop or threading.Event()).run(sockets=[listening])
    finally:
        service.close()


def config(app: FastAPI, **options: Any) -> uvicorn.Config:
    """How uvicorn serves the desk: bounded in everything, and without a line in the log for every request."""
    ours = {
        "http": BoundedProtocol,
        "ws": "none",
        "lifespan": "off",
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": _SHUTDOWN_SECONDS,
        "limit_concurrency": _MOST_CONNECTIONS,
        "server_header": False,
        "access_log": False,
        "log_level": "warning",
    }
    return uvicorn.Config(app, **{**ours, **options})
