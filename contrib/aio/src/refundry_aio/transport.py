"""The only module that knows aiohttp: it sends bytes, bounds what comes back, and names what went wrong."""

from __future__ import annotations

import gzip
import math
import os
import ssl
import zlib
from functools import lru_cache
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
from yarl import URL

from refundry.account import check_secure
from refundry.errors import (
    ConfigurationError,
    ConnectorError,
    ConnectTimeout,
    MappingError,
    NetworkError,
    ReadTimeout,
    RefundryError,
)
from refundry.http import Response, WireRequest
from refundry.policy import Clock
from refundry.transport import CONNECT_TIMEOUT, HEADERS, READ_TIMEOUT

_LONGEST_HEADER = 1 << 16
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class AiohttpTransport:
    """Sends through aiohttp, with the connector, the proxy and the trace configurations of the application's session.

    Around that connector it has a session of its own, made with the first request, without cookies, netrc, redirects
    or retries. Raises `ConfigurationError` for a session that does not check certificates.
    """

    def __init__(self, clock: Clock, session: aiohttp.ClientSession | None = None) -> None:
        if session is not None and not _checks_certificates(session.connector):
            raise ConfigurationError("the session switches TLS verification off: give a CA bundle instead")
        self._clock = clock
        self._given = session
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._ways: dict[str, dict[str, Any]] = {}

    async def send(self, request: WireRequest, deadline: float, limit: int) -> Response:
        """The answer to a request. Raises `NetworkError` or one of its kinds, or `MappingError` for one too large."""
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise ConnectTimeout("no time is left before the deadline: allow more time")
        try:
            return await self._exchange(request, remaining, deadline, limit)
        except (aiohttp.ClientError, OSError, EOFError, ValueError, zlib.error) as error:
            raise _typed(error, request.host) from None

    async def close(self) -> None:
        """Close the connections, unless the connector is the application's own."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _exchange(self, request: WireRequest, remaining: float, deadline: float, limit: int) -> Response:
        async with self._opened().request(
            request.method,
            URL(request.url, encoded=True),
            headers={**HEADERS, **request.headers},
            data=request.body,
            skip_auto_headers=None if request.method == "GET" else ("Content-Type",),
            allow_redirects=False,
            timeout=_timeout(remaining),
            **self._way(request.url),
        ) as answer:
            body = await self._read(answer.content, deadline, limit)
        coding = answer.headers.get("Content-Encoding")
        if coding:
            body = unpack(body, coding, limit + 1)
            _check_size(len(body), limit)
        return _response(answer, body)

    async def _read(self, content: aiohttp.StreamReader, deadline: float, limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while not content.at_eof():
            chunk = await content.readany()
            chunks.append(chunk)
            size += len(chunk)
            _check_size(size, limit)
            if self._clock.monotonic() > deadline:
                raise ReadTimeout("the answer came too slowly: it was not complete at the deadline")
        return b"".join(chunks)

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise ConfigurationError("the client is closed: make another one")
        if self._given is not None and self._given.closed:
            raise ConfigurationError("the session is closed: keep it open for as long as its client is used")
        if self._session is None:
            self._session = _session(self._given)
        return self._session

    def _way(self, url: str) -> dict[str, Any]:
        host = url.partition("://")[2].partition("/")[0]
        if host not in self._ways:
            check_secure(url)
            self._ways[host] = _proxy(url, self._given)
        return self._ways[host]


def unpack(body: bytes, coding: str, most: int) -> bytes:
    """At most so many bytes of a body that was packed with a coding of HTTP, gzip or deflate; any other is left as is.

    Raises ``zlib.error``, ``gzip.BadGzipFile`` or ``EOFError`` for a body that is packed otherwise.
    """
    match coding.strip().lower():
        case "gzip" | "x-gzip":
            with gzip.GzipFile(fileobj=BytesIO(body)) as packed:
                return packed.read(most)
        case "deflate":
            # Some servers leave out the two bytes that zlib begins with (RFC 9110, 8.4.1.2).
            window = zlib.MAX_WBITS if body[:1] and body[0] & 15 == zlib.DEFLATED else -zlib.MAX_WBITS
            return zlib.decompressobj(window).decompress(body, most)
        case _:
            return body


def environment_proxy(url: str) -> str | None:
    """The proxy that the environment names for a URL. Raises `ConfigurationError` for a kind that aiohttp lacks."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and urlsplit(proxy).scheme not in ("http", "https"):
        raise ConfigurationError("the proxy of the environment is no HTTP proxy: give a session whose connector has it")
    return proxy


def _proxy(url: str, given: aiohttp.ClientSession | None) -> dict[str, Any]:
    # aiohttp has no public name for a session's proxy, nor for the checks of a connector below.
    if given is not None and given._default_proxy is not None:
        return {"proxy": given._default_proxy, "proxy_auth": given._default_proxy_auth}
    # A session that may read proxies from the environment reads netrc with them; so that is done here.
    proxy = environment_proxy(url) if given is None or given.trust_env else None
    return {"proxy": proxy} if proxy else {}


def _session(given: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=given.connector if given else aiohttp.TCPConnector(ssl=_tls(_bundle())),
        connector_owner=given is None,
        cookie_jar=aiohttp.DummyCookieJar(),
        # A body is unpacked once it is there: how much a piece of it becomes differs between versions of aiohttp.
        auto_decompress=False,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
        trace_configs=given.trace_configs if given else None,
        middlewares=(_once,),
    )


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request a second time when the connection breaks: the policy decides on that."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError from error


def _timeout(remaining: float) -> aiohttp.ClientTimeout:
    return _LONGEST_TIMEOUT if remaining >= READ_TIMEOUT else _timeout_within(remaining)


def _timeout_within(seconds: float) -> aiohttp.ClientTimeout:
    # The limit on each read alone, which the blocking client has, would cost a timer for each read.
    return aiohttp.ClientTimeout(
        total=seconds,
        # A little less than all of it, so that a slow connection can be told from a slow answer.
        sock_connect=min(CONNECT_TIMEOUT, 0.9 * seconds),
        ceil_threshold=math.inf,
    )


_LONGEST_TIMEOUT = _timeout_within(READ_TIMEOUT)


def _response(answer: aiohttp.ClientResponse, body: bytes) -> Response:
    response = Response(answer.status, answer.headers, body)
    if len(response.headers) == len(answer.raw_headers) and all(map(str.isascii, response.headers.values())):
        return response
    # As Latin-1, and several of one name as one with commas (RFC 9110, 5.3).
    headers: dict[str, str] = {}
    for raw_name, raw_value in answer.raw_headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Response(answer.status, headers, body)


def _typed(error: Exception, host: str) -> RefundryError:
    match error:
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch() | ssl.SSLError():
            refused = NetworkError(f"the TLS connection to {host} was refused: check its certificate and the CA bundle")
            refused.retryable = False
            return refused
        case aiohttp.ConnectionTimeoutError():
            return ConnectTimeout(f"no connection to {host} in time")
        case TimeoutError():
            return ReadTimeout(f"no complete answer from {host} in time")
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return NetworkError(f"the proxy refused the way to {host}: check the proxy settings")
        case zlib.error() | gzip.BadGzipFile() | EOFError():
            return MappingError(f"the answer from {host} is not packed as it says", field="body")
        case aiohttp.NonHttpUrlClientError() | ValueError():
            return ConnectorError(f"the request to {host} could not be made: {type(error).__name__}")
        case _:
            return NetworkError(f"no connection to {host}, or it broke: check the network and base_url")


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise MappingError(f"the answer is larger than {limit} bytes", field="body")


def _checks_certificates(connector: aiohttp.BaseConnector | None) -> bool:
    tls = getattr(connector, "_ssl", True)
    if isinstance(tls, ssl.SSLContext):
        return tls.verify_mode is ssl.CERT_REQUIRED and tls.check_hostname
    return tls is not False


def _bundle() -> str:
    return next((os.environ[name] for name in _BUNDLE_VARIABLES if os.environ.get(name)), certifi.where())


@lru_cache(maxsize=4)
def _tls(bundle: str) -> ssl.SSLContext:
    """The checks of the blocking client: the CA bundle of the environment, else Mozilla's."""
    is_folder = os.path.isdir(bundle)
    try:
        context = ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    except OSError:
        variables = " and ".join(_BUNDLE_VARIABLES)
        raise ConfigurationError(f"the CA bundle {bundle} cannot be read: check {variables}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
