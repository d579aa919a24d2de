"""Changes out: each at least once, in order per refund, with an id that stays."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from acme import Asked, serving
from ledgers import DATABASES, database, stripe_refund
from sqlalchemy import select
from standardwebhooks import Webhook, WebhookVerificationError

from refundry.errors import ConfigurationError
from refundry.hookspecs import hookimpl
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, RefundStatus
from refundry.state import Observation, observe
from refundry.testing import FakeClock
from refundry_ledger import Ledger
from refundry_ledger.outbox import KEPT_FOR
from refundry_ledger.schema import outbox

SECRET = f"whsec_{b64encode(b'refundry-outgoing-secret').decode()}"


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with database(request.param, tmp_path) as address:
        yield address


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC).replace(microsecond=0))  # the library's check of age has a clock of its own


@pytest.fixture
def ledger(url: str, clock: FakeClock) -> Iterator[Ledger]:
    with Ledger.open(url, clock=clock) as opened:
        yield opened


def say(ledger: Ledger, word: str, number: int = 1) -> None:
    ledger.clock.sleep(1)
    ledger.observe(
        observe("stripe", stripe_refund(word, number, raw=word.encode()), source="get", observed_at=ledger.clock.now())
    )


@attrs.define
class Listener:
    heard: list[tuple[RefundStatus | None, RefundStatus]] = attrs.field(factory=list)

    @hookimpl
    def refund_status_changed(self, previous: RefundStatus | None, current: Observation) -> None:
        self.heard.append((previous, current.status))


def received(asked: list[Asked]) -> list[tuple[str, str | None, str]]:
    """What arrived, each verified: refund, previous status, status."""
    found = []
    for one in asked:
        data = Webhook(SECRET).verify(one.body, one.headers)["data"]
        found.append((data["connector_refund_id"], data.get("previous_status"), data["status"]))
    return found


def test_observers_hear_every_change_once_and_in_order(ledger: Ledger) -> None:
    listener = Listener()
    for word in ("pending", "pending", "succeeded", "failed"):
        say(ledger, word)
    assert ledger.tell_observers([listener]).done == 3
    assert listener.heard == [(None, PENDING), (PENDING, SUCCEEDED), (SUCCEEDED, FAILED)]
    assert ledger.tell_observers([listener]).done == 0


def test_an_observer_that_raises_harms_nobody(ledger: Ledger) -> None:
    class Broken:
        @hookimpl
        def refund_status_changed(self) -> None:
            raise RuntimeError

    say(ledger, "pending")
    listener = Listener()
    ledger.tell_observers([Broken(), listener])
    assert len(listener.heard) == 1


def test_every_change_is_sent_signed_and_in_order(ledger: Ledger) -> None:
    for word in ("pending", "succeeded"):
        say(ledger, word)
    say(ledger, "failed", 2)
    with serving(lambda _: Response(204)) as server:
        result = ledger.deliver_outbox(f"{server.url}/hook", SECRET)
        assert (result.done, result.failed) == (3, 0)
        assert ledger.deliver_outbox(f"{server.url}/hook", SECRET).done == 0
    assert received(server.asked) == [
        ("re_1", None, "PENDING"),
        ("re_2", None, "FAILED"),
        ("re_1", "PENDING", "SUCCEEDED"),
    ]
    first = json.loads(server.asked[0].body)
    assert first["type"] == "refund.status_changed"
    assert first["data"]["refund_amount"] == {"minor_amount": 1050, "currency": "EUR"}
    assert first["data"]["change"] == 1


def test_a_change_that_fails_is_sent_again_with_the_same_id_and_holds_the_next(
    ledger: Ledger, clock: FakeClock
) -> None:
    for word in ("pending", "succeeded"):
        say(ledger, word)
    say(ledger, "failed", 2)
    answers = {"re_1": 500, "re_2": 200}

    def answer(asked: Asked) -> Response:
        return Response(answers[json.loads(asked.body)["data"]["connector_refund_id"]])

    with serving(answer) as server:
        result = ledger.deliver_outbox(server.url, SECRET)
        assert (result.done, result.failed, result.errors) == (1, 1, {"127.0.0.1": "HTTP 500"})
        assert ledger.deliver_outbox(server.url, SECRET).failed == 0, "it waits before it tries again"
        answers["re_1"] = 200
        clock.advance(timedelta(minutes=1))
        assert ledger.deliver_outbox(server.url, SECRET).done == 2
    assert [one for one in received(server.asked) if one[0] == "re_1"] == [
        ("re_1", None, "PENDING"),
        ("re_1", None, "PENDING"),
        ("re_1", "PENDING", "SUCCEEDED"),
    ]
    ids = [one.headers["webhook-id"] for one in server.asked if b"re_1" in one.body]
    assert ids[0] == ids[1] != ids[2]


def test_a_change_that_cannot_be_delivered_is_given_up_in_the_end(ledger: Ledger, clock: FakeClock) -> None:
    say(ledger, "pending")
    tries = 0
    with serving(lambda _: Response(410)) as server:
        for _ in range(100):
            tries += ledger.deliver_outbox(server.url, SECRET).failed
            clock.advance(timedelta(hours=1))
    assert 5 <= tries <= 30
    with ledger.database.reading() as connection:
        row = connection.execute(select(outbox.c.given_up, outbox.c.sent_at)).one()
    assert row.sent_at is None
    assert "3 days" in row.given_up
    clock.advance(KEPT_FOR)
    say(ledger, "succeeded")
    with serving(lambda _: Response(200)) as server:
        assert ledger.deliver_outbox(server.url, SECRET).done == 1


@pytest.mark.parametrize("status", [301, 302, 400, 404, 500])
def test_only_a_2xx_means_delivered(ledger: Ledger, status: int) -> None:
    say(ledger, "pending")
    with serving(lambda _: Response(status, {"Location": "http://127.0.0.1:9/"})) as server:
        result = ledger.deliver_outbox(server.url, SECRET)
    assert (result.done, result.failed) == (0, 1)
    assert len(server.asked) == 1


def test_an_endpoint_that_is_not_there_is_a_failure(ledger: Ledger) -> None:
    say(ledger, "pending")
    assert ledger.deliver_outbox("http://127.0.0.1:9/", SECRET).errors == {"127.0.0.1": "ConnectionError"}


def test_an_endpoint_that_is_away_is_not_asked_for_every_change_in_one_pass(ledger: Ledger) -> None:
    """Each try may take as long as the timeouts, and refunds are tracked after it."""
    for number in range(25):
        say(ledger, "pending", number)
    with serving(lambda _: Response(503)) as server:
        assert ledger.deliver_outbox(server.url, SECRET).failed == len(server.asked) == 10
    with serving(lambda _: Response(200)) as server:
        assert ledger.deliver_outbox(server.url, SECRET).done == 15


def test_a_pass_ends_after_the_change_that_is_being_sent_when_it_is_stopped(ledger: Ledger, clock: FakeClock) -> None:
    stop = threading.Event()
    for number in range(3):
        say(ledger, "pending", number)

    def answer(_: Asked) -> Response:
        stop.set()
        return Response(200)

    with serving(answer) as server:
        assert ledger.deliver_outbox(server.url, SECRET, stop=stop).done == 1
        assert ledger.deliver_outbox(server.url, SECRET, stop=stop).done == 0
        assert ledger.deliver_outbox(server.url, SECRET).done == 2, "what was not sent is free at once"


def test_two_processes_at_once_send_each_change_once(url: str, clock: FakeClock) -> None:
    with Ledger.open(url, clock=clock) as first, Ledger.open(url, clock=clock) as second:
        for number in range(20):
            for word in ("pending", "succeeded"):
                say(first, word, number)
        with serving(lambda _: Response(200)) as server, ThreadPoolExecutor(2) as pool:
            passes = list(pool.map(lambda one: one.deliver_outbox(server.url, SECRET), (first, second)))
            passes.append(first.deliver_outbox(server.url, SECRET))
        arrived = received(server.asked)
    assert sum(one.done for one in passes) == len(arrived) == len(set(arrived)) == 40
    for number in range(20):
        assert [one[2] for one in arrived if one[0] == f"re_{number}"] == ["PENDING", "SUCCEEDED"]


def test_a_process_that_was_killed_while_sending_leaves_the_change_to_another(
    ledger: Ledger, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(ledger, "pending")

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with serving(lambda _: Response(200)) as server:
        with monkeypatch.context() as patch:
            patch.setattr("refundry_ledger.outbox._mark", killed)
            with pytest.raises(KeyboardInterrupt):
                ledger.deliver_outbox(server.url, SECRET)
        assert ledger.deliver_outbox(server.url, SECRET).done == 0
        clock.advance(timedelta(minutes=6))
        assert ledger.deliver_outbox(server.url, SECRET).done == 1
    assert len({one.headers["webhook-id"] for one in server.asked}) == 1


@pytest.mark.parametrize("address", ["http://shop.example/hook", "https://user:pass@shop.example/", "file:///etc"])
def test_an_address_that_is_not_secure_is_refused(ledger: Ledger, address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ledger.deliver_outbox(address, SECRET)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "x"])
def test_a_secret_that_is_none_is_refused(ledger: Ledger, secret: str) -> None:
    with pytest.raises(ConfigurationError):
        ledger.deliver_outbox("https://shop.example/", secret)


def test_a_changed_body_or_another_secret_does_not_verify(ledger: Ledger) -> None:
    say(ledger, "pending")
    with serving(lambda _: Response(200)) as server:
        ledger.deliver_outbox(server.url, SECRET)
    (asked,) = server.asked
    headers: dict[str, Any] = dict(asked.headers)
    for body, secret in (
        (asked.body + b" ", SECRET),
        (asked.body, f"whsec_{b64encode(b'another-outgoing-secret-').decode()}"),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
