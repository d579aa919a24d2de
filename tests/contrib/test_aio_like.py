"""An asynchronous client that is made like a blocking one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
import requests
from acme import DONE, Acme, Asked, json_answer, serving

from refundry import ConfigurationError, ProcessorUnavailable, RateLimited, RefundClient
from refundry.hookspecs import hookimpl
from refundry.http import Response
from refundry.state import Observation
from refundry.testing import FakeClock
from refundry_aio import AsyncRefundClient

T = TypeVar("T")


def blocking(url: str = "https://x.example", **options: Any) -> RefundClient:
    given = {"key": "k-123456", "clock": FakeClock(), "base_url": {"api": url, "auth": url}, **options}
    return RefundClient(Acme, **given)


async def get(client: RefundClient) -> Any:
    """One get by a client that is made like this one."""
    async with AsyncRefundClient.like(client) as acme:
        return await acme.get(connector_refund_id="r1")


def run(what: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(what)


def test_it_asks_the_same_account_and_tells_the_same_observers() -> None:
    seen: list[Observation] = []

    class Watcher:
        @hookimpl
        def refund_observed(self, observation: Observation) -> None:
            seen.append(observation)

    with serving(lambda _: json_answer(DONE)) as server:
        with blocking(server.url, plugins=[Watcher()], account_name="acme-eu") as client:
            assert AsyncRefundClient.like(client).account is client.account
            assert run(get(client)) == client.get(connector_refund_id="r1")
    assert [one.account for one in seen] == ["acme-eu"] * 2
    assert server.asked[0].headers["authorization"] == "Bearer k-123456"


def test_one_access_token_serves_both() -> None:
    def answer(asked: Asked) -> Response:
        return json_answer({"access_token": "t1", "expires_in": 3600} if asked.path == "/token" else DONE)

    with serving(answer) as server:
        with blocking(server.url, key=None, client_id="c", client_secret="s-123456") as client:
            run(get(client))
            client.get(connector_refund_id="r1")
    assert [one.path for one in server.asked] == ["/token", "/refunds/r1", "/refunds/r1"]


def test_the_rate_is_kept_by_both_together() -> None:
    with serving(lambda _: json_answer(DONE)) as server:
        with blocking(server.url, rate_limit=0.1, timeout=1) as client:
            client.get(connector_refund_id="r1")
            with pytest.raises(RateLimited):
                run(get(client))
    assert len(server.asked) == 1


def test_many_at_a_time_are_bounded_by_the_shared_rate() -> None:
    with blocking(rate_limit=2, timeout=4) as client:
        assert AsyncRefundClient.like(client)._most_at_a_time(16) == 2


def test_the_retry_budget_is_one() -> None:
    with serving(lambda _: json_answer({}, 503)) as server:
        with blocking(server.url) as client:
            for _ in range(10):
                with pytest.raises(ProcessorUnavailable):
                    client.get(connector_refund_id="r1")
            before = len(server.asked)
            with pytest.raises(ProcessorUnavailable):
                run(get(client))
    assert len(server.asked) - before == 1


def test_each_is_closed_by_itself() -> None:
    with serving(lambda _: json_answer(DONE)) as server:
        with blocking(server.url) as client:
            run(get(client))
            assert client.get(connector_refund_id="r1").connector_refund_id == "r1"


def test_an_applications_session_is_not_passed_over() -> None:
    with requests.Session() as session, blocking(session=session) as client:
        with pytest.raises(ConfigurationError, match="session of its own"):
            AsyncRefundClient.like(client)
