"""Webhooks: verified first, then mapped, then answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from acme import DONE, Acme, serving

from refundry import ConfigurationError, MappingError, RefundClient, RefundEvent, RefundQuery, SignatureError
from refundry.errors import ProcessorUnavailable, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response
from refundry.reading import Fields, each_event
from refundry.signing import check_age, hmac_hex
from refundry.state import Observation
from refundry.testing import FakeClock

BODY = json.dumps(DONE).encode()
SIGNED = {"X-Signature": hmac_hex(b"w-123456", BODY)}


def client(connector: type[Acme] = Acme, **options: Any) -> RefundClient:
    return RefundClient(connector, **{"webhook_secret": "w-123456", "clock": FakeClock(), **options})


def test_a_verified_event_is_mapped_and_acknowledged() -> None:
    delivery = client().handle_event(body=BODY, headers=SIGNED)
    (event,) = delivery.events
    assert event.refund is not None
    assert event.refund.raw == BODY
    assert not event.is_hint
    assert event.query.connector_refund_id == "r1"
    assert delivery.reply.status_code == 200


def test_an_event_without_an_id_gets_a_digest_that_duplicates_share() -> None:
    first, second = (client().handle_event(body=BODY, headers=SIGNED).events[0].event_id for _ in range(2))
    assert first == second
    assert first is not None
    assert first.endswith("-0")


def test_an_event_that_says_all_in_its_address_has_its_own_id() -> None:
    ids = set()
    for query in ("id=1", "id=2"):
        delivery = client().handle_event(body=BODY, headers=SIGNED, url=f"https://m.example/hook?{query}")
        ids.add(delivery.events[0].event_id)
    assert len(ids) == 2


class Dated(Acme):
    """Says when, and for whom."""

    name = "dated"

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        refund = self._refund(event.json())
        happened = datetime(2026, 3, 1, 9, tzinfo=UTC)
        return [RefundEvent(query=refund.query(), refund=refund, foreign=True, occurred_at=happened)]


def test_observers_hear_when_a_webhook_says_that_it_happened_and_for_whom() -> None:
    heard: list[Observation] = []

    class Listener:
        @hookimpl
        def refund_observed(self, observation: Observation) -> None:
            heard.append(observation)

    client(Dated, plugins=[Listener()]).handle_event(body=BODY, headers=SIGNED)
    (said,) = heard
    assert said.provider_time == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert said.foreign


@pytest.mark.parametrize("headers", [{}, {"X-Signature": ""}, {"X-Signature": "0" * 64}])
def test_a_forged_event_is_refused_with_a_reply(headers: dict[str, str]) -> None:
    with pytest.raises(SignatureError) as caught:
        client().handle_event(body=BODY, headers=headers)
    assert caught.value.reply is not None
    assert caught.value.reply.status_code == 400
    assert (caught.value.connector, caught.value.operation) == ("acme", "webhook")


def test_any_of_several_secrets_verifies() -> None:
    for secrets in (["old-123", "w-123456"], ("w-123456",)):
        assert client(webhook_secret=secrets).handle_event(body=BODY, headers=SIGNED).events


class Custom(Acme):
    """Replies in its own way, sends batches, and signs nothing unless it is asked to."""

    name = "custom"
    unsigned_events = True

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        return event.header("X-Proof") == "yes"

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent | MappingError]:
        return each_event(Fields(event.json()).items("items"), self._event)

    def _event(self, body: Any) -> RefundEvent | None:
        if body == "other":
            return None
        refund = self._refund(body)
        return RefundEvent(query=refund.query(), refund=refund)

    @hookimpl
    def acknowledge_event(self, accepted: bool) -> Response:
        return Response(202 if accepted else 498, body=b"OK" if accepted else b"NO")


class Strict(Custom):
    name = "strict"
    unsigned_events = False


def batch(*items: Any) -> bytes:
    return json.dumps({"items": items}).encode()


def test_what_is_not_proved_keeps_its_identifiers_alone() -> None:
    (event,) = client(Custom).handle_event(body=batch(DONE), headers={}).events
    assert event.is_hint
    assert event.query == RefundQuery(connector_refund_id="r1", connector_transaction_id="p1", currency="EUR")


def test_what_is_not_proved_is_refused_where_events_are_signed() -> None:
    with pytest.raises(SignatureError) as caught:
        client(Strict).handle_event(body=batch(DONE), headers={})
    assert caught.value.reply is not None
    assert (caught.value.reply.status_code, caught.value.reply.body) == (498, b"NO")


def test_a_bad_item_of_a_batch_costs_one_item() -> None:
    body = batch(DONE, {"id": None}, "other", {**DONE, "id": "r2"})
    delivery = client(Custom).handle_event(body=body, headers={"X-Proof": "yes"})
    assert [event.query.connector_refund_id for event in delivery.events] == ["r1", "r2"]
    assert [problem.field for problem in delivery.problems] == ["id"]
    assert (delivery.reply.status_code, delivery.reply.body) == (202, b"OK")
    assert len({event.event_id for event in delivery.events}) == 2


def test_an_event_about_something_else_is_acknowledged() -> None:
    delivery = client(Custom).handle_event(body=batch("other"), headers={"X-Proof": "yes"})
    assert (list(delivery.events), delivery.reply.status_code) == ([], 202)


def test_an_event_that_cannot_be_read_is_an_error_with_the_reply_for_whoever_stored_it() -> None:
    for body in (batch({"id": None}), b"no json", b'{"items": 5}'):
        with pytest.raises(MappingError) as caught:
            client(Custom).handle_event(body=body, headers={"X-Proof": "yes"})
        assert caught.value.reply is not None
        assert caught.value.reply.status_code == 202


def test_free_text_that_is_no_identifier_does_not_lose_the_event() -> None:
    body = batch({**DONE, "payment": "pay\nment\u00a0"}, {**DONE, "id": "r2", "payment": "  "})
    delivery = client(Custom).handle_event(body=body, headers={"X-Proof": "yes"})
    assert [event.query.connector_transaction_id for event in delivery.events] == [None, None]
    assert [event.query.connector_refund_id for event in delivery.events] == ["r1", "r2"]


class Keyed(Acme):
    """Signs with a key that it publishes."""

    name = "keyed"
    extra_hosts = ("keys.acme.example",)

    @hookimpl
    def verify_event(self, event: Event, response: Response | None) -> bool | Request:
        if response is None:
            return Request("GET", event.header("X-Key-Url") or "", base=None)
        if response.body != (event.header("X-Key") or "").encode():
            raise SignatureError("another key")
        return True


def test_a_key_is_asked_for_once_and_once_more_when_it_does_not_fit() -> None:
    keys = [b"one", b"two"]
    with serving(lambda _: Response(200, {}, keys[0])) as server:
        keyed = client(Keyed, key="k-123456", base_url=server.url)

        def deliver(key: str) -> Any:
            return keyed.handle_event(body=BODY, headers={"X-Key-Url": f"{server.url}/key", "X-Key": key})

        deliver("one")
        deliver("one")
        assert len(server.asked) == 1
        keys.pop(0)
        deliver("two")
        assert len(server.asked) == 2
        with pytest.raises(SignatureError):
            deliver("three")
        assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "expected"), [(404, SignatureError), (500, ProcessorUnavailable)])
def test_a_key_that_is_not_there_is_the_events_fault_and_trouble_is_not(
    status: int, expected: type[RefundryError]
) -> None:
    with serving(lambda _: Response(status)) as server:
        keyed = client(Keyed, key=None, client_id="c", client_secret="s-123456", base_url=server.url)
        with pytest.raises(expected):
            keyed.handle_event(body=BODY, headers={"X-Key-Url": f"{server.url}/key"})
        assert {asked.path for asked in server.asked} == {"/key"}


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/key", "http://keys.acme.example/key", "file:///etc/passwd", "", "https://a@evil.example/"],
)
def test_a_key_comes_from_a_declared_host_alone(url: str) -> None:
    with pytest.raises(RefundryError) as caught:
        client(Keyed, key="k-123456").handle_event(body=BODY, headers={"X-Key-Url": url})
    assert isinstance(caught.value, ConfigurationError | SignatureError)


def test_the_registered_address_counts_with_the_query_that_was_called() -> None:
    seen: list[str | None] = []

    class Addressed(Acme):
        name = "addressed"

        @hookimpl
        def verify_event(self, event: Event) -> bool:
            seen.append(event.url)
            return True

    acme = client(Addressed, webhook_url="https://m.example/hook")
    acme.handle_event(body=BODY, headers={}, url="http://10.0.0.1/internal?data.id=5")
    acme.handle_event(body=BODY, headers={})
    assert seen == ["https://m.example/hook?data.id=5", "https://m.example/hook"]


@pytest.mark.parametrize("minutes", [-6, 6])
def test_age(minutes: int) -> None:
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    event = Event(received_at=now)
    check_age(event, now.replace(minute=4))
    with pytest.raises(SignatureError, match="old" if minutes > 0 else "future"):
        check_age(
            Event(received_at=datetime(2026, 3, 2, 9 + (minutes > 0), tzinfo=UTC)), now.replace(hour=9, minute=30)
        )
