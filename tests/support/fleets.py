"""Workers of Celery in processes of their own, what they ask, and connections that can be cut."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import attrs
import pytest
import redis
from celery import Celery

from refundry.model import Refund
from refundry_celery import Settings, make_app
from refundry_ledger import Ledger
from refundry_sandbox import Sandbox
from refundry_sandbox.server import Environ, Server, StartResponse, make_application

REDIS = "redis://127.0.0.1:6379/0"
RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"
SERVER = "postgresql://127.0.0.1:5432"
PATIENCE = 60.0
"""Seconds that anything may take that is waited for."""


def need(name: str, host: str, port: int) -> None:
    """Skip the test, or in CI let it fail, where a service does not answer."""
    with suppress(OSError):
        socket.create_connection((host, port), timeout=3).close()
        return
    if os.environ.get("CI"):
        pytest.fail(f"{name} does not answer at {host}:{port}, and CI must run these tests")
    pytest.skip(f"{name} does not answer at {host}:{port}")


@attrs.frozen
class Asked:
    """One call that reached the processor, with the moments of its begin and its end."""

    account: str
    refund: str
    began: float
    ended: float


class Processors:
    """Stripe for any number of accounts, each at ``url/ACCOUNT/stripe/api``, which notes who is asked for when."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(["stripe"])
        self._answer = make_application(self.sandbox._processors)
        self.asked: list[Asked] = []
        self.hanging: dict[str, float] = {}
        """By account, how many seconds late each answer is."""
        self.refusing: dict[str, int] = {}
        """By account, how many calls more are answered with 429."""
        self.under_way: list[str] = []
        """The accounts of the calls that are not answered yet."""
        self._lock = threading.Lock()
        self._server = Server(self._application, 0)
        self.url = self._server.url

    def add(self, count: int, **options: Any) -> list[Refund]:
        """So many refunds, which every account has."""
        return [self.sandbox.add("stripe", **options) for _ in range(count)]

    def close(self) -> None:
        """Stop answering."""
        self._server.close()
        self.sandbox.close()

    def most_in_a_second(self, account: str) -> int:
        """The most calls of an account that began within any one second."""
        moments = sorted(one.began for one in self.asked if one.account == account)
        return max((sum(1 for one in moments if begin <= one < begin + 1) for begin in moments), default=0)

    def at_once(self) -> list[Asked]:
        """The calls for a refund that began while another call for it was not answered yet."""
        last: dict[tuple[str, str], float] = {}
        found = []
        for one in sorted(self.asked, key=lambda asked: asked.began):
            key = (one.account, one.refund)
            if one.began < last.get(key, 0.0):
                found.append(one)
            last[key] = max(last.get(key, 0.0), one.ended)
        return found

    def _application(self, environ: Environ, start_response: StartResponse) -> Any:
        account, _, rest = environ["REQUEST_URI"].lstrip("/").partition("/")
        began = time.monotonic()
        self.under_way.append(account)
        if self._refuses(account):
            start_response("429 Too Many Requests", [("Content-Type", "application/json"), ("Retry-After", "1")])
            answer: Any = [b'{"error": {"code": "rate_limit"}}']
        else:
            time.sleep(self.hanging.get(account, 0.0))
            answer = self._answer({**environ, "REQUEST_URI": f"/{rest}"}, start_response)
        refund = urlsplit(rest).path.rpartition("/")[2]
        self.asked.append(Asked(account, refund, began, time.monotonic()))
        self.under_way.remove(account)
        return answer

    def _refuses(self, account: str) -> bool:
        with self._lock:
            left = self.refusing.get(account, 0)
            self.refusing[account] = left - 1
            return left > 0


class Cable:
    """A TCP connection to a service that can be cut: as far as its clients see, the service is restarted."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._cut = threading.Event()
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Let connections through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._cut.clear()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._cut.set()
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                for source, sink in ((near, far), (far, near)):
                    self._open.add(source)
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                sink.sendall(part)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()


class Fleet:
    """Workers and beat over one ``refundry.toml``, with queues and keys of their own, gone when it is closed."""

    def __init__(self, folder: Path, ledger: str, processors: Processors, *, broker: str = REDIS) -> None:
        self.prefix = f"refundry-{uuid4().hex[:8]}"
        self.path = folder / "refundry.toml"
        self.log = folder / "workers.log"
        self._ledger, self._processors = ledger, processors
        self.broker = broker
        self.variables = {"FLEET_BROKER": broker, "FLEET_LIMITS": REDIS, "FLEET_KEY": "sk_test_refundry_sandbox"}
        self.variables["FLEET_SECRET"] = "whsec_refundry_sandbox"
        self.processes: list[subprocess.Popen[bytes]] = []

    def configure(self, accounts: dict[str, dict[str, Any]], **settings: Any) -> None:
        """Write ``refundry.toml``: the accounts by name, each with its options, and what stands in ``[celery]``."""
        queues = settings.pop("queues", {})
        lines = [f"ledger = {json.dumps(self._ledger)}", "[celery]"]
        lines += ['broker = { env = "FLEET_BROKER" }', 'limits = { env = "FLEET_LIMITS" }']
        lines += [f"{name} = {json.dumps(value)}" for name, value in {"prefix": self.prefix, **settings}.items()]
        lines += ["[celery.queues]", *(f"{name} = {json.dumps(names)}" for name, names in queues.items())]
        for name, options in accounts.items():
            url = f"{self._processors.url}/{name}/stripe/api"
            lines += [f"[accounts.{name}]", 'connector = "stripe"', 'api_key = { env = "FLEET_KEY" }']
            lines += [f"base_url = {json.dumps(url)}", *(f"{key} = {_toml(one)}" for key, one in options.items())]
        self.path.write_text("\n".join(lines))

    def limits_at(self, url: str) -> None:
        """Keep the limits in another Redis than the machine's."""
        self.variables["FLEET_LIMITS"] = url

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start one more worker."""
        return self._start("worker", *options)

    def beat(self) -> subprocess.Popen[bytes]:
        """Start beat."""
        return self._start("beat")

    def app(self) -> Celery:
        """The application, to send tasks with."""
        return make_app(self.settings())

    def settings(self) -> Settings:
        """The settings, as a worker reads them."""
        from refundry_celery import read_settings

        os.environ.update(self.variables)
        return read_settings(self.path)

    def tail(self) -> str:
        """The end of what the workers and beat have written."""
        return self.log.read_text()[-3000:]

    def close(self) -> None:
        """Kill what runs, and delete its queues and keys."""
        for process in self.processes:
            kill(process)
        if self.broker.startswith("amqp") and self.path.exists():
            self._delete_queues()
        with redis.Redis.from_url(self.variables["FLEET_LIMITS"]) as server:
            for key in server.scan_iter(f"{self.prefix}*"):
                server.delete(key)

    def _delete_queues(self) -> None:
        app = self.app()
        with app.connection() as connection, connection.channel() as channel:
            for queue in app.conf.task_queues:
                queue.bind(channel).delete()
            queue.exchange.bind(channel).delete()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "refundry_cli", "celery", *arguments, "--config", str(self.path)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  our own command
                command,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.variables},
                cwd=self.path.parent,
                start_new_session=True,
            )
        self.processes.append(process)
        return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 a worker with its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def processors() -> Iterator[Processors]:
    """Processors that stop when the block ends."""
    made = Processors()
    try:
        yield made
    finally:
        made.close()


def cable_to(url: str) -> tuple[Cable, str]:
    """A cable to a service, and the service's address by way of it."""
    parts = urlsplit(url)
    cable = Cable(parts.hostname or "127.0.0.1", parts.port or 0)
    return cable, url.replace(f":{parts.port}", f":{cable.port}", 1)


def until(condition: Any, what: str, patience: float = PATIENCE) -> None:
    """Wait for a condition. Fails after ``patience`` seconds."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"not within {patience} s: {what}"
        time.sleep(0.05)


def address_of(ledger: Ledger, cable: Cable | None = None) -> str:
    """The address of a ledger in PostgreSQL, by way of a cable if one is given."""
    url = ledger.database.engine.url.set(drivername="postgresql")
    return (url.set(port=cable.port) if cable else url).render_as_string(hide_password=False)


def _toml(value: Any) -> str:
    return json.dumps(value).replace('{"env": ', "{env = ")
