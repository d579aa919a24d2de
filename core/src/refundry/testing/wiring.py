"""A client wired to its connector's own sandbox without a socket: every line of the core runs, save the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from refundry.account import open_account
from refundry.client import RefundClient
from refundry.connector import Connector
from refundry.http import Event, Moment, Response, WireRequest
from refundry.model import Delivery, Refund
from refundry.plugins import load_sandbox, sandbox_hooks
from refundry.sandbox import Book, Call, ConnectorSandbox, answer

NONCE = "00000000-0000-4000-8000-000000000001"


class FakeClock:
    """A `refundry.policy.Clock` whose ``sleep`` takes no time; ``slept`` lists what was waited."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._elapsed += seconds

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._elapsed += by.total_seconds()


class Wiring(BaseAdapter):
    """The sandbox of one account, as the transport of its clients and as an adapter for any `requests.Session`.

    ``sent`` lists the requests that reached it, ``answered`` its answers; ``tamper`` may be set to change each answer
    on its way.
    """

    def __init__(self, connector: type[Connector], refunds: Iterable[Refund] = ()) -> None:
        super().__init__()
        sandbox = sandbox_of(connector)
        self.connector = connector
        self.settings: Mapping[str, Any] = sandbox.settings
        self.clock = FakeClock()
        self.book = Book(now=self.clock.now(), refunds={one.connector_refund_id or "": one for one in refunds})
        self.hooks = sandbox_hooks(sandbox(connector(**sandbox.settings)))
        self.urls = open_account(connector, sandbox.settings).urls
        self.sent: list[WireRequest | requests.PreparedRequest] = []
        self.answered: list[Response] = []
        self.tamper: Callable[[Response], Response] = _unchanged

    def client(self, settings: Mapping[str, Any] | None = None, **options: Any) -> RefundClient:
        """A client of this sandbox, with its settings or others."""
        chosen = self.settings if settings is None else settings
        given: dict[str, Any] = {"clock": self.clock, "rate_limit": math.inf, **options}
        client = RefundClient(self.connector, **given, **chosen)
        client._transport = _Direct(self)  # type: ignore[assignment]
        return client

    def event(self, refund: Refund, settings: Mapping[str, Any] | None = None) -> Event:
        """The webhook that says how this refund stands, signed with these settings."""
        sandbox = sandbox_of(self.connector)
        hooks = sandbox_hooks(sandbox(self.connector(**(self.settings if settings is None else settings))))
        return hooks.render_event(refund, Moment(now=self.clock.now(), nonce=NONCE))

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """The sandbox's answer to a request of a session."""
        response = self.answer(request)
        raw = HTTPResponse(
            BytesIO(response.body), headers=response.headers, status=response.status_code, preload_content=False
        )
        return HTTPAdapter().build_response(request, raw)

    def answer(self, request: WireRequest | requests.PreparedRequest) -> Response:
        """The sandbox's answer to a request."""
        self.sent.append(request)
        self.book.now = self.clock.now()
        good = self.reply(self._call(request))
        self.answered.append(good)
        return self.tamper(good)

    def reply(self, call: Call) -> Response:
        """What the processor says to a call."""
        return answer(self.hooks, call, self.book)

    def close(self) -> None:
        """Nothing is open."""

    def _call(self, request: WireRequest | requests.PreparedRequest) -> Call:
        url, body = request.url or "", request.body or b""
        named = ((name, prefix) for name, prefix in self.urls.items() if url.startswith(prefix))
        base, prefix = next(named, ("", url))
        return Call(
            base=base,
            method=request.method or "",
            url=url,
            path=url.removeprefix(prefix).partition("?")[0],
            headers=dict(request.headers),
            body=body if isinstance(body, bytes) else str(body).encode(),
        )


class _Direct:
    """A transport without HTTP, which the contract need not try for every connector anew."""

    owned = False
    """Only its own client can use it."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring

    def send(self, request: WireRequest, deadline: float, limit: int) -> Response:
        return self._wiring.answer(request)

    def close(self) -> None: ...


def sandbox_of(connector: type[Connector]) -> type[ConnectorSandbox[Any]]:
    """The sandbox class of a connector. Raises `LookupError` where its plugin has none."""
    sandbox = load_sandbox(connector.name)
    if sandbox is None:
        raise LookupError(f"{connector.name} has no sandbox: name one in the entry point group refundry.sandboxes")
    return sandbox


def deliver(client: RefundClient, event: Event, **changes: Any) -> Delivery:
    """Hand an event to a client, with changes to what `RefundClient.handle_event` takes."""
    given: dict[str, Any] = {
        "body": event.body,
        "headers": event.headers,
        "method": event.method,
        "url": event.url,
        "received_at": event.received_at,
    }
    return client.handle_event(**{**given, **changes})


def _unchanged(response: Response) -> Response:
    return response
