"""The HTTP around the processors: one port on loopback, ``/NAME/BASE/...`` for each base URL of each connector."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from http.client import responses as phrases
from typing import Any
from urllib.parse import urlsplit

from waitress import create_server, wasyncore  # type: ignore[import-untyped]
from waitress.channel import HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]

from refundry.http import Response
from refundry.sandbox import Call
from refundry_sandbox.world import Processor

HOST = "127.0.0.1"
_THREADS = 32
_UNDERSCORE = b"-underscore-"

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Keeps headers with an underscore in their name, which a processor may want and WSGI servers drop."""

    def parse_header(self, header_plus: bytes) -> None:
        first, *lines = header_plus.split(b"\r\n")
        named = [line.partition(b":") for line in lines]
        kept = [name.replace(b"_", _UNDERSCORE) + colon + value for name, colon, value in named]
        super().parse_header(b"\r\n".join([first, *kept]))


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser


class Server:
    """A WSGI server in a thread of its own. Raises ``OSError`` where the port is taken."""

    def __init__(self, application: Application, port: int) -> None:
        # Where it cannot bind, waitress leaves its threads behind; so the port is tried first.
        socket.create_server((HOST, port)).close()
        self._server = create_server(
            application,
            host=HOST,
            port=port,
            threads=_THREADS,
            ident="refundry-sandbox",
            clear_untrusted_proxy_headers=False,
            # An OSError of the application then closes the connection without a word: see `_reset`.
            log_socket_errors=False,
        )
        self._server.channel_class = _Channel
        self.url = f"http://{HOST}:{self._server.effective_port}"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refundry-sandbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the calls in hand and close every connection."""
        self._server.task_dispatcher.shutdown()
        # What its thread waits on may be closed only once that thread has ended.
        self._server.trigger.pull_trigger(self._stopped.set)
        self._thread.join()
        wasyncore.close_all(self._server._map)

    def _run(self) -> None:
        while not self._stopped.is_set():
            wasyncore.loop(map=self._server._map, use_poll=True, count=1)


def make_application(processors: Mapping[str, Processor]) -> Application:
    """The WSGI application of these processors."""

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        name, call = read_call(environ)
        processor = processors.get(name)
        if processor is None or call.base not in processor.connector.base_urls:
            return _send(_nothing_here(processors), start_response)
        try:
            response = processor.answer(call)
        except ConnectionResetError:
            _reset(environ)
            raise
        return _send(response, start_response)

    return application


def read_call(environ: Environ) -> tuple[str, Call]:
    """The connector's name in the path, and the call below it with its path as it was sent."""
    target = environ["REQUEST_URI"]
    url = target if "://" in target.partition("?")[0] else f"http://{environ.get('HTTP_HOST', HOST)}{target}"
    _, name, base, path = (*urlsplit(url).path.split("/", 3), "", "", "")[:4]
    named = {key[5:].replace("_", "-"): value for key, value in environ.items() if key.startswith("HTTP_")}
    headers = {name.replace(_UNDERSCORE.decode().upper(), "_"): value for name, value in named.items()}
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if key in environ:
            headers[key.replace("_", "-")] = environ[key]
    body = environ["wsgi.input"].read()
    method = environ["REQUEST_METHOD"]
    return name, Call(base=base, method=method, url=url, path=f"/{path}", headers=headers, body=body)


def _send(response: Response, start_response: StartResponse) -> list[bytes]:
    phrase = phrases.get(response.status_code, "")
    headers = [*response.headers.items(), ("Content-Length", str(len(response.body)))]
    start_response(f"{response.status_code} {phrase}", headers)
    return [response.body]


def _nothing_here(names: Iterable[str]) -> Response:
    text = f"The sandbox answers below /NAME/api/ for these names: {', '.join(names)}\n"
    return Response(404, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())


def _reset(environ: Environ) -> None:
    """Let the connection be reset when it is closed: with nothing left to send and no time to linger (SO_LINGER 0)."""
    channel = environ["waitress.client_disconnected"].__self__
    channel.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
