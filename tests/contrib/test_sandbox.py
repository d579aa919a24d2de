"""The sandbox, over real HTTP on loopback, for every installed connector."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import attrs
import pytest
import requests

import refundry_sandbox.sandbox as sandbox_module
from refundry import RefundClient
from refundry.connector import settings_of
from refundry.errors import (
    AuthenticationError,
    ConfigurationError,
    MappingError,
    NetworkError,
    ProcessorUnavailable,
    RateLimited,
    ReadTimeout,
    RefundNotFound,
    RefundryError,
    SignatureError,
    UnknownConnector,
)
from refundry.http import Response
from refundry.model import FAILED, SUCCEEDED, UNKNOWN, Delivery, Money, Refund
from refundry.plugins import connector_names, load_connector, load_sandbox
from refundry.sandbox import varied
from refundry.waiting import WaitEnd
from refundry_sandbox import Fault, Sandbox, SandboxClock
from refundry_sandbox.server import read_call

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MORE_THAN_ALL_TRIES = 9

with Sandbox() as _looked_at:
    NAMES = _looked_at.names
    GETTABLE = [name for name in NAMES if _looked_at.client(name).account.can("get")]
    LISTABLE = [name for name in NAMES if _looked_at.client(name).account.can("list")]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(speed=0, start=START) as opened:
        yield opened


def query_of(name: str, refund: Refund) -> dict[str, Any]:
    """What this connector needs to be asked for a refund, and no more."""
    wanted = {field for names in load_connector(name).identifiers for field in names}
    asked = refund.query()
    query: dict[str, Any] = {field: value for field, value in asked.items() if field in wanted and "." not in field}
    return {**query, "metadata": asked.metadata} if asked.metadata else query


def only_events_say(name: str, word: str | None) -> bool:
    played_by = load_sandbox(name)
    assert played_by is not None
    return word in played_by.event_words


def get(client: RefundClient, refund: Refund) -> Refund:
    """What the client makes of the processor's answer, without what belongs to the answer alone."""
    return attrs.evolve(client.get(query_of(client.account.connector.name, refund)), status_code=None)


def test_every_installed_connector_is_played(sandbox: Sandbox) -> None:
    assert sandbox.names == connector_names()


# Refunds and what they live through


@pytest.mark.parametrize("name", GETTABLE)
def test_every_life_is_what_the_client_gets_now_and_later(sandbox: Sandbox, name: str) -> None:
    client = sandbox.client(name)
    for life, words in sandbox.lives(name).items():
        refund = sandbox.add(name, life, after=DAY)
        for word in words:
            held = sandbox.refund(name, refund.connector_refund_id or "")
            assert held.connector_status == word
            assert held.status is client.account.connector.statuses[word]
            if not only_events_say(name, word):
                assert get(client, held) == held, life
            sandbox.clock.move(DAY)


def test_a_refund_changes_when_its_time_has_come_and_not_before(sandbox: Sandbox) -> None:
    refund_id = sandbox.add("stripe", "returned", after=3 * DAY).connector_refund_id or ""
    client = sandbox.client("stripe")
    sandbox.clock.move(3 * DAY - timedelta(seconds=1))
    assert client.get(connector_refund_id=refund_id).status is SUCCEEDED
    sandbox.clock.move(timedelta(seconds=1))
    assert client.get(connector_refund_id=refund_id).status is FAILED


def test_a_failed_refund_says_why_and_a_successful_one_can_be_traced(sandbox: Sandbox) -> None:
    failed, done = sandbox.add("stripe", words=("failed",)), sandbox.add("stripe", words=("succeeded",))
    assert failed.error is not None
    assert failed.acquirer_reference_number is None
    assert done.error is None
    assert len(done.acquirer_reference_number or "") == 23


def test_add_takes_what_it_is_given(sandbox: Sandbox) -> None:
    created = START - 2 * DAY
    given: dict[str, Any] = {"merchant_refund_id": "order-7", "connector_refund_id": "re_mine", "created_at": created}
    refund = sandbox.add("stripe", "settles", Money(999, "JPY"), after=DAY, **given)
    assert refund.refund_amount == Money(999, "JPY")
    assert (refund.merchant_refund_id, refund.connector_refund_id, refund.created_at) == tuple(given.values())
    # Its second word has been due since yesterday.
    assert get(sandbox.client("stripe"), refund).status is SUCCEEDED


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "nobody"}, "plays"),
        ({"name": "stripe", "life": "explodes"}, "settles"),
        ({"name": "stripe", "words": ("exploded",)}, "exploded"),
        ({"name": "stripe", "payment_amount": 1}, "payment_amount"),
    ],
)
def test_what_a_processor_does_not_have_is_refused_by_name(sandbox: Sandbox, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        sandbox.add(**wrong)


def test_a_word_that_no_document_has_is_served_where_somebody_asks_for_it(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="rerouted"):
        sandbox.add("stripe", words=("rerouted",))
    made = sandbox.add("stripe", words=("pending", "rerouted"), after=timedelta(0), documented=False)
    answered = sandbox.client("stripe").get(made.query())
    assert (answered.status, answered.connector_status) == (UNKNOWN, "rerouted")


def test_add_all_makes_one_refund_of_every_life(sandbox: Sandbox) -> None:
    made = sandbox.add_all()
    assert {(name, life) for name, life, _ in made} == {
        (name, life) for name in sandbox.names for life in sandbox.lives(name)
    }
    for name, life, refund in made:
        assert refund.connector_status == sandbox.lives(name)[life][0]
        assert sandbox.refund(name, refund.connector_refund_id or "") == refund


@pytest.mark.parametrize("name", GETTABLE)
def test_an_identifier_with_a_slash_stays_one_identifier(sandbox: Sandbox, name: str) -> None:
    refund = sandbox.add(name, connector_refund_id="a/b%2Fc d")
    assert get(sandbox.client(name), refund) == refund


# Lists


@pytest.mark.parametrize("name", LISTABLE)
def test_a_page_size_of_one_lists_the_same_refunds(sandbox: Sandbox, name: str) -> None:
    played_by = load_sandbox(name)
    assert played_by is not None
    facts = {"connector_transaction_id": "pay1", "created_at": START - timedelta(hours=1)}
    shown: dict[str, Any] = {field: value for field, value in facts.items() if field in played_by.expressible}
    made = [sandbox.add(name, life, **shown) for life in sandbox.lives(name)]
    listing = load_connector(name).listing
    assert listing is not None
    payment = {"connector_transaction_id": "pay1"}
    window: dict[str, Any] = payment if listing.basis == "payment" else {"since": START - DAY}
    client = sandbox.client(name)
    listed = {size: {one.connector_refund_id for one in client.list(page_size=size, **window)} for size in (1, 50)}
    assert listed[1] == listed[50] == {one.connector_refund_id for one in made}


# Refusals and faults


@pytest.mark.parametrize("name", GETTABLE)
def test_a_wrong_key_is_refused(sandbox: Sandbox, name: str) -> None:
    secret = {one.name for one in settings_of(load_connector(name)) if one.secret}
    wrong = {field: varied(value) for field, value in sandbox.settings(name).items() if field in secret}
    with pytest.raises(AuthenticationError):
        get(sandbox.client(name, **wrong), sandbox.add(name))


@pytest.mark.parametrize("name", GETTABLE)
def test_an_unknown_refund_is_not_found(sandbox: Sandbox, name: str) -> None:
    refund = sandbox.add(name)
    unknown = {"connector_refund_id": "rf404", "merchant_refund_id": "order404"}
    asked = {field: unknown.get(field, value) for field, value in query_of(name, refund).items()}
    with pytest.raises(RefundNotFound):
        sandbox.client(name).get(asked)
    with pytest.raises(RefundNotFound, match=name):
        sandbox.refund(name, "rf404")


LASTING = {
    Fault.RATE_LIMITED: RateLimited,
    Fault.SERVER_ERROR: ProcessorUnavailable,
    Fault.HTML: MappingError,
    Fault.TRUNCATED: MappingError,
    Fault.RESET: NetworkError,
    Fault.GARBAGE_GZIP: MappingError,
}
PASSING = [Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.RESET, Fault.SLOW]


@pytest.mark.parametrize("name", GETTABLE)
@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_is_its_typed_error(sandbox: Sandbox, name: str, fault: Fault) -> None:
    refund = sandbox.add(name)
    sandbox.inject(name, fault, times=MORE_THAN_ALL_TRIES)
    with pytest.raises(LASTING[fault]):
        get(sandbox.client(name), refund)


@pytest.mark.parametrize("name", GETTABLE)
@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_overcome(sandbox: Sandbox, name: str, fault: Fault) -> None:
    refund = sandbox.add(name)
    sandbox.inject(name, fault, seconds=0.01)
    assert get(sandbox.client(name), refund) == refund
    assert sandbox.requests(name) >= (1 if fault is Fault.SLOW else 2)


def test_a_slow_answer_outlasts_the_patience_of_a_client() -> None:
    with Sandbox(["stripe"]) as sandbox:
        refund = sandbox.add("stripe")
        sandbox.inject("stripe", Fault.SLOW, times=MORE_THAN_ALL_TRIES, seconds=30)
        started = time.monotonic()
        with pytest.raises(ReadTimeout):
            get(sandbox.client("stripe", timeout=0.2), refund)
    # Nor does the sandbox wait for its own slow answers when it is closed.
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("asked", [7, 7.0, timedelta(seconds=7)])
def test_a_rate_limit_may_ask_for_a_wait(sandbox: Sandbox, asked: Any) -> None:
    url = f"{sandbox.base_urls('stripe')['api']}/v1/refunds/re_1"
    sandbox.inject("stripe", Fault.RATE_LIMITED, retry_after=asked)
    sandbox.inject("stripe", Fault.RATE_LIMITED)
    first, second = requests.get(url, timeout=5), requests.get(url, timeout=5)
    assert (first.status_code, first.headers.get("Retry-After")) == (429, "7")
    assert (second.status_code, second.headers.get("Retry-After")) == (429, None)


def test_a_truncated_answer_breaks_the_json_and_not_the_http(sandbox: Sandbox) -> None:
    refund = sandbox.add("stripe")
    sandbox.inject("stripe", Fault.TRUNCATED)
    url = f"{sandbox.base_urls('stripe')['api']}/v1/refunds/{refund.connector_refund_id}"
    key = {"Authorization": f"Bearer {sandbox.settings('stripe')['api_key']}"}
    cut, whole = requests.get(url, headers=key, timeout=5), requests.get(url, headers=key, timeout=5)
    assert int(cut.headers["Content-Length"]) == len(cut.content) == len(whole.content) // 2
    assert whole.content.startswith(cut.content)


def test_a_reset_is_a_reset(sandbox: Sandbox) -> None:
    sandbox.inject("stripe", Fault.RESET)
    host, port = sandbox.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /stripe/api/v1/refunds/re_1 HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1000)


# The server


def test_it_answers_on_loopback_alone(sandbox: Sandbox) -> None:
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert sandbox.base_urls("stripe") == {"api": f"{sandbox.url}/stripe/api"}


@pytest.mark.parametrize("path", ["/", "/nobody/api/v1", "/stripe", "/stripe/nowhere/v1"])
def test_an_address_that_is_nobodys_says_which_are_somebodys(sandbox: Sandbox, path: str) -> None:
    answer = requests.get(sandbox.url + path, timeout=5)
    assert answer.status_code == 404
    assert "stripe" in answer.text


def test_a_call_of_the_processor_that_it_does_not_have_is_its_own_refusal(sandbox: Sandbox) -> None:
    key = {"Authorization": f"Bearer {sandbox.settings('stripe')['api_key']}"}
    answer = requests.post(f"{sandbox.base_urls('stripe')['api']}/v1/refunds", headers=key, timeout=5)
    assert answer.status_code == 400
    assert "error" in answer.json()


@pytest.mark.parametrize("target", ["/acme/auth/a%2Fb/c?x=%2F&y", "http://127.0.0.1:80/acme/auth/a%2Fb/c?x=%2F&y"])
def test_a_call_is_read_as_it_was_sent(target: str) -> None:
    class Body:
        def read(self) -> bytes:
            return b"body"

    environ = {
        "REQUEST_METHOD": "PUT",
        "REQUEST_URI": target,
        "HTTP_HOST": "127.0.0.1:80",
        "HTTP_X_NAME": "value",
        "CONTENT_TYPE": "text/plain",
        "wsgi.input": Body(),
    }
    name, call = read_call(environ)
    assert (name, call.base, call.method, call.path, call.body) == ("acme", "auth", "PUT", "/a%2Fb/c", b"body")
    assert call.url == "http://127.0.0.1:80/acme/auth/a%2Fb/c?x=%2F&y"
    assert call.segments == ("a/b", "c")
    assert (call.header("X-Name"), call.header("Content-Type")) == ("value", "text/plain")


def test_many_threads_ask_and_add_at_once(sandbox: Sandbox) -> None:
    client = sandbox.client("stripe")

    def add_and_get(number: int) -> bool:
        refund = sandbox.add("stripe", merchant_refund_id=f"order{number}")
        return get(client, refund) == refund

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(add_and_get, range(200)))
    assert sandbox.requests("stripe") == 200
    sandbox.clock.move(timedelta(seconds=1))
    assert len(list(client.list(since=START - DAY))) == 200


def test_a_closed_sandbox_leaves_its_port_free() -> None:
    with Sandbox(["stripe"]) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            Sandbox(["stripe"], port=port)
        first.client("stripe").get(query_of("stripe", first.add("stripe")))
    with Sandbox(["stripe"], port=port) as second:
        assert second.url == first.url
        second.client("stripe").get(query_of("stripe", second.add("stripe")))
    assert not [thread for thread in threading.enumerate() if thread.name == "refundry-sandbox"]


def test_a_proxy_of_the_environment_is_not_asked(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    refund = sandbox.add("stripe")
    assert get(sandbox.client("stripe"), refund) == refund


def test_a_plugin_whose_sandbox_is_broken_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(name: str) -> Any:
        if name == "stripe":
            raise ConfigurationError("cannot be imported")
        return load_sandbox(name)

    monkeypatch.setattr(sandbox_module, "load_sandbox", broken)
    with caplog.at_level(logging.WARNING), Sandbox() as sandbox:
        assert sandbox.names == tuple(name for name in NAMES if name != "stripe")
    assert "stripe" in caplog.text
    with pytest.raises(ConfigurationError, match="cannot be imported"):
        Sandbox(["stripe"])


def test_a_connector_that_is_not_installed_is_named() -> None:
    with pytest.raises(UnknownConnector, match="acme"):
        Sandbox(["acme"])


def test_settings_and_urls_are_what_a_client_takes(sandbox: Sandbox) -> None:
    for name in sandbox.names:
        made = RefundClient(name, base_url=sandbox.base_urls(name), **sandbox.settings(name))
        assert made.account.urls == sandbox.base_urls(name)


# Webhooks


@contextmanager
def endpoint(client: RefundClient) -> Iterator[tuple[str, list[Delivery]]]:
    """A merchant's endpoint: its address, and what it accepted."""
    accepted: list[Delivery] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                delivery = client.handle_event(body=body, headers=self.headers.items(), url=self.path)
                reply = delivery.reply
                accepted.append(delivery)
            except SignatureError as error:
                reply = error.reply or Response(500)
            self.send_response(reply.status_code)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hooks", accepted
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", NAMES)
def test_webhooks_are_accepted_by_a_real_endpoint(sandbox: Sandbox, name: str) -> None:
    if not sandbox.client(name).account.can("webhook"):
        pytest.skip(f"{name} has no webhook")
    with endpoint(sandbox.client(name)) as (url, accepted):
        for life, words in sandbox.lives(name).items():
            refund_id = sandbox.add(name, life, after=DAY).connector_refund_id or ""
            for word in words:
                [status] = sandbox.deliver(name, refund_id, url)
                assert 200 <= status < 300
                [event] = accepted.pop().events
                if event.refund is not None:
                    assert event.refund.connector_refund_id in (None, refund_id)
                    assert event.refund.status is load_connector(name).statuses[word]
                sandbox.clock.move(DAY)


def test_a_webhook_signed_with_another_secret_is_refused(sandbox: Sandbox) -> None:
    refund_id = sandbox.add("stripe").connector_refund_id or ""
    with endpoint(sandbox.client("stripe", webhook_secret="whsec_another")) as (url, accepted):
        assert sandbox.deliver("stripe", refund_id, url) == [400]
    assert accepted == []


def test_webhooks_come_repeated_and_out_of_order(sandbox: Sandbox) -> None:
    made = [("stripe", sandbox.add("stripe").connector_refund_id or "") for _ in range(6)]
    with endpoint(sandbox.client("stripe")) as (url, accepted):
        replies = sandbox.deliver_all(made, url_for=lambda name: f"{url}/{name}", copies=2, shuffle=Random(1))
    assert replies == [200] * 12
    ids = [(delivery.events[0].query.connector_refund_id, delivery.events[0].event_id) for delivery in accepted]
    in_order = [refund_id for _, refund_id in made for _ in range(2)]
    assert len(set(ids)) == 6
    assert sorted(refund_id or "" for refund_id, _ in ids) == sorted(in_order)
    assert [refund_id for refund_id, _ in ids] != in_order


def test_a_start_makes_the_events_of_a_sandbox_repeatable() -> None:
    def body(start: datetime | None) -> bytes:
        with Sandbox(["stripe"], speed=0, start=start) as sandbox:
            created = sandbox.add("stripe", created_at=START)
            return sandbox.event("stripe", created.connector_refund_id or "").body

    assert body(START) == body(START)
    assert body(None) != body(None)


@pytest.mark.parametrize("url", ["https://merchant.example/hooks", "http://10.0.0.1/hooks", "hooks"])
def test_webhooks_go_to_this_machine_alone(sandbox: Sandbox, url: str) -> None:
    refund_id = sandbox.add("stripe").connector_refund_id or ""
    with pytest.raises(ConfigurationError, match="this machine"):
        sandbox.deliver("stripe", refund_id, url)


# The clock


def test_a_fast_clock_settles_a_refund_of_days_in_a_moment() -> None:
    with Sandbox(["stripe"], speed=200_000) as sandbox:
        refund = sandbox.add("stripe", after=3 * DAY)
        started = time.monotonic()
        outcome = sandbox.client("stripe").wait(query_of("stripe", refund), timeout=30 * 86400)
    assert outcome.reason is WaitEnd.SETTLED
    assert outcome.waited >= 3 * DAY - timedelta(seconds=1)
    assert time.monotonic() - started < 30


def test_the_clock_runs_at_its_speed() -> None:
    clock = SandboxClock(1000, START)
    started, now = time.monotonic(), clock.now()
    clock.sleep(50)
    elapsed = time.monotonic() - started
    assert 0.05 <= elapsed < 5
    assert timedelta(seconds=50) <= clock.now() - now <= timedelta(seconds=1000 * (elapsed + 1))
    assert now >= START


def test_a_clock_without_speed_moves_by_hand_alone() -> None:
    clock = SandboxClock(0, START)
    time.sleep(0.01)
    assert clock.now() == START
    clock.sleep(90)
    clock.move(DAY)
    assert (clock.now(), clock.monotonic()) == (START + DAY + timedelta(seconds=90), 86490.0)


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(ValueError, match="backwards"):
        SandboxClock(-1)
    with pytest.raises(ValueError, match="backwards"):
        SandboxClock().move(-DAY)


def test_no_text_of_an_error_holds_a_credential(sandbox: Sandbox) -> None:
    for name in GETTABLE:
        secrets = [str(value) for value in sandbox.settings(name).values()]
        sandbox.inject(name, Fault.SERVER_ERROR, times=MORE_THAN_ALL_TRIES)
        with pytest.raises(RefundryError) as caught:
            get(sandbox.client(name), sandbox.add(name))
        assert not any(secret in str(caught.value) for secret in secrets)
