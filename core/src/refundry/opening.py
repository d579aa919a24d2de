"""From a client's arguments to its exchange, its queries and its events: what every kind of client does alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from refundry.account import Account, BaseUrls, open_account
from refundry.connector import Connector
from refundry.errors import ConfigurationError
from refundry.exchange import Exchange
from refundry.http import Event, HeaderSource
from refundry.model import RefundQuery
from refundry.plugins import Observers, load_connector
from refundry.policy import Clock, Limiter, Policy, RateLimiter, SystemClock


def open_exchange(
    connector: str | type[Connector],
    credentials: Mapping[str, Any],
    *,
    environment: str,
    base_url: BaseUrls | None,
    timeout: float,
    plugins: Iterable[object],
    clock: Clock | None,
    rate_limit: float | None,
    account_name: str | None,
    limiter: Callable[[float | None], Limiter] = RateLimiter,
) -> Exchange:
    """The exchange of one account. Arguments and errors are those of `refundry.client.RefundClient`."""
    _check_positive("timeout", timeout)
    if rate_limit is not None:
        _check_positive("rate_limit", rate_limit)
    loaded = load_connector(connector) if isinstance(connector, str) else connector
    account = open_account(loaded, credentials, name=account_name, environment=environment, base_url=base_url)
    policy = Policy(clock=clock or SystemClock(), limiter=limiter(rate_limit or declared_rate(account)))
    return Exchange(account, policy, Observers(plugins), timeout)


def declared_rate(account: Account) -> float | None:
    """Requests per second that the processor allows in this account's environment; None where it says nothing."""
    connector = account.connector
    return connector.rate_limit.get(connector.environment)


def read_query(query: RefundQuery | Mapping[str, Any] | None, fields: Mapping[str, Any]) -> RefundQuery:
    """A query from an object, a mapping or fields; fields count over the rest. Raises `InvalidQuery`."""
    if query is None:
        return RefundQuery.of(fields)
    if isinstance(query, RefundQuery) and not fields:
        return query
    given = dict(query.items()) if isinstance(query, Mapping) else {}
    if isinstance(query, RefundQuery):
        given = {name: getattr(query, name) for name in query.given() if "." not in name} | {"metadata": query.metadata}
    return RefundQuery.of({**given, **fields})


def read_event(
    exchange: Exchange,
    *,
    body: bytes,
    headers: HeaderSource,
    method: str,
    url: str | None,
    received_at: datetime | None,
) -> Event:
    """A webhook as it arrived, at the address that is registered, with the query that was called."""
    moment = received_at or exchange.policy.clock.now()
    return Event(
        method=method.upper(),
        url=_event_url(exchange.account.connector.webhook_url, url),
        headers=headers,
        body=body,
        received_at=moment.astimezone(UTC),
    )


def _event_url(registered: str | None, called: str | None) -> str | None:
    if registered is None or called is None:
        return registered or called
    query = called.partition("?")[2]
    return f"{registered}{'&' if '?' in registered else '?'}{query}" if query else registered


def _check_positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{name} must be a number of more than 0")
