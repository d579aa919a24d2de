"""What observers are told of operations and of each request within them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from acme import DONE, Acme, Asked, json_answer, serving

from refundry import ProcessorUnavailable, RefundClient, RefundNotFound, SignatureError
from refundry.exchange import Exchange
from refundry.hookspecs import Attempt, hookimpl
from refundry.http import Response
from refundry.model import RefundQuery
from refundry.steps import NeedToken, Send
from refundry.testing import FakeClock

OAUTH = {"client_id": "c-123456", "client_secret": "s-123456"}
DAY = datetime(2026, 3, 2, tzinfo=UTC)
TOKEN = {"access_token": "t-123456", "expires_in": 3600}


@attrs.define
class Witness:
    """Writes down what it is told, in one line each."""

    lines: list[str] = attrs.field(factory=list)
    attempts: list[Attempt] = attrs.field(factory=list)

    @hookimpl
    def operation_started(self, account: str, operation: str) -> None:
        self.lines.append(f"{account} {operation} started")

    @hookimpl
    def operation_ended(self, operation: str, error: BaseException | None) -> None:
        self.lines.append(f"{operation} ended {type(error).__name__ if error else 'well'}")

    @hookimpl
    def attempt_ended(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        said = attempt.response.status_code if attempt.response else "-"
        came = type(attempt.error).__name__ if attempt.error else "well"
        self.lines.append(f"{attempt.operation} {attempt.number} {said} {came}")


def client(url: str, witness: Witness, **options: Any) -> RefundClient:
    given = {"key": "k-123456", "clock": FakeClock(), "base_url": {"api": url, "auth": url}, **options}
    return RefundClient(Acme, plugins=[witness], account_name="acme-eu", **given)


def test_a_get_that_is_tried_again_is_one_operation() -> None:
    answers = iter([Response(503), json_answer({"error": "busy"}), json_answer(DONE)])
    witness = Witness()
    with serving(lambda _: next(answers)) as server, client(server.url, witness) as acme:
        acme.get(connector_refund_id="r1")
    assert witness.lines == [
        "acme-eu get started",
        "get 1 503 ProcessorUnavailable",
        "get 2 200 RateLimited",
        "get 3 200 well",
        "get ended well",
    ]
    attempt = witness.attempts[0]
    assert (attempt.account, attempt.connector) == ("acme-eu", "acme")
    assert attempt.host == server.url.removeprefix("http://")
    assert (attempt.request.method, attempt.request.path) == ("GET", "/refunds/r1")
    assert attempt.elapsed >= timedelta(0)


def test_a_token_is_an_operation_within_another() -> None:
    witness = Witness()

    def answer(asked: Asked) -> Response:
        return json_answer(TOKEN if asked.path == "/token" else DONE)

    with serving(answer) as server, client(server.url, witness, key=None, **OAUTH) as acme:
        acme.get(connector_refund_id="r1")
    told = ["acme-eu get started", "acme-eu token started", "token 1 200 well", "token ended well"]
    assert witness.lines == [*told, "get 1 200 well", "get ended well"]


def test_errors_are_told_without_a_secret() -> None:
    witness = Witness()
    with serving(lambda _: Response(404)) as server, client(server.url, witness) as acme:
        with pytest.raises(RefundNotFound):
            acme.get(connector_refund_id="r1")
    with serving(lambda _: Response(500)) as server, client(server.url, witness) as acme:
        with pytest.raises(ProcessorUnavailable):
            acme.get(connector_refund_id="r1")
    assert witness.lines[:3] == ["acme-eu get started", "get 1 404 RefundNotFound", "get ended RefundNotFound"]
    assert "123456" not in repr(witness.attempts)


def test_no_answer_at_all_is_an_attempt_too() -> None:
    witness = Witness()
    with serving(lambda _: json_answer(DONE)) as server:
        pass
    with client(server.url, witness) as acme, pytest.raises(Exception, match="no connection"):
        acme.get(connector_refund_id="r1")
    assert witness.lines[1:3] == ["get 1 - NetworkError", "get 2 - NetworkError"]


def test_pages_and_webhooks_are_operations() -> None:
    witness = Witness()
    page = json_answer({"items": [DONE]})
    with serving(lambda _: page) as server, client(server.url, witness, webhook_secret="w-123456") as acme:
        list(acme.list(since=DAY - timedelta(days=1), until=DAY))
        with pytest.raises(SignatureError):
            acme.handle_event(body=b"{}", headers={})
    assert witness.lines[:3] == ["acme-eu list started", "list 1 200 well", "list ended well"]
    assert witness.lines[-2:] == ["acme-eu webhook started", "webhook ended SignatureError"]


def test_what_is_abandoned_has_ended_too() -> None:
    witness = Witness()
    acme = client("https://acme.example", witness)
    exchange: Exchange = acme._exchange
    steps = exchange.get(RefundQuery(connector_refund_id="r1"))
    assert isinstance(next(steps), NeedToken)
    assert isinstance(steps.send(None), Send)
    steps.close()
    assert witness.lines[1:] == ["get 1 - GeneratorExit", "get ended GeneratorExit"]
