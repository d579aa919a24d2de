"""What Prometheus may read: what this process did, and how the ledger stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as Count
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import Histogram
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from refundry_ledger import Ledger
from refundry_ledger.inbox import Inbox

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters of one process."""

    def __init__(self, ledger: Ledger) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = Count(
            "refundry_webhooks", "Webhooks, by what became of them.", ("account", "outcome"), registry=self.registry
        )
        self.webhook_seconds = Histogram(
            "refundry_webhook_seconds", "Until the answer to a webhook.", buckets=SECONDS, registry=self.registry
        )
        self.requests = Count(
            "refundry_requests",
            "Requests of people and programs.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.tracked = Count(
            "refundry_tracked", "Refunds that processors were asked for.", ("outcome",), registry=self.registry
        )
        self.registry.register(LedgerCollector(ledger))

    def exposition(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


class CountedRequests:
    """Counts every request by its route, so that no identifier becomes a label."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                self.metrics.requests.labels(route, scope["method"], message["status"]).inc()
            await send(message)

        await self.app(scope, receive, counting if scope["type"] == "http" else send)


class LedgerCollector(Collector):
    """How the ledger stands at the moment of asking."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: otherwise registering would ask the database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges."""
        refunds = GaugeMetricFamily("refundry_refunds", "Refunds in the ledger.", labels=("account", "status"))
        counted: Counter[tuple[str, str]] = Counter()
        for total in self._ledger.totals():
            counted[total.account, total.status or "NONE"] += total.refunds
        for (account, status), number in sorted(counted.items()):
            refunds.add_metric((account, status), number)
        yield refunds
        waiting = GaugeMetricFamily("refundry_webhooks_waiting", "Webhooks stored and not read.", labels=("account",))
        for account, number in Inbox(self._ledger).waiting().items():
            waiting.add_metric((account,), number)
        yield waiting
        attention = self._ledger.count_needing_attention()
        yield GaugeMetricFamily("refundry_attention", "Refunds that a person should look at.", value=attention)
