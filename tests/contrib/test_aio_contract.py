"""Connectors keep their contract through the asynchronous client too, over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from itertools import count
from typing import Any, TypeVar

import pytest
import requests
from aiohttp import web

from refundry.account import Account
from refundry.connector import Connector
from refundry.errors import MappingError
from refundry.http import Event, Moment
from refundry.model import Delivery, Refund
from refundry.plugins import SandboxHooks, sandbox_hooks
from refundry.testing import Wiring, mapping
from refundry.testing.listing import ListingContract
from refundry.testing.mapping import MappingContract
from refundry.testing.refusing import RefusalContract
from refundry.testing.webhooks import WebhookContract
from refundry.testing.wiring import NONCE, sandbox_of
from refundry_aio import AsyncRefundClient, AsyncRefundIterator
from refundry_checkout import Checkout
from refundry_cybersource import CyberSource
from refundry_paypal import PayPal
from refundry_stripe import Stripe

T = TypeVar("T")

# The mapping is one code for both clients; through the blocking one it sees ten thousand.
MUTATIONS = 100


class Loopback:
    """An event loop, and on it a server that answers for every wiring below ``/NUMBER/BASE``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._numbers = count(1)
        self._raised: Exception | None = None
        self._wirings: dict[str, AsyncWiring] = {}
        self._clients: list[AsyncRefundClient] = []
        self._runner = self.run(self._start())
        self._url = "http://{}:{}".format(*self._runner.addresses[0])

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """The result; what a sandbox raised is raised here, as if there were no HTTP between."""
        try:
            return self._loop.run_until_complete(what)
        finally:
            raised, self._raised = self._raised, None
            if raised is not None:
                raise raised

    def url_of(self, wiring: AsyncWiring) -> str:
        number = str(next(self._numbers))
        self._wirings[number] = wiring
        return f"{self._url}/{number}"

    def client(self, connector: type[Connector], **options: Any) -> AsyncRefundClient:
        client = AsyncRefundClient(connector, **options)
        self._clients.append(client)
        return client

    def forget(self) -> None:
        for client in self._clients:
            self.run(client.close())
        self._clients.clear()
        self._wirings.clear()

    def close(self) -> None:
        self.run(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(self._answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        given = requests.PreparedRequest()
        given.method = request.method
        given.url = f"{self._url}{request.raw_path}"
        given.headers = requests.structures.CaseInsensitiveDict(request.headers)
        given.body = await request.read()
        try:
            answer = self._wirings[request.raw_path.split("/")[1]].send(given)
        except Exception as error:  # noqa: BLE001  raised again by `run`
            self._raised = error
            return web.Response(status=400)
        headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
        return web.Response(status=answer.status_code, headers=headers, body=answer.raw.read())


class AsyncWiring(Wiring):
    """A wiring whose clients are asynchronous and reach it over HTTP."""

    loopback: Loopback

    def __init__(self, connector: type[Connector], refunds: Iterable[Refund] = ()) -> None:
        super().__init__(connector, refunds)
        url = self.loopback.url_of(self)
        self.urls = {base: f"{url}/{base}" for base in connector.base_urls}
        self.hooks = self._hooks(self.settings)

    def client(self, settings: Mapping[str, Any] | None = None, **options: Any) -> Any:
        chosen = self.settings if settings is None else settings
        ours = {"base_url": self.urls, "clock": self.clock, "rate_limit": math.inf}
        return BlockingClient(self.loopback, self.loopback.client(self.connector, **{**ours, **options, **chosen}))

    def event(self, refund: Refund, settings: Mapping[str, Any] | None = None) -> Event:
        hooks = self._hooks(self.settings if settings is None else settings)
        return hooks.render_event(refund, Moment(now=self.clock.now(), nonce=NONCE))

    def _hooks(self, settings: Mapping[str, Any]) -> SandboxHooks:
        return sandbox_hooks(sandbox_of(self.connector)(self.connector(**settings), self.urls["api"]))


class BlockingClient:
    """The asynchronous client behind the face of the blocking one."""

    def __init__(self, loopback: Loopback, client: AsyncRefundClient) -> None:
        self._run = loopback.run
        self._client = client

    @property
    def account(self) -> Account:
        return self._client.account

    def get(self, *query: Any, **fields: Any) -> Refund:
        return self._run(self._client.get(*query, **fields))

    def list(self, **window: Any) -> BlockingIterator:
        return BlockingIterator(self._run, self._client.list(**window))

    def handle_event(self, **event: Any) -> Delivery:
        return self._run(self._client.handle_event(**event))

    def __repr__(self) -> str:
        return repr(self._client)


class BlockingIterator(Iterator[Refund]):
    def __init__(self, run: Any, refunds: AsyncRefundIterator) -> None:
        self._run = run
        self._refunds = refunds

    @property
    def problems(self) -> list[MappingError]:
        return self._refunds.problems

    def __next__(self) -> Refund:
        try:
            return self._run(self._refunds.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    AsyncWiring.loopback = Loopback()
    yield AsyncWiring.loopback
    AsyncWiring.loopback.close()


@pytest.fixture(autouse=True)
def asynchronous(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever the contract wires, it wires to the asynchronous client."""
    for part in ("cases", "webhooks"):
        monkeypatch.setattr(f"refundry.testing.{part}.Wiring", AsyncWiring)
    monkeypatch.setattr(mapping, "MUTATIONS", MUTATIONS)
    yield
    loopback.forget()


class ClientContract(MappingContract, RefusalContract, ListingContract, WebhookContract):
    """The contract without what no client takes part in, and without cassettes, which are played to requests alone."""

    def test_what_is_rendered_maps_to_what_it_was(self) -> None:
        for word in self.words():
            refund = self.example(word)
            assert self.asked(self.wiring(refund), refund) == refund


class TestStripe(ClientContract):
    connector = Stripe


class TestCheckout(ClientContract):
    """Two steps for one refund."""

    connector = Checkout


class TestPayPal(ClientContract):
    """An access token first, and a second request to verify a webhook."""

    connector = PayPal


class TestCyberSource(ClientContract):
    """A signature over the host, the target and the body of each request."""

    connector = CyberSource
