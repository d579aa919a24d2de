"""Spans and metrics, read from the SDK's exporters in memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from acme import DONE, Acme, Asked, json_answer, serving
from ledgers import database, stripe_event, stripe_refund, take
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from refundry import ProcessorUnavailable, RefundClient, RefundNotFound
from refundry.exchange import Exchange
from refundry.http import Response, encode_json
from refundry.model import RefundQuery
from refundry.signing import hmac_hex
from refundry.state import Source, observe
from refundry.testing import FakeClock, Wiring
from refundry_aio import AsyncRefundClient
from refundry_ledger import Ledger
from refundry_otel import Telemetry
from refundry_otel.instruments import METRICS
from refundry_stripe import Stripe

OAUTH = {"client_id": "c-CANARY123", "client_secret": "s-CANARY123"}
TOKEN = {"access_token": "t-CANARY123", "expires_in": 3600}
DAY = datetime(2026, 3, 2, tzinfo=UTC)


@attrs.define
class Watch:
    """One observer with everything that it exports."""

    spans: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = attrs.field(factory=InMemoryMetricReader)
    tracer_provider: TracerProvider = attrs.field(factory=TracerProvider)
    telemetry: Telemetry = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(tracer_provider=self.tracer_provider, meter_provider=meters)

    def finished(self) -> list[ReadableSpan]:
        return list(self.spans.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        """The data points of a metric."""
        data = self.reader.get_metrics_data()
        metrics = [one for r in data.resource_metrics for s in r.scope_metrics for one in s.metrics] if data else []
        return [point for one in metrics if one.name == name for point in one.data.data_points]

    def values(self, name: str, *attributes: str) -> dict[tuple[Any, ...], Any]:
        """The value of each point of a counter, or the count of a histogram, by these attributes."""
        return {
            tuple(point.attributes.get(key) for key in attributes): getattr(point, "value", None) or point.count
            for point in self.points(name)
        }


@contextmanager
def asking(watch: Watch, url: str, **options: Any) -> Iterator[RefundClient]:
    given = {"key": "k-CANARY123", "clock": FakeClock(), "base_url": {"api": url, "auth": url}, **options}
    with RefundClient(Acme, plugins=[watch.telemetry], account_name="acme-eu", **given) as client:
        yield client


def test_a_get_is_a_span_and_each_of_its_requests_one_within_it() -> None:
    watch, answers = Watch(), iter([Response(503), json_answer(DONE)])
    with serving(lambda _: next(answers)) as server, asking(watch, server.url) as acme:
        acme.get(connector_refund_id="r1")
    first, second, get = watch.finished()
    assert (get.name, get.kind, get.status.status_code) == ("refundry get", SpanKind.INTERNAL, StatusCode.UNSET)
    assert get.attributes == {"refundry.account": "acme-eu", "refundry.operation": "get"}
    assert first.parent == second.parent == get.context
    assert (first.name, first.kind, first.status.status_code) == ("GET", SpanKind.CLIENT, StatusCode.ERROR)
    asked = {
        "refundry.account": "acme-eu",
        "refundry.connector": "acme",
        "refundry.operation": "get",
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": int(server.url.rpartition(":")[2]),
    }
    failed = {"http.response.status_code": 503, "error.type": "ProcessorUnavailable"}
    assert first.attributes == asked | failed
    assert second.attributes == asked | {"http.response.status_code": 200, "http.request.resend_count": 1}


def test_spans_stand_in_the_applications_own_trace() -> None:
    watch = Watch()
    tracer = watch.tracer_provider.get_tracer("shop")

    def answer(asked: Asked) -> Response:
        return json_answer(TOKEN if asked.path == "/token" else DONE)

    with serving(answer) as server, asking(watch, server.url, key=None, **OAUTH) as acme:
        with tracer.start_as_current_span("checkout") as own:
            acme.get(connector_refund_id="r1")
            assert trace.get_current_span() is own
    by_name = {
        f"{span.name} {dict(span.attributes or {}).get('refundry.operation')}": span for span in watch.finished()
    }
    token, get = by_name["refundry token token"], by_name["refundry get get"]
    assert by_name["POST token"].parent == token.context
    assert token.parent == get.context == by_name["GET get"].parent
    assert get.parent == own.get_span_context()


def test_tasks_keep_their_spans_apart() -> None:
    watch = Watch()

    async def ask(url: str) -> None:
        options: dict[str, Any] = {"key": "k-123456", "base_url": {"api": url, "auth": url}}
        async with AsyncRefundClient(Acme, plugins=[watch.telemetry], **options) as acme:
            await asyncio.gather(*(acme.get(connector_refund_id=f"r{number}") for number in range(8)))

    with serving(lambda asked: json_answer({**DONE, "id": asked.path.rpartition("/")[2]})) as server:
        asyncio.run(ask(server.url))
    operations = {span.get_span_context().span_id for span in watch.finished() if span.name == "refundry get"}
    parents = [getattr(span.parent, "span_id", None) for span in watch.finished() if span.name == "GET"]
    assert len(operations) == 8
    assert set(parents) == operations
    assert all(span.parent is None for span in watch.finished() if span.name == "refundry get")


def test_an_abandoned_operation_ends_its_spans(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch()
    with asking(watch, "https://acme.example") as acme:
        exchange: Exchange = acme._exchange
        steps = exchange.get(RefundQuery(connector_refund_id="r1"))
        next(steps)
        steps.send(None)
        steps.close()
        watch.telemetry.operation_ended("acme-eu", "get", None)  # in a thread where none was under way
    assert [dict(span.attributes or {})["error.type"] for span in watch.finished()] == ["abandoned", "abandoned"]
    assert not trace.get_current_span().get_span_context().is_valid
    assert caplog.records == []


def test_requests_are_counted_by_connector_and_outcome() -> None:
    watch = Watch()
    answers = iter([Response(503), json_answer(DONE), Response(404), *[Response(500)] * 3])
    with serving(lambda _: next(answers)) as server, asking(watch, server.url) as acme:
        acme.get(connector_refund_id="r1")
        with pytest.raises(RefundNotFound):
            acme.get(connector_refund_id="r2")
        with pytest.raises(ProcessorUnavailable):
            acme.get(connector_refund_id="r3")
    assert watch.values("refundry.requests", "refundry.connector", "refundry.outcome") == {
        ("acme", "ok"): 1,
        ("acme", "ProcessorUnavailable"): 4,
        ("acme", "RefundNotFound"): 1,
    }
    assert watch.values("refundry.retries", "refundry.account", "refundry.operation") == {("acme-eu", "get"): 3}
    assert watch.values("refundry.request.duration", "http.response.status_code", "error.type") == {
        (503, "ProcessorUnavailable"): 1,
        (200, None): 1,
        (404, "RefundNotFound"): 1,
        (500, "ProcessorUnavailable"): 3,
    }
    assert watch.values("refundry.operation.duration", "error.type") == {
        (None,): 1,
        ("RefundNotFound",): 1,
        ("ProcessorUnavailable",): 1,
    }


def test_latency_is_the_processors() -> None:
    watch, clock = Watch(), FakeClock()

    def slow(_: Asked) -> Response:
        clock.advance(timedelta(seconds=3))
        return json_answer(DONE)

    with serving(slow) as server, asking(watch, server.url, clock=clock) as acme:
        acme.get(connector_refund_id="r1")
    (point,) = watch.points("refundry.request.duration")
    assert point.sum == 3.0
    (request, _) = watch.finished()
    assert (request.end_time or 0) - (request.start_time or 0) >= 3e9


def test_what_is_observed_is_counted_by_status() -> None:
    watch = Watch()
    items = [{**DONE, "id": "r1"}, {**DONE, "id": "r2", "status": "open"}, {**DONE, "id": "r3", "status": "zapped"}]
    with serving(lambda _: json_answer({"items": items})) as server, asking(watch, server.url) as acme:
        list(acme.list(connector_transaction_id="p1"))
    counted = watch.values("refundry.observations", "refundry.refund.status", "refundry.observation.source")
    assert counted == {("SUCCEEDED", "list"): 1, ("PENDING", "list"): 1, ("UNKNOWN", "list"): 1}
    assert watch.values("refundry.unknown_statuses", "refundry.account") == {("acme-eu",): 1}


def test_changes_of_a_ledger_are_counted(tmp_path: Path) -> None:
    watch, wiring = Watch(), Wiring(Stripe)
    with database("sqlite", tmp_path) as url, Ledger(url, clock=wiring.clock) as ledger:
        for word in ("pending", "succeeded"):
            take(ledger, wiring, stripe_event(wiring, stripe_refund(word)))
        ledger.tell_observers([watch.telemetry])
    changes = watch.values("refundry.status_changes", "refundry.refund.previous_status", "refundry.refund.status")
    assert changes == {(None, "PENDING"): 1, ("PENDING", "SUCCEEDED"): 1}


@pytest.mark.parametrize(("said", "lag"), [(90, 90.0), (-5, 0.0), (None, None)])
def test_the_lag_of_a_webhook_is_from_the_processors_time(said: int | None, lag: float | None) -> None:
    watch = Watch()
    changed = None if said is None else DAY - timedelta(seconds=said)
    refund = stripe_refund("succeeded", updated_at=changed)
    sources: tuple[Source, ...] = ("webhook", "get")
    for source in sources:
        watch.telemetry.refund_observed(observe("acme-eu", refund, source=source, observed_at=DAY))
    assert [point.sum for point in watch.points("refundry.webhook.lag")] == ([] if lag is None else [lag])


def test_every_metric_says_what_it_is_and_stands_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "contrib/otel/README.md").read_text()
    for name, meaning in METRICS.items():
        assert meaning.endswith(".")
        assert f"`{name}`" in readme, f"{name} is not in the README"


def test_no_secret_identifier_or_text_of_a_processor_is_exported(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch()

    def answer(asked: Asked) -> Response:
        if asked.path == "/token":
            return json_answer(TOKEN, X_Request_Id="CANARY")
        body = {**DONE, "id": "CANARY-good", "payment": "CANARY-p", "status": "CANARY-word"}
        if asked.path.startswith("/refunds?"):
            return json_answer({"items": [body], "next": None})
        return json_answer(body) if "good" in asked.path else Response(400, {}, b'{"message": "CANARY is unknown"}')

    settings = {"key": None, "webhook_secret": "w-CANARY123", **OAUTH}
    body = encode_json({**DONE, "id": "CANARY-hook"})
    headers = {"X-Signature": hmac_hex(b"w-CANARY123", body)}
    with caplog.at_level(logging.DEBUG), serving(answer) as server, asking(watch, server.url, **settings) as acme:
        acme.get(connector_refund_id="CANARY-good")
        list(acme.list(since=DAY - timedelta(days=1), until=DAY))
        acme.handle_event(body=body, headers=headers, url="https://shop.example/hook?key=CANARY")
        for asked in ("CANARY-bad", "../CANARY?x=CANARY"):
            with pytest.raises(Exception, match="refused"):
                acme.get(connector_refund_id=asked)
    exported = "".join(span.to_json() for span in watch.finished())
    exported += str([watch.points(name) for name in METRICS])
    assert len(watch.finished()) >= 9
    assert "SUCCEEDED" in exported
    assert "CANARY" not in exported
