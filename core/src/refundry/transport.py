"""The only module that knows `requests`: it sends bytes, bounds what comes back, and names what went wrong."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from refundry import __version__
from refundry.account import check_secure
from refundry.errors import ConfigurationError, ConnectorError, ConnectTimeout, MappingError, NetworkError, ReadTimeout
from refundry.http import Response, WireRequest
from refundry.policy import Clock

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 20.0
_CHUNK = 1 << 16
_POOL = 32
HEADERS = {"User-Agent": f"refundry/{__version__}", "Accept-Encoding": "gzip, deflate"}


class RequestsTransport:
    """Sends through a `requests.Session`: its adapters, proxies, certificates and verification are honoured.

    What a session works out anew for every call (environment, cookies, redirects, netrc) is worked out once for each
    host, or not wanted here.
    """

    def __init__(self, clock: Clock, session: requests.Session | None = None) -> None:
        if session is not None and session.verify is False:
            raise ConfigurationError("session.verify is False: give the path of a CA bundle instead")
        self.owned = session is None
        self._session = session or _own_session()
        self._clock = clock
        self._environment: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def send(self, request: WireRequest, deadline: float, limit: int) -> Response:
        """The answer to a request. Raises `NetworkError` or one of its kinds, or `MappingError` for one too large."""
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise ConnectTimeout("no time is left before the deadline: allow more time")
        host = urlsplit(request.url).netloc
        try:
            answer = self._adapter_send(request, host, remaining)
            try:
                return Response(answer.status_code, answer.headers, self._read(answer, deadline, limit))
            finally:
                answer.close()
        except requests.exceptions.SSLError:
            error = NetworkError(f"the TLS connection to {host} was refused: check its certificate and the CA bundle")
            error.retryable = False
            raise error from None
        except requests.exceptions.ConnectTimeout:
            raise ConnectTimeout(f"no connection to {host} in time") from None
        except (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
            raise ReadTimeout(f"no complete answer from {host} in time") from None
        except requests.exceptions.ProxyError:
            raise NetworkError(f"the proxy refused the way to {host}: check the proxy settings") from None
        except urllib3.exceptions.DecodeError:
            raise MappingError(f"the answer from {host} is not packed as it says", field="body") from None
        except (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError):
            raise NetworkError(f"no connection to {host}, or it broke: check the network and base_url") from None
        except requests.exceptions.RequestException as error:
            raise ConnectorError(f"the request to {host} could not be made: {type(error).__name__}") from None
        except OSError:
            raise NetworkError(f"the connection to {host} broke: check the network") from None

    def close(self) -> None:
        """Close the connections, unless the session is the application's own."""
        if self.owned:
            self._session.close()

    def _adapter_send(self, request: WireRequest, host: str, remaining: float) -> requests.Response:
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = request.url
        prepared.headers = CaseInsensitiveDict({**HEADERS, **request.headers})
        prepared.body = request.body
        if request.body is not None:
            prepared.headers["Content-Length"] = str(len(request.body))
        adapter = self._session.get_adapter(request.url)
        timeout = (min(CONNECT_TIMEOUT, remaining), min(READ_TIMEOUT, remaining))
        return adapter.send(prepared, stream=True, timeout=timeout, **self._settings(request.url, host))

    def _settings(self, url: str, host: str) -> Mapping[str, Any]:
        known = self._environment.get(host)
        if known is not None:
            return known
        check_secure(url)
        with self._lock:
            # With the session's own bundle named, REQUESTS_CA_BUNDLE does not take its place.
            merged = self._session.merge_environment_settings(url, {}, True, self._session.verify, None)
            settings = {name: merged[name] for name in ("proxies", "verify", "cert")}
            if settings["verify"] is False:
                raise ConfigurationError("the session switches TLS verification off: give a CA bundle instead")
            self._environment[host] = settings
        return settings

    def _read(self, answer: requests.Response, deadline: float, limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        answer.raw.decode_content = True
        while chunk := answer.raw.read1(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise MappingError(f"the answer is larger than {limit} bytes", field="body")
            if self._clock.monotonic() > deadline:
                raise ReadTimeout("the answer came too slowly: it was not complete at the deadline")
        return b"".join(chunks)


def _own_session() -> requests.Session:
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=_POOL, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
