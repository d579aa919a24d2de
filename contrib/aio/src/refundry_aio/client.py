"""`AsyncRefundClient`: where is this refund, for applications on asyncio?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from refundry.account import Account, BaseUrls
from refundry.connector import Connector
from refundry.errors import NetworkError, RefundryError
from refundry.events import receive
from refundry.exchange import Exchange
from refundry.http import HeaderSource
from refundry.listing import Pages, check_window
from refundry.model import Delivery, Refund, RefundQuery
from refundry.opening import open_exchange, read_event, read_query
from refundry.policy import Clock, Limiter, RateLimiter, SystemClock
from refundry.steps import NeedToken, Pause, Send, Step, Steps
from refundry.waiting import WaitOutcome, wait_for
from refundry_aio.listing import AsyncRefundIterator
from refundry_aio.many import each_outcome
from refundry_aio.transport import AiohttpTransport

if TYPE_CHECKING:
    import aiohttp

    from refundry.client import RefundClient

T = TypeVar("T")
Q = TypeVar("Q", bound=RefundQuery | Mapping[str, Any])

_PLACES_FOR_ONE = 4
"""How many places at the rate limit one refund is reckoned to take: its steps, its token and a retry."""


class AsyncRefundClient:
    """Asks one account of one processor. Belongs to one event loop; an async context manager closes its connections.

    Args:
        connector: the name of an installed connector, or a `Connector` class.
        environment: ``"SANDBOX"`` or ``"PRODUCTION"``.
        base_url: another address than the processor's own, for its base ``api``; a mapping for several bases.
        timeout: seconds that one get, one page of a list or one webhook may take with all its retries.
        session: the application's own session: its connector (and with it certificates and resolver), its proxy,
            ``trust_env`` and trace configurations are used; its cookies, headers, credentials and middlewares are not.
        plugins: observers, see `refundry.hookspecs.ObserverSpecs`.
        clock: another clock than the machine's; its ``sleep`` runs in a thread.
        rate_limit: requests per second, where the account's own limit differs from the connector's.
        limiter: makes the rate limiter from requests per second (None: no limit), for one that processes share. It is
            asked on the event loop.
        account_name: what observers and the ledger call this account; the connector's name if not given.
        credentials: the connector's settings; ``refundry connectors NAME`` lists them.

    Raises:
        UnknownConnector: no such connector is installed.
        ConfigurationError: a setting is missing, empty, unknown or does not fit the environment; or the session does
            not check certificates.
    """

    def __init__(
        self,
        connector: str | type[Connector],
        *,
        environment: str = "SANDBOX",
        base_url: BaseUrls | None = None,
        timeout: float = 30.0,
        session: aiohttp.ClientSession | None = None,
        plugins: Iterable[object] = (),
        clock: Clock | None = None,
        rate_limit: float | None = None,
        limiter: Callable[[float | None], Limiter] = RateLimiter,
        account_name: str | None = None,
        **credentials: Any,
    ) -> None:
        exchange = open_exchange(
            connector,
            credentials,
            environment=environment,
            base_url=base_url,
            timeout=timeout,
            plugins=plugins,
            clock=clock,
            rate_limit=rate_limit,
            limiter=limiter,
            account_name=account_name,
        )
        self._begin(exchange, session)

    def _begin(self, exchange: Exchange, session: aiohttp.ClientSession | None) -> None:
        self._exchange = exchange
        self._transport = AiohttpTransport(exchange.policy.clock, session)
        self._token_lock = asyncio.Lock()

    @classmethod
    def from_account(cls, name: str, path: str | Path | None = None, **options: Any) -> Self:
        """The client of an account in ``refundry.toml``; see `refundry.accounts`. ``options`` are those of the class.

        Raises `ConfigurationError` when there is no such account, or its secret's environment variable is not set.
        """
        from refundry.accounts import read_account

        return cls(**{**read_account(name, path), **options, "account_name": name})

    @classmethod
    def like(cls, client: RefundClient) -> Self:
        """A client of the same account, with that client's rate, retry budget, access token, clock and observers.

        Close it by itself. The observers are called on the event loop. Raises `ConfigurationError` for a client with an
        application's own session.
        """
        made = cls.__new__(cls)
        made._begin(client.shared(), None)
        return made

    @property
    def account(self) -> Account:
        """The account that this client asks."""
        return self._exchange.account

    async def get(self, query: RefundQuery | Mapping[str, Any] | None = None, /, **fields: Any) -> Refund:
        """Ask the processor for one refund.

        Takes a `RefundQuery`, a mapping with its names, or its fields. Raises `InvalidQuery` before any request when an
        identifier is missing or malformed, `UnsupportedOperation` where the processor has no get, `RefundNotFound`,
        and any other `RefundryError`.
        """
        return await self._drive(self._exchange.get(read_query(query, fields)))

    def get_many(
        self, queries: Iterable[Q] | AsyncIterable[Q], *, concurrency: int = 16
    ) -> AsyncGenerator[tuple[Q, Refund | RefundryError], None]:
        """Ask for many refunds at a time: each query with its refund or its error, in the order in which they come.

        One that fails harms no other. The account's rate is kept, if need be with fewer at a time. Queries are taken
        from their iterable only as fast as the results are taken, so it may be of any length; what it raises is
        raised. Leaving the loop cancels what is under way; wrap it in `contextlib.aclosing` to wait for that.

        Args:
            queries: each as `get` takes it, from a plain or an asynchronous iterable.
            concurrency: how many to ask for at a time, at least 1.

        Raises `UnsupportedOperation`, or `ConfigurationError`, where no get is possible at all.
        """
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._exchange.require("get")
        return each_outcome(self.get, queries, self._most_at_a_time(concurrency))

    async def wait(
        self,
        query: RefundQuery | Mapping[str, Any] | None = None,
        /,
        *,
        timeout: float = 3600.0,
        on_poll: Callable[[Refund], None] | None = None,
        **fields: Any,
    ) -> WaitOutcome:
        """Ask again and again, ever less often, until the refund settles or ``timeout`` seconds have passed.

        The outcome says why it stopped. ``on_poll`` gets each answer. Raises what `get` raises, apart from errors that
        pass by themselves and a "not found" within the connector's ``visible_after``.
        """
        return await self._drive(
            wait_for(self._exchange, read_query(query, fields), timedelta(seconds=timeout), on_poll)
        )

    def list(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        connector_transaction_id: str | None = None,
        page_size: int | None = None,
    ) -> AsyncRefundIterator:
        """Every refund of a window, page by page as it is iterated; items that cannot be read are in its ``problems``.

        Args:
            since: aware; 30 days before ``until`` if not given.
            until: aware, exclusive; now if not given.
            connector_transaction_id: only the refunds of this payment.
            page_size: how many to ask for at a time.

        Raises `UnsupportedOperation`, `InvalidQuery`, and while iterating any other `RefundryError`.
        """
        now = self._exchange.policy.clock.now()
        window = check_window(
            self.account, since, until, connector_transaction_id=connector_transaction_id, page_size=page_size, now=now
        )
        return AsyncRefundIterator(Pages(self._exchange, window), self._drive)

    async def handle_event(
        self,
        *,
        body: bytes,
        headers: HeaderSource,
        method: str = "POST",
        url: str | None = None,
        received_at: datetime | None = None,
    ) -> Delivery:
        """Verify a webhook, then map it; answer the processor with the delivery's ``reply``.

        Args:
            body: the raw bytes as received; anything re-serialised fails the signature.
            headers: all headers as received.
            method: the HTTP method.
            url: the address that was called, with its query; the setting ``webhook_url`` if not given.
            received_at: aware; now if not given.

        Raises `SignatureError`, whose ``reply`` refuses the event as this processor expects; `MappingError` for an
        authentic event that cannot be read; `UnsupportedOperation` and `ConfigurationError`.
        """
        event = read_event(self._exchange, body=body, headers=headers, method=method, url=url, received_at=received_at)
        return await self._drive(receive(self._exchange, event))

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        account = self.account
        return f"AsyncRefundClient({account.connector.name!r}, environment={account.connector.environment!r})"

    async def _drive(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._perform(step)
                except RefundryError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        finally:
            steps.close()

    def _perform(self, step: Step) -> Awaitable[Any]:
        match step:
            case Send():
                return self._transport.send(step.request, step.deadline, step.limit)
            case Pause():
                return _sleep(self._exchange.policy.clock, step.seconds)
            case NeedToken():
                return self._token(step)

    async def _token(self, step: NeedToken) -> str | None:
        exchange, clock = self._exchange, self._exchange.policy.clock
        known = exchange.tokens.current(clock.monotonic(), step.stale)
        if known is not None:
            return known
        try:
            async with asyncio.timeout(max(0.0, step.deadline - clock.monotonic())):
                await self._token_lock.acquire()
        except TimeoutError:
            raise NetworkError("no access token before the deadline: another task still waits for one") from None
        try:
            known = exchange.tokens.current(clock.monotonic(), step.stale)
            return known or exchange.tokens.keep(await self._drive(exchange.token(step.deadline)), clock.monotonic())
        finally:
            self._token_lock.release()

    def _most_at_a_time(self, concurrency: int) -> int:
        # More than this would wait for each other at the limiter until their deadlines have passed.
        rate = self._exchange.policy.limiter.per_second
        if rate is None:
            return concurrency
        return int(max(1, min(concurrency, rate * self._exchange.timeout / _PLACES_FOR_ONE)))


async def _sleep(clock: Clock, seconds: float) -> None:
    if isinstance(clock, SystemClock):
        await asyncio.sleep(seconds)
    else:
        await asyncio.to_thread(clock.sleep, seconds)
