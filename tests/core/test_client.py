"""The client against a real server on loopback."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from acme import DONE, Acme, Asked, json_answer, serving

from refundry import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    InvalidQuery,
    MappingError,
    Money,
    NetworkError,
    NotARefund,
    ProcessorUnavailable,
    RateLimited,
    ReadTimeout,
    RefundClient,
    RefundNotFound,
    RefundQuery,
    RefundryError,
    RefundStatus,
    UnsupportedOperation,
)
from refundry.hookspecs import hookimpl
from refundry.http import Request, Response
from refundry.state import Observation
from refundry.testing import FakeClock

BIG = b'{"id": "' + b"x" * (1 << 21) + b'"}'


def client(url: str, **options: Any) -> RefundClient:
    given = {"key": "k-123456", "clock": FakeClock(), "base_url": {"api": url, "auth": url}, **options}
    return RefundClient(Acme, **given)


def test_one_refund() -> None:
    with serving(lambda _: json_answer(DONE, X_Request_Id="q1")) as server, client(server.url) as acme:
        refund = acme.get(connector_refund_id="r1", merchant_refund_id="order-1")
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
    with serving(lambda _: json_answer(DONE)) as server, client(server.url) as acme:
        for query in (RefundQuery(connector_refund_id="r1"), {"connector_refund_id": "r1"}, {"refund_id": "r1"}):
            assert acme.get(query).connector_refund_id == "r1"
        assert acme.get(RefundQuery(connector_refund_id="r1"), refund_id="r1", currency="EUR").connector_refund_id


def test_an_answer_about_another_refund_is_an_error_and_never_the_refund() -> None:
    with serving(lambda _: json_answer(DONE)) as server, client(server.url) as acme:
        with pytest.raises(MappingError, match="another refund") as raised:
            acme.get(connector_refund_id="r2")
        assert (raised.value.field, raised.value.operation) == ("connector_refund_id", "get")
        assert acme.get(connector_refund_id="R1").connector_refund_id == "r1", "an id is read in either case"


def test_a_second_request_finds_the_currency() -> None:
    without = {name: value for name, value in DONE.items() if name != "currency"}

    def answer(asked: Asked) -> Response:
        return json_answer({"currency": "JPY"} if asked.path.startswith("/payments") else without)

    with serving(answer) as server, client(server.url) as acme:
        refund = acme.get(connector_refund_id="r1")
        assert refund.refund_amount == Money(1050, "JPY")
        assert b'"r1"' in refund.raw
        assert [one.path for one in server.asked] == ["/refunds/r1", "/payments/p1"]
        assert acme.get(connector_refund_id="r1", currency="EUR").refund_amount == Money(1050, "EUR")
        assert len(server.asked) == 3


def test_a_failed_second_request_fails_the_get() -> None:
    without = {name: value for name, value in DONE.items() if name != "currency"}

    def answer(asked: Asked) -> Response:
        return json_answer({}, 500) if asked.path.startswith("/payments") else json_answer(without)

    with serving(answer) as server, client(server.url) as acme, pytest.raises(ProcessorUnavailable):
        acme.get(connector_refund_id="r1")


def test_a_connector_that_goes_in_circles_is_stopped() -> None:
    with serving(lambda _: json_answer({"kind": "circle"})) as server, client(server.url) as acme:
        with pytest.raises(MappingError, match="too often"):
            acme.get(connector_refund_id="r1")
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "expected", "retryable"),
    [
        (json_answer({}, 401), AuthenticationError, False),
        (json_answer({}, 403), AuthenticationError, False),
        (json_answer({}, 404), RefundNotFound, False),
        (json_answer({}, 410), RefundNotFound, False),
        (json_answer({}, 422), ConnectorError, False),
        (json_answer({}, 429), RateLimited, True),
        (json_answer({}, 408), ProcessorUnavailable, True),
        (json_answer({}, 500), ProcessorUnavailable, True),
        (json_answer({"error": "busy"}), RateLimited, True),
        (json_answer({"kind": "payment"}), NotARefund, False),
        (json_answer({"id": None}), MappingError, False),
        (json_answer([]), MappingError, False),
        (Response(200, {"Content-Type": "text/html"}, b"<html>"), MappingError, False),
        (Response(404, {"Content-Type": "text/html"}, b"<html>"), ConnectorError, False),
        (Response(302, {"Location": "https://evil.example/"}), ConnectorError, False),
        (Response(200, {"Content-Encoding": "gzip"}, b"not gzip"), MappingError, False),
        (Response(200, {}, BIG), MappingError, False),
        (Response(200, {"Content-Encoding": "gzip"}, gzip.compress(BIG)), MappingError, False),
        (Response(200, {"Content-Length": "100000", "Connection": "close"}, b'{"id"'), NetworkError, True),
        (Response(200, {"Transfer-Encoding": "chunked", "Connection": "close"}, b'5\r\n{"id"\r\n'), NetworkError, True),
    ],
)
def test_every_odd_answer_is_a_typed_error(answer: Response, expected: type[RefundryError], retryable: bool) -> None:
    broken = {"content-length", "transfer-encoding"} & set(answer.headers)
    with serving(lambda _: answer) as server, client(server.url, timeout=2 if broken else 30) as acme:
        with pytest.raises(expected) as caught:
            acme.get(connector_refund_id="r1")
    error = caught.value
    assert type(error) is expected or broken
    assert error.connector == "acme"
    assert error.operation == "get"
    assert error.retryable is retryable
    assert "k-123456" not in str(error)


def test_the_request_id_and_status_are_in_the_error() -> None:
    answer = json_answer({}, 500, X_Request_Id="q-77")
    with serving(lambda _: answer) as server, client(server.url) as acme, pytest.raises(ProcessorUnavailable) as caught:
        acme.get(connector_refund_id="r1")
    assert (caught.value.request_id, caught.value.status_code) == ("q-77", 500)
    assert "q-77" in str(caught.value)


def test_a_passing_error_is_tried_again() -> None:
    answers = [json_answer({}, 503), json_answer({}, 429, Retry_After="3"), json_answer(DONE)]
    clock = FakeClock()
    with serving(lambda _: answers.pop(0)) as server, client(server.url, clock=clock) as acme:
        assert acme.get(connector_refund_id="r1").status is RefundStatus.SUCCEEDED
    assert len(clock.slept) == 2
    assert clock.slept[1] == 3


def test_there_are_three_tries_at_most() -> None:
    with serving(lambda _: json_answer({}, 503)) as server, client(server.url) as acme:
        with pytest.raises(ProcessorUnavailable):
            acme.get(connector_refund_id="r1")
        assert len(server.asked) == 3


def test_a_limiter_of_another_kind_is_made_for_the_accounts_rate() -> None:
    made: list[float | None] = []
    clock = FakeClock()

    class Late:
        def reserve(self, now: float, longest: float) -> float:
            return 3.0

    def make(per_second: float | None) -> Late:
        made.append(per_second)
        return Late()

    with serving(lambda _: json_answer(DONE)) as server:
        for options in ({"rate_limit": 7.0}, {}):
            with client(server.url, clock=clock, limiter=make, **options) as acme:
                acme.get(refund_id="r1")
    assert made == [7, None]
    assert clock.slept == [3, 3]


def test_a_wait_that_does_not_fit_the_deadline_ends_at_once() -> None:
    clock = FakeClock()
    with serving(lambda _: json_answer({}, 429, Retry_After="60")) as server, client(server.url, clock=clock) as acme:
        with pytest.raises(RateLimited) as caught:
            acme.get(connector_refund_id="r1")
    assert caught.value.retry_after == timedelta(seconds=60)
    assert clock.slept == []


def test_a_connectors_own_error_keeps_the_wait_of_the_header() -> None:
    clock = FakeClock()
    answers = [json_answer({"error": "busy"}, Retry_After="9"), json_answer({"error": "slow"}, 503, Retry_After="4")]
    with serving(lambda _: answers.pop(0) if answers else json_answer(DONE)) as server:
        with client(server.url, clock=clock) as acme:
            assert acme.get(connector_refund_id="r1").status is RefundStatus.SUCCEEDED
    assert clock.slept == [2, 4], "the connector's own wait comes first, then the header's"


def test_a_processor_that_drips_is_left_at_the_deadline() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.05):
            try:
                connection.sendall(b" ")
            except OSError:
                break
        connection.close()

    thread = threading.Thread(target=drip)
    thread.start()
    started = time.monotonic()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with RefundClient(Acme, key="k-123456", base_url=url, timeout=0.5) as acme, pytest.raises(ReadTimeout):
            acme.get(connector_refund_id="r1")
        assert time.monotonic() - started < 5
    finally:
        stop.set()
        thread.join()
        listener.close()


def test_a_silent_processor_is_a_read_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with RefundClient(Acme, key="k-123456", base_url=url, timeout=0.3) as acme, pytest.raises(ReadTimeout):
            acme.get(connector_refund_id="r1")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with client(f"http://127.0.0.1:{port}") as acme, pytest.raises(NetworkError, match="check the network"):
        acme.get(connector_refund_id="r1")


# Tokens


def oauth(url: str, **options: Any) -> RefundClient:
    return client(url, key=None, client_id="c", client_secret="s-123456", **options)


def test_a_token_is_asked_for_once_and_shared_by_threads() -> None:
    def answer(asked: Asked) -> Response:
        if asked.path == "/token":
            time.sleep(0.05)
            return json_answer({"access_token": "t-1", "expires_in": 3600})
        return json_answer(DONE)

    with serving(answer) as server, oauth(server.url) as acme:
        threads = [threading.Thread(target=acme.get, kwargs={"connector_refund_id": "r1"}) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [one.path for one in server.asked].count("/token") == 1
        assert {one.headers["authorization"] for one in server.asked if one.path != "/token"} == {"Bearer t-1"}


def test_a_refused_token_is_renewed_once() -> None:
    tokens = iter(range(100))

    def answer(asked: Asked) -> Response:
        if asked.path == "/token":
            return json_answer({"access_token": f"t-{next(tokens)}", "expires_in": 3600})
        return json_answer(DONE) if asked.headers["authorization"] == "Bearer t-1" else json_answer({}, 401)

    with serving(answer) as server, oauth(server.url) as acme:
        assert acme.get(connector_refund_id="r1").connector_refund_id == "r1"
        assert [one.path for one in server.asked] == ["/token", "/refunds/r1", "/token", "/refunds/r1"]
    with serving(lambda asked: answer(asked) if asked.path == "/token" else json_answer({}, 401)) as server:
        with oauth(server.url) as acme, pytest.raises(AuthenticationError):
            acme.get(connector_refund_id="r1")
        assert len(server.asked) == 4


def test_an_expired_token_is_renewed_before_it_is_refused() -> None:
    def answer(asked: Asked) -> Response:
        return json_answer({"access_token": "t-1", "expires_in": 100} if asked.path == "/token" else DONE)

    clock = FakeClock()
    with serving(answer) as server, oauth(server.url, clock=clock) as acme:
        for _ in range(3):
            acme.get(connector_refund_id="r1")
            clock.advance(timedelta(seconds=60))
        assert [one.path for one in server.asked].count("/token") == 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_token_request_is_an_authentication_error(status: int) -> None:
    with serving(lambda _: json_answer({"error": "invalid_client"}, status)) as server, oauth(server.url) as acme:
        with pytest.raises(AuthenticationError) as caught:
            acme.get(connector_refund_id="r1")
    assert caught.value.operation == "token"
    assert "s-123456" not in str(caught.value)


def test_a_token_that_cannot_be_read_is_a_mapping_error() -> None:
    with serving(lambda _: json_answer({"expires_in": 5})) as server, oauth(server.url) as acme:
        with pytest.raises(MappingError, match="access_token"):
            acme.get(connector_refund_id="r1")


# Observers


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


def test_observers_see_what_happens_and_no_credential() -> None:
    watcher = Watcher()
    with serving(lambda _: json_answer(DONE)) as server:
        with client(server.url, plugins=[watcher], account_name="acme-eu") as acme:
            acme.get(connector_refund_id="r1")
    (account, request), (status, elapsed), observation = watcher.seen
    assert (account, request.path, status) == ("acme-eu", "/refunds/r1", 200)
    assert elapsed >= timedelta(0)
    assert "k-123456" not in repr(watcher.seen)
    assert (observation.account, observation.connector_refund_id, observation.source) == ("acme-eu", "r1", "get")


def test_an_observer_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        @hookimpl
        def refund_observed(self) -> None:
            raise RuntimeError("k-123456")

    with serving(lambda _: json_answer(DONE)) as server, client(server.url, plugins=[Broken(), Watcher()]) as acme:
        assert acme.get(connector_refund_id="r1").connector_refund_id == "r1"
    assert "RuntimeError in refund_observed" in caplog.text
    assert "k-123456" not in caplog.text


def test_an_observer_with_a_misspelt_or_a_connectors_hook_is_refused() -> None:
    class Misspelt:
        @hookimpl
        def refund_obseved(self) -> None: ...

    class Meddler:
        @hookimpl
        def map_refund(self) -> None: ...

    for plugin in (Misspelt(), Meddler()):
        with pytest.raises(ConfigurationError, match=type(plugin).__name__):
            client("https://x.example", plugins=[plugin])


# The application's own session


def test_an_applications_session_is_used_and_left_open() -> None:
    class Counting(requests.adapters.HTTPAdapter):
        sent = 0

        def send(self, *arguments: Any, **options: Any) -> requests.Response:
            Counting.sent += 1
            return super().send(*arguments, **options)

    session = requests.Session()
    session.mount("http://", Counting())
    with serving(lambda _: json_answer(DONE)) as server:
        for _ in range(2):
            with client(server.url, session=session) as acme:
                acme.get(connector_refund_id="r1")
    assert Counting.sent == 2
    session.close()


def test_verification_cannot_be_switched_off() -> None:
    session = requests.Session()
    session.verify = False
    with pytest.raises(ConfigurationError, match="CA bundle"):
        client("https://x.example", session=session)


def test_netrc_does_not_replace_the_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(lambda _: json_answer(DONE)) as server, client(server.url) as acme:
        acme.get(connector_refund_id="r1")
        assert server.asked[0].headers["authorization"] == "Bearer k-123456"


# Configuration


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "key, or client_id and client_secret"),
        ({"client_id": "c"}, "client_id and client_secret"),
        ({"key": ""}, "key is empty"),
        ({"key": "  "}, "key is empty"),
        ({"key": "abc\n"}, "line end"),
        ({"keyy": "k"}, "did you mean key"),
        ({"whatever": "k"}, "its settings are key"),
        ({"key": "k", "environment": "LIVE"}, "SANDBOX or PRODUCTION"),
        ({"key": "k", "base_url": "http://acme.example"}, "https"),
        ({"key": "k", "base_url": "ftp://acme.example"}, "https"),
        ({"key": "k", "base_url": "https://user:pw@acme.example"}, "user name"),
        ({"key": "k", "base_url": {"apis": "https://acme.example"}}, "'apis'.*api, auth"),
        ({"key": "k", "base_url": "http://[::1"}, "no URL"),
        ({"key": "k", "base_url": 5}, "base_url must be text"),
        ({"key": "k", "base_url": {"api": 5}}, "base_url must be text"),
        ({"key": 5}, "key must be text, not int"),
        ({"key": "k", "webhook_secret": 5}, "webhook secret is text"),
        ({"key": "k", "timeout": -1}, "timeout must be a number of more than 0"),
        ({"key": "k", "timeout": "soon"}, "timeout must be a number"),
        ({"key": "k", "timeout": float("nan")}, "timeout must be a number"),
        ({"key": "k", "rate_limit": 0}, "rate_limit must be a number"),
        ({"webhook_secret": ""}, "empty"),
        ({"webhook_secret": ["a", ""]}, "empty"),
    ],
)
def test_a_wrong_setting_is_named(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        RefundClient(Acme, **options)
    assert caught.value.connector == "acme" or reason.startswith(("timeout", "rate_limit"))


def test_a_setting_missing_for_one_operation_disables_that_one() -> None:
    hears = RefundClient(Acme, webhook_secret="w-123456")
    with pytest.raises(ConfigurationError, match="get needs it"):
        hears.get(connector_refund_id="r1")
    asks = RefundClient(Acme, key="k-123456")
    with pytest.raises(ConfigurationError, match="webhook_secret"):
        asks.handle_event(body=b"", headers={})


def test_a_missing_identifier_is_named_before_any_request() -> None:
    with serving(lambda _: json_answer(DONE)) as server, client(server.url) as acme:
        with pytest.raises(InvalidQuery, match="connector_refund_id"):
            acme.get(merchant_refund_id="order-1")
        with pytest.raises(InvalidQuery, match="unknown query field 'id'"):
            acme.get(id="r1")
        assert server.asked == []


def test_what_a_connector_does_not_implement_says_what_to_do() -> None:
    class Deaf(Acme):
        name = "deaf"
        fetch_refund = None  # type: ignore[assignment]

    with pytest.raises(UnsupportedOperation, match="Acme Pay has no get.*list its refunds or pass its webhooks"):
        RefundClient(Deaf, key="k-123456").get(connector_refund_id="r1")


def test_a_slip_of_a_connector_is_a_mapping_error_without_the_answer() -> None:
    class Slip(Acme):
        name = "slip"

        @hookimpl
        def map_refund(self, response: Response) -> Any:
            return response.json()["private"]["missing"]

    answer = json_answer({"private": {"card": "4111"}})
    with serving(lambda _: answer) as server:
        with RefundClient(Slip, key="k-123456", base_url=server.url) as slip, pytest.raises(MappingError) as caught:
            slip.get(connector_refund_id="r1")
    assert "KeyError in map_refund" in str(caught.value)
    assert "4111" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_the_processor_says_is_scrubbed() -> None:
    class Chatty(Acme):
        name = "chatty"

        @hookimpl
        def map_error(self, response: Response) -> RefundryError | None:
            return ConnectorError(response.body.decode())

    text = b"no such key k-123456\x1b[31m" + b"x" * 1000
    with serving(lambda _: Response(400, {}, text)) as server:
        with (
            RefundClient(Chatty, key="k-123456", base_url=server.url) as chatty,
            pytest.raises(ConnectorError) as caught,
        ):
            chatty.get(connector_refund_id="r1")
    assert "k-123456" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_repr_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), serving(lambda _: json_answer(DONE)) as server:
        acme = client(server.url, webhook_secret="w-123456")
        acme.get(connector_refund_id="r1")
        shown = repr(acme) + repr(acme.account) + repr(acme.account.connector) + caplog.text
        acme.close()
    assert "123456" not in shown
    assert repr(acme) == "RefundClient('acme', environment='SANDBOX')"


def test_times_of_an_event_are_the_receivers() -> None:
    acme = RefundClient(Acme, webhook_secret="w-123456", webhook_url="https://m.example/hook?a=1")
    moment = datetime(2026, 3, 2, 9, tzinfo=UTC)
    with pytest.raises(RefundryError) as caught:
        acme.handle_event(body=b"{}", headers={}, url="http://127.0.0.1/x?b=2", received_at=moment)
    assert "X-Signature" in str(caught.value)
