"""Webhooks over real HTTP: acknowledged once stored, refused as each processor expects, never lost."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import ledgers
import pytest
import requests
import webservers
from sqlalchemy import select

from refundry import RefundClient, SignatureError
from refundry.http import Event
from refundry.model import SUCCEEDED
from refundry.testing import Wiring
from refundry_ledger import Ledger
from refundry_ledger.inbox import Inbox
from refundry_ledger.schema import events
from refundry_sandbox import Sandbox
from refundry_stripe import Stripe
from refundry_web import serving

SERVER = Path(ledgers.__file__).with_name("desk_server.py")
PROCESSORS = (
    "adyen",
    "braintree",
    "gocardless",
    "mollie",
    "multisafepay",
    "paypal",
    "shift4",
    "square",
    "stripe",
    "worldpay",
)
PROVING = ("gocardless", "paypal", "square", "stripe")
"""Those whose signature covers the body."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(PROCESSORS) as made:
        yield made


@pytest.fixture(scope="module")
def served(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webservers.Served]:
    path = tmp_path_factory.mktemp("desk") / "ledger.db"
    clients = {name: sandbox.client(name) for name in sandbox.names}
    with Ledger.open(str(path), clock=sandbox.clock) as ledger:
        with webservers.serving_desk(ledger, clients, body_limit=100_000, read_seconds=1) as made:
            yield made


def send(url: str, event: Event, body: bytes | None = None) -> requests.Response:
    query = urlsplit(event.url or "").query
    target = f"{url}?{query}" if query else url
    content = event.body if body is None else body
    return requests.request(event.method, target, data=content, headers=dict(event.headers), timeout=30)


def eventually(found: Callable[[], object], seconds: float = 20) -> None:
    """Wait until this is true; the test fails when it never is."""
    until = time.monotonic() + seconds
    while not found() and time.monotonic() < until:
        time.sleep(0.01)
    assert found()


@pytest.mark.parametrize("name", PROCESSORS)
def test_each_processor_gets_the_reply_that_it_expects_and_the_refund_is_in_the_ledger(
    served: webservers.Served, sandbox: Sandbox, name: str
) -> None:
    refund = sandbox.add(name)
    event = sandbox.event(name, refund.connector_refund_id or "")
    expected = sandbox.client(name).handle_event(
        body=event.body, headers=event.headers, method=event.method, url=event.url
    )
    reply = send(f"{served.url}/webhooks/{name}", event)
    assert (reply.status_code, reply.content) == (expected.reply.status_code, expected.reply.body)
    ledger, query = served.desk.ledger, expected.events[0].query
    wanted = query.connector_refund_id or query.connector_transaction_id or ""
    eventually(lambda: ledger.find(wanted) or ledger.parked(name))


@pytest.mark.parametrize("name", PROVING)
def test_what_no_signature_proves_is_refused_as_the_processor_expects_and_not_stored(
    served: webservers.Served, sandbox: Sandbox, name: str
) -> None:
    refund = sandbox.add(name)
    event = sandbox.event(name, refund.connector_refund_id or "")
    before = len(stored(served.desk.ledger))
    refused = served.desk.ledger.refused_signatures(name)
    with pytest.raises(SignatureError) as caught:
        sandbox.client(name).handle_event(body=event.body + b" ", headers=event.headers, url=event.url)
    reply = send(f"{served.url}/webhooks/{name}", event, event.body + b" ")
    assert caught.value.reply is not None
    assert reply.status_code == caught.value.reply.status_code >= 400
    assert len(stored(served.desk.ledger)) == before
    assert served.desk.ledger.refused_signatures(name) == refused + 1


def test_a_webhook_that_comes_again_is_acknowledged_and_says_nothing_new(
    served: webservers.Served, sandbox: Sandbox
) -> None:
    refund = sandbox.add("stripe")
    event = sandbox.event("stripe", refund.connector_refund_id or "")
    for _ in range(3):
        assert send(f"{served.url}/webhooks/stripe", event).status_code == 200
    eventually(lambda: served.desk.ledger.find(refund.connector_refund_id or ""))
    history = served.desk.ledger.history("stripe", refund.connector_refund_id or "")
    assert len(history.observations) == 1


def test_many_at_once_are_each_answered_for_themselves(served: webservers.Served, sandbox: Sandbox) -> None:
    made = [sandbox.add("stripe").connector_refund_id or "" for _ in range(40)]
    sent = [sandbox.event("stripe", one) for one in made]
    bodies = [event.body + (b" " if number % 4 == 0 else b"") for number, event in enumerate(sent)]
    with ThreadPoolExecutor(16) as pool:
        replies = list(
            pool.map(lambda pair: send(f"{served.url}/webhooks/stripe", *pair), zip(sent, bodies, strict=True))
        )
    assert [one.status_code for one in replies] == [400 if number % 4 == 0 else 200 for number in range(40)]
    wanted = [one for number, one in enumerate(made) if number % 4]
    eventually(lambda: all(served.desk.ledger.find(one) for one in wanted))
    assert not any(served.desk.ledger.find(one) for number, one in enumerate(made) if number % 4 == 0)


def test_an_unknown_account_and_another_method_are_problems(served: webservers.Served) -> None:
    for method, path, status in (("POST", "/webhooks/nobody", 404), ("PUT", "/webhooks/stripe", 405)):
        reply = requests.request(method, served.url + path, data=b"{}", timeout=10)
        assert reply.status_code == status
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["status"] == status


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_long_is_refused_before_it_is_read(served: webservers.Served, chunked: bool) -> None:
    body = iter([b"x" * 60_000] * 2) if chunked else b"x" * 120_000
    reply = requests.post(f"{served.url}/webhooks/stripe", data=body, timeout=10)
    assert (reply.status_code, reply.headers["content-type"]) == (413, "application/problem+json")


def test_a_slow_client_is_sent_away(served: webservers.Served) -> None:
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as slow:
        slow.sendall(b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["first", "second"])
def test_a_head_that_does_not_end_is_not_waited_for(
    served: webservers.Served, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.3)
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as slow:
        slow.sendall(before + b"POST /webhooks/stripe HTTP/1.1\r\nHost:")
        while slow.recv(1000):
            pass  # the answer to the one before; then the end of the connection, or the test's own timeout


def test_nothing_is_acknowledged_while_the_database_is_away(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    event = sandbox.event("stripe", sandbox.add("stripe").connector_refund_id or "")
    with (
        Ledger.open(str(folder / "ledger.db"), clock=sandbox.clock) as ledger,
        webservers.serving_desk(ledger, {"stripe": sandbox.client("stripe")}) as served,
    ):
        folder.rename(tmp_path / "away")
        ledger.database.engine.dispose()
        for path in ("/webhooks/stripe", "/ready"):
            reply = (
                send(served.url + path, event) if "webhooks" in path else requests.get(served.url + path, timeout=30)
            )
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "30")
        assert requests.get(f"{served.url}/health", timeout=30).status_code == 200
        (tmp_path / "away").rename(folder)
        assert send(f"{served.url}/webhooks/stripe", event).status_code == 200
        assert requests.get(f"{served.url}/ready", timeout=30).status_code == 200
        assert len(stored(ledger)) == 1


def test_a_database_server_that_goes_away_and_comes_back(sandbox: Sandbox, tmp_path: Path) -> None:
    event = sandbox.event("stripe", sandbox.add("stripe").connector_refund_id or "")
    with ledgers.database("postgresql", tmp_path) as address, passing_on(5432) as gate:
        url = address.replace(":5432/", f":{gate.port}/")
        with (
            Ledger(url, clock=sandbox.clock) as ledger,
            webservers.serving_desk(ledger, {"stripe": sandbox.client("stripe")}) as served,
        ):
            gate.shut()
            assert send(f"{served.url}/webhooks/stripe", event).status_code == 503
            gate.open()
            assert send(f"{served.url}/webhooks/stripe", event).status_code == 200
            assert len(stored(ledger)) == 1


@pytest.mark.parametrize("kind", ledgers.DATABASES)
def test_what_was_acknowledged_is_there_after_a_kill(kind: str, tmp_path: Path) -> None:
    wiring = Wiring(Stripe)
    wiring.clock.advance(datetime.now(UTC) - wiring.clock.now())  # the server has the machine's clock
    made = [ledgers.stripe_event(wiring, ledgers.stripe_refund("succeeded", number)) for number in range(100)]
    acknowledged: list[int] = []
    with ledgers.database(kind, tmp_path) as address:
        command = [sys.executable, str(SERVER), address]
        with killed_in_the_end(command) as server:
            url = f"http://127.0.0.1:{int(ledgers.stream(server.stdout).readline())}/webhooks/stripe"
            enough = threading.Event()

            def part(offset: int) -> None:
                for number in range(offset, len(made), 8):
                    try:
                        if send(url, made[number]).status_code == 200:
                            acknowledged.append(number)
                    except requests.RequestException:
                        return
                    if len(acknowledged) > 20:
                        enough.set()

            with ThreadPoolExecutor(8) as pool:
                parts = [pool.submit(part, offset) for offset in range(8)]
                assert enough.wait(60)
                server.kill()
                for one in parts:
                    one.result()
        with Ledger(address, clock=wiring.clock) as ledger:
            inbox, client = Inbox(ledger), wiring.client()
            while inbox.waiting():
                inbox.read(client)
            assert 20 < len(acknowledged) < len(made)
            for number in acknowledged:
                assert ledger.find(f"re_{number}")[0].status is SUCCEEDED


def test_too_many_waiting_are_told_to_come_again(tmp_path: Path) -> None:
    """The store waits for the database's lock, behind which only so many may wait."""
    wiring = Wiring(Stripe)
    made = [ledgers.stripe_event(wiring, ledgers.stripe_refund("succeeded", number)) for number in range(12)]
    with Ledger.open(str(tmp_path / "ledger.db"), clock=wiring.clock) as ledger:
        client: RefundClient = wiring.client()
        with webservers.serving_desk(ledger, {"stripe": client}, webhooks_waiting=2) as served:
            with ThreadPoolExecutor(12) as pool:
                with ledger.database.writing():
                    replies = [pool.submit(send, f"{served.url}/webhooks/stripe", one) for one in made]
                    eventually(lambda: sum(one.done() for one in replies) >= 12 - 4)
                statuses = sorted(one.result().status_code for one in replies)
        assert set(statuses) == {200, 503}
        assert len(stored(ledger)) == statuses.count(200)


def stored(ledger: Ledger) -> list[int]:
    with ledger.database.reading() as connection:
        return list(connection.execute(select(events.c.id)).scalars())


@contextmanager
def killed_in_the_end(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: S603  our own script
        try:
            yield process
        finally:
            process.kill()


class Gate:
    """Passes connections on to a port of this machine, until it is shut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open: list[socket.socket] = []
        self._listening: socket.socket | None = None
        self.port = 0
        self.open()

    def open(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def shut(self) -> None:
        for one in (self._listening, *self._open):
            if one is not None:
                _end(one)
        self._open.clear()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _end(sink)


@contextmanager
def passing_on(target: int) -> Iterator[Gate]:
    gate = Gate(target)
    try:
        yield gate
    finally:
        gate.shut()
