"""`RefundClient`: where is this refund?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from refundry.account import Account, BaseUrls
from refundry.connector import Connector
from refundry.errors import ConfigurationError, NetworkError, RefundryError
from refundry.events import receive
from refundry.exchange import Exchange
from refundry.http import HeaderSource
from refundry.listing import Pages, RefundIterator, check_window
from refundry.model import Delivery, Refund, RefundQuery
from refundry.opening import open_exchange, read_event, read_query
from refundry.policy import Clock, Limiter, RateLimiter
from refundry.steps import NeedToken, Pause, Send, Step, Steps
from refundry.transport import RequestsTransport
from refundry.waiting import WaitOutcome, wait_for

if TYPE_CHECKING:
    import requests

T = TypeVar("T")


class RefundClient:
    """Asks one account of one processor. Safe to share between threads; a context manager closes its connections.

    Args:
        connector: the name of an installed connector, or a `Connector` class.
        environment: ``"SANDBOX"`` or ``"PRODUCTION"``.
        base_url: another address than the processor's own, for its base ``api``; a mapping for several bases.
        timeout: seconds that one get, one page of a list or one webhook may take with all its retries.
        session: any `requests.Session`, with the application's own proxies, adapters and certificates.
        plugins: observers, see `refundry.hookspecs.ObserverSpecs`.
        clock: another clock than the machine's.
        rate_limit: requests per second, where the account's own limit differs from the connector's.
        limiter: makes the rate limiter from requests per second (None: no limit), for one that processes share.
        account_name: what observers and the ledger call this account; the connector's name if not given.
        credentials: the connector's settings; ``refundry connectors NAME`` lists them.

    Raises:
        UnknownConnector: no such connector is installed.
        ConfigurationError: a setting is missing, empty, unknown or does not fit the environment.
    """

    def __init__(
        self,
        connector: str | type[Connector],
        *,
        environment: str = "SANDBOX",
        base_url: BaseUrls | None = None,
        timeout: float = 30.0,
        session: requests.Session | None = None,
        plugins: Iterable[object] = (),
        clock: Clock | None = None,
        rate_limit: float | None = None,
        limiter: Callable[[float | None], Limiter] = RateLimiter,
        account_name: str | None = None,
        **credentials: Any,
    ) -> None:
        self._exchange = open_exchange(
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
        self._transport = RequestsTransport(self._exchange.policy.clock, session)
        self._token_lock = threading.Lock()

    @classmethod
    def from_account(cls, name: str, path: str | Path | None = None, **options: Any) -> Self:
        """The client of an account in ``refundry.toml``; see `refundry.accounts`. ``options`` are those of the class.

        Raises `ConfigurationError` when there is no such account, or its secret's environment variable is not set.
        """
        from refundry.accounts import read_account

        return cls(**{**read_account(name, path), **options, "account_name": name})

    @property
    def account(self) -> Account:
        """The account that this client asks."""
        return self._exchange.account

    @property
    def timeout(self) -> float:
        """Seconds that one operation may take with all its retries."""
        return self._exchange.timeout

    def shared(self) -> Exchange:
        """What another kind of client shares with this one: account, policy, observers, tokens and keys.

        Raises `ConfigurationError` for a client with an application's own session, whose settings would not be kept.
        """
        if not self._transport.owned:
            raise ConfigurationError("the client has a session of its own, which only itself can use")
        return self._exchange

    def get(self, query: RefundQuery | Mapping[str, Any] | None = None, /, **fields: Any) -> Refund:
        """Ask the processor for one refund.

        Takes a `RefundQuery`, a mapping with its names, or its fields. Raises `InvalidQuery` before any request when an
        identifier is missing or malformed, `UnsupportedOperation` where the processor has no get, `RefundNotFound`,
        and any other `RefundryError`.
        """
        return self._drive(self._exchange.get(read_query(query, fields)))

    def wait(
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
        return self._drive(wait_for(self._exchange, read_query(query, fields), timedelta(seconds=timeout), on_poll))

    def list(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        connector_transaction_id: str | None = None,
        page_size: int | None = None,
    ) -> RefundIterator:
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
        return RefundIterator(Pages(self._exchange, window), self._drive)

    def handle_event(
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
        return self._drive(receive(self._exchange, event))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        account = self.account
        return f"RefundClient({account.connector.name!r}, environment={account.connector.environment!r})"

    def _drive(self, steps: Steps[T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    result = self._perform(step)
                except RefundryError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def _perform(self, step: Step) -> Any:
        match step:
            case Send():
                return self._transport.send(step.request, step.deadline, step.limit)
            case Pause():
                return self._exchange.policy.clock.sleep(step.seconds)
            case NeedToken():
                return self._token(step)

    def _token(self, step: NeedToken) -> str | None:
        exchange, clock = self._exchange, self._exchange.policy.clock
        known = exchange.tokens.current(clock.monotonic(), step.stale)
        if known is not None:
            return known
        if not self._token_lock.acquire(timeout=max(0.0, step.deadline - clock.monotonic())):
            raise NetworkError("no access token before the deadline: another thread still waits for one")
        try:
            known = exchange.tokens.current(clock.monotonic(), step.stale)
            return known or exchange.tokens.keep(self._drive(exchange.token(step.deadline)), clock.monotonic())
        finally:
            self._token_lock.release()
