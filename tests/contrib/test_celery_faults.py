"""Worker processes over a real broker and PostgreSQL, killed and cut off while they work."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleets import (
    RABBITMQ,
    REDIS,
    SERVER,
    Cable,
    Fleet,
    Processors,
    address_of,
    cable_to,
    kill,
    need,
    processors,
    until,
)
from ledgers import database, row_counts
from sqlalchemy import select

from refundry.errors import SignatureError
from refundry.model import PENDING, SUCCEEDED
from refundry_celery import hand_over
from refundry_celery.routing import task_name
from refundry_celery.work import Work
from refundry_ledger import Ledger
from refundry_ledger.schema import accounts, observations, refunds

QUICK: dict[str, Any] = {"timeout": 1, "rate_limit": 1000}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    need("Redis", "127.0.0.1", 6379)
    with database("postgresql", tmp_path) as url, Ledger(url) as opened:
        yield opened


@pytest.fixture
def shops() -> Iterator[Processors]:
    with processors() as made:
        yield made


@pytest.fixture
def cables() -> Iterator[dict[str, tuple[Cable, str]]]:
    made = {"broker": cable_to(REDIS), "ledger": cable_to(SERVER)}
    yield made
    for cable, _ in made.values():
        cable.cut()


def unheard(ledger: Ledger, account: str) -> int:
    """How many refunds of an account have no status yet."""
    query = select(refunds.c.id).join(accounts).where(refunds.c.status.is_(None), accounts.c.name == account)
    with ledger.database.reading() as connection:
        return len(connection.execute(query).all())


def test_kills_and_cuts_lose_nothing_and_double_nothing(
    tmp_path: Path, ledger: Ledger, shops: Processors, cables: dict[str, tuple[Cable, str]]
) -> None:
    (broker, broker_address), (database_cable, _) = cables["broker"], cables["ledger"]
    with Fleet(tmp_path, address_of(ledger, database_cable), shops, broker=broker_address) as fleet:
        names = ("one", "two")
        fleet.configure(dict.fromkeys(names, QUICK), every=0.5, turn=2, lease=5)
        made = shops.add(30, words=["succeeded"])
        for name in names:
            shops.hanging[name] = 0.05
            for refund in made:
                ledger.track(name, refund.query())
        workers = [fleet.worker("--concurrency", "2") for _ in range(2)]
        fleet.beat()
        until(lambda: len(shops.asked) > 10, "the first refunds are asked for")
        kill(workers[0])
        until(lambda: len(shops.asked) > 20, "the other worker goes on")
        database_cable.cut()
        broker.cut()
        fleet.worker("--concurrency", "2")
        database_cable.mend()
        broker.mend()
        for name in names:
            until(lambda name=name: unheard(ledger, name) == 0, f"all of {name} are asked for: {fleet.tail()}")
    assert shops.at_once() == []
    with ledger.database.reading() as connection:
        heard = Counter(connection.execute(select(observations.c.refund_id)).scalars())
    assert set(heard.values()) == {1}
    assert len(heard) == 60


def test_a_processor_that_hangs_keeps_no_worker_of_the_others(
    tmp_path: Path, ledger: Ledger, shops: Processors
) -> None:
    hung = [f"hung-{number}" for number in range(4)]
    with Fleet(tmp_path, address_of(ledger), shops) as fleet:
        fleet.configure({**dict.fromkeys(hung, QUICK), "quick": QUICK}, every=0.5, queues={"apart": ["hung-*"]})
        made = shops.add(8)
        for name in (*hung, "quick"):
            shops.hanging[name] = 0.0 if name == "quick" else 2.0
            for refund in made:
                ledger.track(name, refund.query())
        for queue in ("apart", fleet.prefix):
            fleet.worker("--concurrency", "1", "--queue", queue)
        fleet.beat()
        until(lambda: any(name.startswith("hung") for name in shops.under_way), "the hung ones are asked for")
        until(lambda: unheard(ledger, "quick") == 0, f"the quick one is done: {fleet.tail()}")
    assert sum(unheard(ledger, name) for name in hung) == 32


def test_webhooks_are_kept_by_rabbitmq_until_the_ledger_has_them(
    tmp_path: Path, ledger: Ledger, shops: Processors
) -> None:
    need("RabbitMQ", "127.0.0.1", 5672)
    cable, _ = cable_to(SERVER)
    with Fleet(tmp_path, address_of(ledger, cable), shops, broker=RABBITMQ) as fleet:
        fleet.configure({"one": {**QUICK, "webhook_secret": [{"env": "FLEET_SECRET"}]}}, every=0.5, lease=5)
        app, client = fleet.app(), Work(fleet.settings(), lambda *_: None).client("one")
        settled = shops.sandbox.add("stripe", words=["succeeded"])
        event = shops.sandbox.event("stripe", settled.connector_refund_id or "")
        cable.cut()
        replies = [hand_over(app, client, body=event.body, headers=event.headers) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 200]
        with pytest.raises(SignatureError):
            hand_over(app, client, body=event.body + b" ", headers=event.headers)
        fleet.worker("--concurrency", "2")
        (opened,) = shops.add(1)
        known = ledger.track("one", opened.query())
        until(lambda: "retry" in fleet.tail(), "the ledger cannot be reached")
        cable.mend()
        until(lambda: ledger.find(settled.connector_refund_id or ""), f"the webhook is stored: {fleet.tail()}")
        app.send_task(task_name("check_refund"), args=["one", known.id], queue=fleet.prefix)
        until(lambda: unheard(ledger, "one") == 0, f"the refund is checked: {fleet.tail()}")
        app.close()
    cable.cut()
    assert [one.status for one in ledger.find(settled.connector_refund_id or "")] == [SUCCEEDED]
    assert [one.status for one in ledger.find(known.id)] == [PENDING]
    assert row_counts(ledger, observations) == [2]


def test_a_webhook_whose_storing_was_stopped_by_force_is_tried_again(
    tmp_path: Path, ledger: Ledger, shops: Processors
) -> None:
    need("RabbitMQ", "127.0.0.1", 5672)
    cable, _ = cable_to(SERVER)
    with Fleet(tmp_path, address_of(ledger, cable), shops, broker=RABBITMQ) as fleet:
        fleet.configure({"one": {**QUICK, "webhook_secret": [{"env": "FLEET_SECRET"}]}})
        app = fleet.app()
        settled = shops.sandbox.add("stripe", words=["succeeded"])
        event = shops.sandbox.event("stripe", settled.connector_refund_id or "")
        sent = {"body": b64encode(event.body).decode(), "headers": dict(event.headers), "method": "POST", "url": None}
        given = {"account": "one", "event": {**sent, "received_at": event.received_at.isoformat()}}
        cable.cut()
        with socket.create_server(("127.0.0.1", cable.port)):  # it takes connections and says nothing
            app.send_task(task_name("receive_event"), kwargs=given, queue=fleet.prefix, time_limit=2)
            fleet.worker("--concurrency", "1")
            until(lambda: "Hard time limit" in fleet.tail(), f"it was stopped by force: {fleet.tail()}")
        cable.mend()
        until(lambda: ledger.find(settled.connector_refund_id or ""), f"the webhook is stored: {fleet.tail()}")
        app.close()
    cable.cut()
