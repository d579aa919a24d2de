"""The asynchronous client's HTTP: byte for byte as signed, bounded, and with the blocking client's errors."""

from __future__ import annotations

import asyncio
import gc
import gzip
import math
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
import trustme
from acme import DONE, Acme, json_answer, serving

from refundry import (
    ConfigurationError,
    ConnectorError,
    ConnectTimeout,
    MappingError,
    NetworkError,
    RateLimited,
    ReadTimeout,
    RefundClient,
    RefundryError,
    RefundStatus,
)
from refundry.http import WireRequest, encode_json
from refundry.policy import SystemClock
from refundry.testing import FakeClock
from refundry_aio import AsyncRefundClient
from refundry_aio.transport import AiohttpTransport, environment_proxy, unpack

T = TypeVar("T")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BODY = encode_json(DONE)
BIG = b'{"id": "' + b"x" * (1 << 21) + b'"}'


def run(what: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine on a loop of its own; nothing may be left over on it."""

    async def alone() -> T:
        result = await what
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(alone())


def client(url: str, **options: Any) -> AsyncRefundClient:
    return AsyncRefundClient(Acme, **{"key": "k-123456", "base_url": url, **options})


async def get(url: str, **options: Any) -> Any:
    async with client(url, **options) as acme:
        return await acme.get(connector_refund_id="r1")


def answer(body: bytes, *headers: str) -> bytes:
    """An answer as it goes over the wire."""
    head = "\r\n".join(("HTTP/1.1 200 OK", *headers, f"Content-Length: {len(body)}"))
    return head.encode("latin-1") + b"\r\n\r\n" + body


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[str]:
    """A server on this loop that hands each connection to the handler, and waits until it is done with them."""
    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.add(asyncio.create_task(handle(reader, writer)))

    async with await asyncio.start_server(start, "127.0.0.1", 0) as server:
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            await asyncio.wait_for(asyncio.gather(*handling), 5)


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends these bytes, one answer to a connection, the last for ever; what reached it."""
    asked: list[bytes] = []
    left = list(answers)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


# Errors


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(answer(BODY), id="good"),
        pytest.param(answer(gzip.compress(BODY), "Content-Encoding: gzip"), id="gzip"),
        pytest.param(answer(gzip.compress(BODY[:20]) + gzip.compress(BODY[20:]), "Content-Encoding: gzip"), id="two"),
        pytest.param(answer(gzip.compress(BODY), "Content-Encoding: x-gzip"), id="x-gzip"),
        pytest.param(answer(zlib.compress(BODY), "Content-Encoding: deflate"), id="deflate"),
        pytest.param(answer(zlib.compress(BODY)[2:-4], "Content-Encoding: deflate"), id="raw deflate"),
        pytest.param(answer(b"", "Content-Encoding: gzip"), id="nothing as gzip"),
        pytest.param(answer(b"not gzip", "Content-Encoding: gzip"), id="not gzip"),
        pytest.param(answer(b"not deflate", "Content-Encoding: deflate"), id="not deflate"),
        pytest.param(answer(BODY, "Content-Encoding: br"), id="brotli"),
        pytest.param(answer(BIG), id="too large"),
        pytest.param(answer(gzip.compress(BIG), "Content-Encoding: gzip"), id="too large when unpacked"),
        pytest.param(answer(BODY, "X-A: 1", "x-a: 2", "Set-Cookie: a=b"), id="headers"),
        pytest.param(answer(BODY, "X-B: \xe9"), id="a header in Latin-1"),
        pytest.param(answer(BODY, f"X-Long: {'x' * 20_000}"), id="a long header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", id="cut off"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n", id="chunk cut off"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", id="no chunk"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", id="redirect"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", id="no content"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="other protocol"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(BODY), id="continue"),
        pytest.param(b"HELLO\r\n\r\n", id="not HTTP"),
        pytest.param(b"", id="closed"),
    ],
)
def test_both_clients_make_the_same_of_an_answer(raw: bytes) -> None:
    with answering(raw) as (url, asked):

        def outcome(ask: Callable[[], Any]) -> Any:
            before = len(asked)
            try:
                refund = ask()
            except RefundryError as error:
                return type(error), str(error), error.retryable, len(asked) - before
            return refund, refund.response_headers, refund.raw, len(asked) - before

        def blocking() -> Any:
            with RefundClient(Acme, key="k-123456", base_url=url, clock=FakeClock()) as acme:
                return acme.get(connector_refund_id="r1")

        assert outcome(lambda: run(get(url, clock=FakeClock()))) == outcome(blocking)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NetworkError, match="check the network") as caught:
        run(get(f"http://127.0.0.1:{port}", clock=FakeClock()))
    assert type(caught.value) is NetworkError
    assert caught.value.retryable is True


def test_a_connection_that_breaks_is_not_asked_more_often_than_the_policy_says() -> None:
    with answering(b"") as (url, asked):
        with pytest.raises(NetworkError):
            run(get(url, clock=FakeClock()))
        assert len(asked) == 3


def test_a_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    async def twice(url: str) -> None:
        async with client(url, clock=FakeClock()) as acme:
            for _ in range(2):
                await acme.get(connector_refund_id="r1")
                await asyncio.sleep(0.05)

    with answering(answer(BODY)) as (url, asked):
        run(twice(url))
        assert len(asked) == 2


# Bytes


@pytest.mark.parametrize(
    "target",
    [
        "/refunds/a%2Fb%2fc?x=%20+%27'&y=a%2Bb&&z",
        "/a//b/../c/./d?e=%E4%BD%A0&f=~-_.!*()",
        "/a%zz?b=%",
        "/?q=a=b;c",
        "/a?next=https://other.example/?x=1",
    ],
)
def test_url_and_body_go_out_as_they_were_signed(target: str) -> None:
    body = b'{"a" : "\xc3\xa4"}\n'

    async def send(url: str) -> None:
        transport = AiohttpTransport(SystemClock())
        try:
            request = WireRequest("POST", url + target, {"X-Signature": "s", "Content-Type": "application/json"}, body)
            await transport.send(request, SystemClock().monotonic() + 5, 1000)
        finally:
            await transport.close()

    with answering(answer(BODY)) as (url, asked):
        run(send(url))
    head, _, sent = asked[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST {target} HTTP/1.1"
    assert f"Content-Length: {len(body)}" in lines
    assert "X-Signature: s" in lines
    assert sent == body


def test_nothing_is_added_to_a_request_but_what_http_needs() -> None:
    async def send(url: str) -> None:
        transport = AiohttpTransport(SystemClock())
        try:
            for body in (None, b"x"):
                request = WireRequest("POST", f"{url}/a", {"Accept": "text/plain"}, body)
                await transport.send(request, SystemClock().monotonic() + 5, 1000)
        finally:
            await transport.close()

    with answering(answer(BODY, "Connection: close")) as (url, asked):
        run(send(url))
    for request in asked:
        names = {line.partition(":")[0] for line in request.decode().split("\r\n")[1:] if ":" in line}
        assert names == {"Host", "User-Agent", "Accept-Encoding", "Accept", "Content-Length"}


def test_a_header_that_would_break_out_of_its_line_is_refused() -> None:
    async def send(url: str) -> None:
        transport = AiohttpTransport(SystemClock())
        try:
            request = WireRequest("GET", url, {"X-A": "a\r\nX-Evil: 1"})
            await transport.send(request, SystemClock().monotonic() + 5, 1000)
        finally:
            await transport.close()

    with answering(answer(BODY)) as (url, _), pytest.raises(ConnectorError, match="could not be made"):
        run(send(url))


def test_cookies_are_not_kept_and_netrc_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))

    async def twice(url: str) -> None:
        jar = aiohttp.CookieJar(unsafe=True)
        async with (
            aiohttp.ClientSession(trust_env=True, cookie_jar=jar) as session,
            client(url, session=session) as acme,
        ):
            for _ in range(2):
                await acme.get(connector_refund_id="r1")
        assert len(jar) == 0

    with serving(lambda _: json_answer(DONE, Set_Cookie="a=b")) as server:
        run(twice(server.url))
    for asked in server.asked:
        assert "cookie" not in asked.headers
        assert asked.headers["authorization"] == "Bearer k-123456"


# Bounds


def test_a_bomb_is_left_before_it_fills_the_memory() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    with answering(answer(bomb, "Content-Encoding: gzip")) as (url, _):
        tracemalloc.start()
        try:
            with pytest.raises(MappingError, match="larger"):
                run(get(url))
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_no_more_is_unpacked_than_asked_for(coding: str) -> None:
    packed = gzip.compress(bytes(5000)) if coding == "gzip" else zlib.compress(bytes(5000))
    assert len(unpack(packed, coding, 1001)) == 1001
    assert len(unpack(packed, f" {coding.upper()} ", 10_000)) == 5000


def test_an_endless_answer_is_left_at_the_limit() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(1 << 16))
            sent += 1 << 16
            await writer.drain()

    async def ask() -> None:
        async with listening(pour) as url:
            await get(url)

    with pytest.raises(MappingError, match="larger"):
        run(ask())
    assert sent < 64 << 20


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the body of an answer, a space at a time."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the head of an answer, a letter at a time."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await reader.read()


@pytest.mark.parametrize("handler", [drip, drip_head, stay_silent])
def test_a_processor_that_does_not_come_to_an_end_is_left_at_the_deadline(handler: Handler) -> None:
    async def ask() -> float:
        async with listening(handler) as url:
            started = time.monotonic()
            with pytest.raises(ReadTimeout):
                await get(url, timeout=0.3)
            return time.monotonic() - started

    assert 0.29 < run(ask()) < 2


def test_a_deadline_on_another_clock_is_kept_too() -> None:
    clock = FakeClock()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        clock.sleep(31)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n {")
        await writer.drain()
        await reader.read()

    async def ask() -> None:
        async with listening(late) as url:
            await get(url, clock=clock)

    with pytest.raises(ReadTimeout, match="too slowly"):
        run(ask())


def test_a_connection_that_does_not_come_about_is_a_connect_timeout() -> None:
    async def send() -> None:
        transport = AiohttpTransport(SystemClock())
        # It waits for a TLS handshake that nobody answers.
        async with listening(stay_silent) as url:
            try:
                request = WireRequest("GET", url.replace("http", "https"), {})
                await transport.send(request, SystemClock().monotonic() + 1, 1000)
            finally:
                await transport.close()

    with pytest.raises(ConnectTimeout):
        run(send())


def test_no_time_left_is_said_without_a_request() -> None:
    with answering(answer(BODY)) as (url, asked):
        with pytest.raises(ConnectTimeout, match="no time is left"):
            run(get(url, timeout=1e-9))
        assert asked == []


def test_a_rate_that_leaves_no_time_is_said() -> None:
    async def two(url: str) -> None:
        async with client(url, rate_limit=0.1, timeout=1) as acme:
            await acme.get(connector_refund_id="r1")
            await acme.get(connector_refund_id="r1")

    with answering(answer(BODY)) as (url, asked):
        with pytest.raises(RateLimited):
            run(two(url))
        assert len(asked) == 1


# Cancellation


def test_a_cancelled_get_leaves_no_connection_behind() -> None:
    gone = asyncio.Event()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await reader.read()
        gone.set()

    async def cancel() -> None:
        async with listening(half) as url, client(url) as acme:
            for _ in range(3):
                gone.clear()
                asking = asyncio.create_task(acme.get(connector_refund_id="r1"))
                await asyncio.sleep(0.05)
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
                await asyncio.wait_for(gone.wait(), 2)
            connector = acme._transport._opened().connector
            assert connector is not None
            assert not connector._acquired

    run(cancel())


def test_a_cancelled_wait_for_a_connection_leaves_the_others_alone() -> None:
    async def cancel(url: str) -> int:
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=connector) as session, client(url, session=session) as acme:
            tasks = [asyncio.create_task(acme.get(connector_refund_id="r1")) for _ in range(6)]
            await asyncio.sleep(0)
            for task in tasks[1::2]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            return sum(isinstance(one, asyncio.CancelledError) for one in outcomes)

    with serving(lambda _: json_answer(DONE)) as server:
        assert run(cancel(server.url)) == 3
    assert len(server.asked) == 3


def test_what_is_dropped_is_closed_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    async def drop(url: str) -> None:
        async with client(url) as acme:
            found = acme.list(connector_transaction_id="p1")
            await anext(found)
            del found
            gc.collect()

    with serving(lambda _: json_answer({"items": [DONE], "next": "1"})) as server:
        run(drop(server.url))
    assert caplog.records == []


# The application's own session


def test_an_applications_session_is_used_and_left_open() -> None:
    opened = 0

    class Counting(aiohttp.TCPConnector):
        async def connect(self, *arguments: Any, **options: Any) -> Any:
            nonlocal opened
            opened += 1
            return await super().connect(*arguments, **options)

    traced: list[str] = []

    async def note(session: object, context: object, parameters: aiohttp.TraceRequestStartParams) -> None:
        traced.append(parameters.method)

    async def ask(url: str) -> None:
        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(note)
        async with aiohttp.ClientSession(connector=Counting(), trace_configs=[trace]) as session:
            for _ in range(2):
                await get(url, session=session)
            assert not session.closed
            async with session.get(url) as page:
                assert page.status == 200

    with serving(lambda _: json_answer(DONE)) as server:
        run(ask(server.url))
    assert opened == 3
    assert traced == ["GET"] * 3


def test_a_session_that_was_closed_is_named() -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            acme = client("https://x.example", session=session)
        async with acme:
            await acme.get(connector_refund_id="r1")

    with pytest.raises(ConfigurationError, match="session is closed"):
        run(ask())


def test_a_sessions_own_headers_and_credentials_do_not_replace_ours() -> None:
    async def ask(url: str) -> None:
        headers = {"Authorization": "Basic c29tZW9uZTplbHNl", "X-Mine": "1"}
        async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
            await get(url, session=session)

    with serving(lambda _: json_answer(DONE)) as server:
        run(ask(server.url))
    assert server.asked[0].headers["authorization"] == "Bearer k-123456"
    assert "x-mine" not in server.asked[0].headers


# Proxies


class Proxied:
    """Asks by way of a proxy, which is the same server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    def paths(self, ask: Callable[[str], Coroutine[Any, Any, object]], **environment: str) -> list[str]:
        with serving(lambda _: json_answer(DONE)) as server:
            for name, value in environment.items():
                self._monkeypatch.setenv(name, value.format(server.url.removeprefix("http://")))
            run(ask(server.url))
        return [one.path.partition("/refunds")[0] for one in server.asked]


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    proxied = Proxied(monkeypatch)
    (through,) = proxied.paths(get, http_proxy="http://{}")
    assert through.startswith("http://127.0.0.1")
    assert proxied.paths(get, http_proxy="http://{}", no_proxy="127.0.0.1") == [""]


def test_a_session_decides_on_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def with_session(url: str, **options: Any) -> None:
        async with aiohttp.ClientSession(**options) as session:
            await get(url, session=session)

    proxied = Proxied(monkeypatch)
    assert proxied.paths(with_session, http_proxy="http://{}") == [""]
    (trusted,) = proxied.paths(lambda url: with_session(url, trust_env=True), http_proxy="http://{}")
    assert trusted.startswith("http://")
    (own,) = proxied.paths(lambda url: with_session(url, proxy=url), http_proxy="http://127.0.0.1:1")
    assert own.startswith("http://")


def test_a_proxy_that_is_not_there_or_refuses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Proxied(monkeypatch)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(NetworkError, match="proxy"):
        run(get("https://127.0.0.1:9", clock=FakeClock()))
    with answering(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as (url, _):
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(NetworkError, match="proxy"):
            run(get("https://127.0.0.1:9", clock=FakeClock()))


def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Proxied(monkeypatch)
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="HTTP proxy"):
        environment_proxy("https://x.example/")


# TLS


@asynccontextmanager
async def serving_tls(authority: trustme.CA, name: str) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(BODY, "Connection: close"))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"


async def ask_tls(authority: trustme.CA, name: str, **options: Any) -> RefundStatus:
    async with serving_tls(authority, name) as url:
        refund = await get(url, **options)
        return RefundStatus(refund.status)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_environment_is_believed(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(bundle))
    assert run(ask_tls(authority, "localhost")) is RefundStatus.SUCCEEDED


def test_a_session_brings_its_own_certificates() -> None:
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def ask() -> RefundStatus:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            return await ask_tls(authority, "localhost", session=session)

    assert run(ask()) is RefundStatus.SUCCEEDED


@pytest.mark.parametrize("name", ["localhost", "other.example"])
def test_an_unknown_authority_or_another_name_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    (authority if name != "localhost" else trustme.CA()).cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(NetworkError, match="TLS") as caught:
        run(ask_tls(authority, name))
    assert caught.value.retryable is False


def test_a_bundle_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match="/nowhere/ca.pem"):
        run(get("https://127.0.0.1:9"))


@pytest.mark.parametrize("kind", ["False", "no certificate", "no host name"])
def test_verification_cannot_be_switched_off(kind: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    if kind == "no certificate":
        context.verify_mode = ssl.CERT_NONE

    async def make() -> None:
        connector = aiohttp.TCPConnector(ssl=False if kind == "False" else context)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(ConfigurationError, match="CA bundle"):
                client("https://x.example", session=session)

    run(make())


def test_plain_http_leads_to_this_machine_alone() -> None:
    with pytest.raises(ConfigurationError, match="https"):
        client("http://x.example", rate_limit=math.inf)
