"""The asynchronous client against a real server on loopback: it does what the blocking one does."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from acme import DONE, Acme, Asked, json_answer, serving

from refundry import (
    AuthenticationError,
    ConfigurationError,
    InvalidQuery,
    MappingError,
    Money,
    NetworkError,
    NotARefund,
    ProcessorUnavailable,
    RateLimited,
    RefundClient,
    RefundNotFound,
    RefundQuery,
    RefundStatus,
    SignatureError,
    UnsupportedOperation,
    WaitEnd,
    WaitOutcome,
)
from refundry.connector import Listing
from refundry.hookspecs import hookimpl
from refundry.http import Request, Response, encode_json
from refundry.signing import hmac_hex
from refundry.state import Observation
from refundry.testing import FakeClock
from refundry_aio import AsyncRefundClient

T = TypeVar("T")

SINCE = datetime(2026, 2, 25, tzinfo=UTC)


def run(what: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine on a loop of its own; nothing may be left over on it."""

    async def alone() -> T:
        result = await what
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(alone())


def client(url: str = "https://x.example", **options: Any) -> AsyncRefundClient:
    given = {"key": "k-123456", "clock": FakeClock(), "base_url": {"api": url, "auth": url}, **options}
    return AsyncRefundClient(Acme, **given)


async def get(url: str, query: Any = None, options: dict[str, Any] | None = None, **fields: Any) -> Any:
    """One get by a client of its own."""
    async with client(url, **(options or {})) as acme:
        return await acme.get(query, **(fields if query or fields else {"connector_refund_id": "r1"}))


# Get


def test_one_refund() -> None:
    with serving(lambda _: json_answer(DONE, X_Request_Id="q1")) as server:
        refund = run(get(server.url, connector_refund_id="r1", merchant_refund_id="order-1"))
    assert refund.status is RefundStatus.SUCCEEDED
    assert refund.refund_amount == Money(1050, "EUR")
    assert refund.merchant_refund_id == "order-1"
    assert refund.status_code == 200
    assert refund.response_headers["x-request-id"] == "q1"
    assert b'"r1"' in refund.raw
    assert server.asked[0].path == "/refunds/r1"
    assert server.asked[0].headers["authorization"] == "Bearer k-123456"
    assert server.asked[0].headers["user-agent"].startswith("refundry/")


def test_a_query_comes_as_object_mapping_or_fields() -> None:
    with serving(lambda _: json_answer(DONE)) as server:
        for query in (RefundQuery(connector_refund_id="r1"), {"connector_refund_id": "r1"}, {"refund_id": "r1"}):
            assert run(get(server.url, query)).connector_refund_id == "r1"
    assert {one.path for one in server.asked} == {"/refunds/r1"}


def test_a_second_request_finds_the_currency() -> None:
    without = {name: value for name, value in DONE.items() if name != "currency"}

    def answer(asked: Asked) -> Response:
        return json_answer({"currency": "JPY"} if asked.path.startswith("/payments") else without)

    with serving(answer) as server:
        assert run(get(server.url)).refund_amount == Money(1050, "JPY")
    assert [one.path for one in server.asked] == ["/refunds/r1", "/payments/p1"]


def test_what_is_wrong_with_the_call_is_said_before_any_request() -> None:
    with serving(lambda _: json_answer(DONE)) as server:
        with pytest.raises(InvalidQuery):
            run(get(server.url, merchant_refund_id="order-1"))
        with pytest.raises(InvalidQuery):
            run(get(server.url, connector_refund_id=""))
        with pytest.raises(ConfigurationError, match="webhook_secret"):
            run(client(server.url).handle_event(body=b"{}", headers={}))
    assert server.asked == []


def test_a_passing_error_is_tried_again() -> None:
    answers = [json_answer({}, 503), json_answer({}, 429, Retry_After="3"), json_answer(DONE)]
    clock = FakeClock()
    with serving(lambda _: answers.pop(0)) as server:
        assert run(get(server.url, options={"clock": clock})).status is RefundStatus.SUCCEEDED
    assert len(clock.slept) == 2
    assert clock.slept[1] == 3


def test_a_wait_on_the_machines_clock_leaves_the_loop_free() -> None:
    answers = [json_answer({}, 429, Retry_After="0.5"), json_answer(DONE)]
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def both(url: str) -> None:
        ticking = asyncio.create_task(tick())
        await get(url, options={"clock": None})
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)

    with serving(lambda _: answers.pop(0)) as server:
        run(both(server.url))
    assert ticks >= 10


def test_there_are_three_tries_at_most() -> None:
    with serving(lambda _: json_answer({}, 503)) as server:
        with pytest.raises(ProcessorUnavailable) as caught:
            run(get(server.url))
    assert len(server.asked) == 3
    assert caught.value.status_code == 503


def test_a_wait_that_does_not_fit_the_deadline_ends_at_once() -> None:
    clock = FakeClock()
    with serving(lambda _: json_answer({}, 429, Retry_After="60")) as server:
        with pytest.raises(RateLimited):
            run(get(server.url, options={"clock": clock}))
    assert clock.slept == []


def test_the_accounts_rate_is_kept() -> None:
    clock = FakeClock()

    async def three(url: str) -> None:
        async with client(url, clock=clock, rate_limit=2) as acme:
            for _ in range(3):
                await acme.get(connector_refund_id="r1")

    with serving(lambda _: json_answer(DONE)) as server:
        run(three(server.url))
    assert clock.slept == [0.5, 0.5]


# Tokens


def oauth(url: str, **options: Any) -> AsyncRefundClient:
    return client(url, key=None, client_id="c", client_secret="s-123456", **options)


def token_answer(asked: Asked) -> Response:
    return json_answer({"access_token": "t-1", "expires_in": 3600} if asked.path == "/token" else DONE)


def test_fifty_gets_at_a_time_ask_for_one_token() -> None:
    async def fifty(url: str) -> list[Any]:
        async with oauth(url) as acme:
            return await asyncio.gather(*(acme.get(connector_refund_id="r1") for _ in range(50)))

    with serving(token_answer) as server:
        assert len(run(fifty(server.url))) == 50
    assert [one.path for one in server.asked].count("/token") == 1
    assert {one.headers["authorization"] for one in server.asked if one.path != "/token"} == {"Bearer t-1"}


def test_a_refused_token_is_renewed_once_for_all() -> None:
    given: list[str] = []

    def answer(asked: Asked) -> Response:
        if asked.path == "/token":
            given.append(f"t-{len(given)}")
            return json_answer({"access_token": given[-1], "expires_in": 3600})
        return json_answer(DONE) if asked.headers["authorization"] == "Bearer t-1" else json_answer({}, 401)

    async def eight(url: str) -> None:
        async with oauth(url) as acme:
            await asyncio.gather(*(acme.get(connector_refund_id="r1") for _ in range(8)))

    with serving(answer) as server:
        run(eight(server.url))
    assert given == ["t-0", "t-1"]


def test_a_refused_token_request_is_an_authentication_error() -> None:
    with serving(lambda _: json_answer({}, 400)) as server, pytest.raises(AuthenticationError) as caught:
        run(get(server.url, options={"key": None, "client_id": "c", "client_secret": "s-123456"}))
    assert caught.value.operation == "token"


def test_who_waits_for_a_token_goes_on_when_the_one_who_asks_is_cancelled() -> None:
    slow = iter([True])

    def answer(asked: Asked) -> Response:
        if asked.path == "/token" and next(slow, False):
            time.sleep(0.3)
        return token_answer(asked)

    async def two(url: str) -> Any:
        async with oauth(url) as acme:
            first = asyncio.create_task(acme.get(connector_refund_id="r1"))
            while not acme._token_lock.locked():
                await asyncio.sleep(0)
            second = asyncio.create_task(acme.get(connector_refund_id="r1"))
            await asyncio.sleep(0.05)
            first.cancel()
            refund = await second
            assert first.cancelled()
            assert not acme._token_lock.locked()
            return refund

    with serving(answer) as server:
        assert run(two(server.url)).connector_refund_id == "r1"
    assert [one.path for one in server.asked].count("/token") == 2


def test_who_waits_for_a_token_waits_no_longer_than_its_deadline() -> None:
    async def stuck() -> None:
        async with oauth("https://x.example", timeout=0.05, clock=None) as acme:
            async with acme._token_lock:
                with pytest.raises(NetworkError, match="another task"):
                    await acme.get(connector_refund_id="r1")

    run(stuck())


# List


class Pages:
    """Answers with pages of one item each."""

    def __init__(self, *items: object) -> None:
        self.items = items

    def __call__(self, asked: Asked) -> Response:
        number = int(asked.path.partition("cursor=")[2] or 0)
        following = str(number + 1) if number + 1 < len(self.items) else None
        return json_answer({"items": [self.items[number]], "next": following})


def refunds(*numbers: int) -> list[dict[str, Any]]:
    return [{**DONE, "id": f"r{number}"} for number in numbers]


def test_every_page_comes_as_it_is_asked_for() -> None:
    async def listed(url: str) -> tuple[list[Any], Any]:
        async with client(url) as acme:
            found = acme.list(since=SINCE, page_size=1)
            first = await anext(found)
            assert found.pages == 1
            return [first.connector_refund_id, *[one.connector_refund_id async for one in found]], found

    with serving(Pages(*refunds(1), {"odd": True}, *refunds(2, 1, 3))) as server:
        ids, found = run(listed(server.url))
    assert ids == ["r1", "r2", "r3"]
    assert found.pages == 5
    assert [problem.field for problem in found.problems] == ["id"]


def test_a_listed_hint_is_looked_up() -> None:
    def answer(asked: Asked) -> Response:
        if "/refunds/" not in asked.path:
            return json_answer({"hints": ["r1", "gone", "payment", "r2"], "next": None})
        name = asked.path.rpartition("/")[2]
        if name == "gone":
            return json_answer({}, 404)
        return json_answer({"kind": "payment"} if name == "payment" else {**DONE, "id": name})

    async def listed(url: str) -> tuple[list[Any], list[MappingError]]:
        async with client(url) as acme:
            found = acme.list(since=SINCE)
            return [one.connector_refund_id async for one in found], found.problems

    with serving(answer) as server:
        ids, problems = run(listed(server.url))
    assert ids == ["r1", "r2"]
    assert len(problems) == 1


def test_a_list_goes_on_after_a_cancelled_page() -> None:
    slow = iter([False, True])

    def answer(asked: Asked) -> Response:
        if next(slow, False):
            time.sleep(0.3)
        return Pages(*refunds(1, 2, 3))(asked)

    async def listed(url: str) -> list[Any]:
        async with client(url) as acme:
            found = acme.list(since=SINCE, page_size=1)
            ids = [(await anext(found)).connector_refund_id]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(found), 0.05)
            return [*ids, *[one.connector_refund_id async for one in found]]

    with serving(answer) as server:
        assert run(listed(server.url)) == ["r1", "r2", "r3"]


def test_a_list_goes_on_after_a_cancelled_look_up() -> None:
    slow = iter([True])

    def answer(asked: Asked) -> Response:
        if "/refunds/" not in asked.path:
            return json_answer({"hints": ["r1", "r2"], "next": None})
        if next(slow, False):
            time.sleep(0.3)
        return json_answer({**DONE, "id": asked.path.rpartition("/")[2]})

    async def listed(url: str) -> list[Any]:
        async with client(url) as acme:
            found = acme.list(since=SINCE)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(found), 0.1)
            return [one.connector_refund_id async for one in found]

    with serving(answer) as server:
        assert run(listed(server.url)) == ["r1", "r2"]


def test_observers_see_what_was_listed() -> None:
    watcher = Watcher()

    async def listed(url: str) -> None:
        async with client(url, plugins=[watcher]) as acme:
            async for _ in acme.list(since=SINCE):
                pass

    with serving(Pages(*refunds(1, 2))) as server:
        run(listed(server.url))
    seen = [one for one in watcher.seen if isinstance(one, Observation)]
    assert [(one.connector_refund_id, one.source) for one in seen] == [("r1", "list"), ("r2", "list")]


def test_a_window_that_cannot_be_is_said_at_once() -> None:
    acme = client()
    with pytest.raises(InvalidQuery):
        acme.list(since=datetime(2026, 2, 20))  # noqa: DTZ001
    with pytest.raises(InvalidQuery):
        acme.list(page_size=0)


# Wait


def waiting(answers: list[Response], last: Response, **options: Any) -> tuple[WaitOutcome, FakeClock]:
    """The outcome of a wait that gets these answers and then the last one for ever, and its clock."""
    clock = FakeClock()

    async def wait(url: str) -> WaitOutcome:
        async with client(url, clock=clock) as acme:
            return await acme.wait(connector_refund_id="r1", **options)

    with serving(lambda _: answers.pop(0) if answers else last) as server:
        return run(wait(server.url)), clock


def test_it_asks_ever_less_often_until_the_refund_settles() -> None:
    seen: list[RefundStatus] = []
    open_answers = [json_answer({**DONE, "status": "open"})] * 4
    outcome, clock = waiting(open_answers, json_answer(DONE), on_poll=lambda one: seen.append(one.status))
    assert outcome.reason is WaitEnd.SETTLED
    assert outcome.polls == 5
    assert len(seen) == 5
    assert clock.slept == sorted(clock.slept)


def test_a_wait_ends_with_its_time_or_with_an_error() -> None:
    outcome, clock = waiting([], json_answer({**DONE, "status": "open"}), timeout=100)
    assert outcome.reason is WaitEnd.OPEN
    assert sum(clock.slept) == pytest.approx(100)
    with pytest.raises(NotARefund):
        waiting([], json_answer({"kind": "payment"}))
    with pytest.raises(RefundNotFound):
        waiting([json_answer({**DONE, "status": "open"})], json_answer({}, 404))


# Webhooks


def test_a_webhook_is_verified_and_mapped() -> None:
    body = encode_json(DONE)

    async def deliver(signature: str) -> Any:
        async with client(webhook_secret="w-123456") as acme:
            return await acme.handle_event(body=body, headers={"X-Signature": signature})

    delivery = run(deliver(hmac_hex(b"w-123456", body)))
    assert delivery.events[0].refund.status is RefundStatus.SUCCEEDED
    assert delivery.reply.status_code == 200
    with pytest.raises(SignatureError) as caught:
        run(deliver("forged"))
    assert caught.value.reply is not None
    assert caught.value.reply.status_code == 400


# The client itself


@pytest.mark.parametrize("method", ["__init__", "from_account", "get", "wait", "list", "handle_event", "close"])
def test_both_clients_take_the_same(method: str) -> None:
    blocking, ours = (inspect.signature(getattr(kind, method)) for kind in (RefundClient, AsyncRefundClient))

    def without_types(signature: inspect.Signature) -> list[tuple[str, object, object]]:
        return [(one.name, one.kind, one.default) for one in signature.parameters.values()]

    assert without_types(ours) == without_types(blocking)


class Watcher:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def refund_observed(self, observation: Observation) -> None:
        self.seen.append(observation)

    @hookimpl
    def request_sent(self, account: str, request: Request) -> None:
        self.seen.append((account, request))

    @hookimpl
    def response_received(self, response: Response, elapsed: timedelta) -> None:
        self.seen.append((response.status_code, elapsed))


def test_observers_see_what_happens_and_no_credential(caplog: pytest.LogCaptureFixture) -> None:
    watcher = Watcher()
    with caplog.at_level(logging.DEBUG), serving(lambda _: json_answer(DONE)) as server:
        run(get(server.url, options={"plugins": [watcher], "account_name": "acme-eu"}))
    (account, request), (status, elapsed), observation = watcher.seen
    assert (account, request.path, status) == ("acme-eu", "/refunds/r1", 200)
    assert elapsed >= timedelta(0)
    assert (observation.account, observation.connector_refund_id, observation.source) == ("acme-eu", "r1", "get")
    assert "k-123456" not in repr(watcher.seen) + caplog.text


def test_a_client_of_a_configured_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "refundry.toml"
    config.write_text('[accounts.eu]\nconnector = "stripe"\ntimeout = 5\napi_key = { env = "EU_KEY" }\n')
    monkeypatch.setenv("EU_KEY", "sk_test_123456")
    stripe = AsyncRefundClient.from_account("eu", config)
    assert (stripe.account.name, stripe.account.connector.name) == ("eu", "stripe")
    assert repr(stripe) == "AsyncRefundClient('stripe', environment='SANDBOX')"
    with pytest.raises(ConfigurationError):
        AsyncRefundClient.from_account("us", config)


def test_a_client_that_was_closed_says_so() -> None:
    async def after_close() -> None:
        acme = client()
        await acme.close()
        await acme.close()
        await acme.get(connector_refund_id="r1")

    with pytest.raises(ConfigurationError, match="closed"):
        run(after_close())


def test_what_a_processor_cannot_do_is_said() -> None:
    class WebhooksOnly(Acme):
        name = "webhooks-only"
        fetch_refund = map_refund = fetch_refunds = map_refunds = None  # type: ignore[assignment]
        listing: Listing | None = None  # type: ignore[misc]

    async def ask() -> None:
        async with AsyncRefundClient(WebhooksOnly, webhook_secret="w-123456") as acme:
            with pytest.raises(UnsupportedOperation):
                acme.list()
            with pytest.raises(UnsupportedOperation):
                acme.get_many([])
            await acme.get(connector_refund_id="r1")

    with pytest.raises(UnsupportedOperation, match="handle_event"):
        run(ask())
