"""The metrics, each with its unit and what it counts."""

from __future__ import annotations

from datetime import timedelta

import attrs
from opentelemetry.metrics import Counter, Histogram, Meter

from refundry.hookspecs import Attempt
from refundry.model import UNKNOWN, RefundStatus
from refundry.state import Observation
from refundry_otel.attributes import (
    ACCOUNT,
    CONNECTOR,
    OPERATION,
    OUTCOME,
    PREVIOUS_STATUS,
    SOURCE,
    STATUS,
    error_type,
    of_attempt,
    of_operation,
    outcome,
)

_LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 30)
"""Seconds; the bounds that OpenTelemetry advises for HTTP, and the longest timeouts."""
_LAGS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)
"""Seconds, from one to a week."""


@attrs.frozen
class Instruments:
    """Every metric of `METRICS`, made by one meter."""

    requests: Counter
    retries: Counter
    request_duration: Histogram
    operation_duration: Histogram
    observations: Counter
    unknown_statuses: Counter
    status_changes: Counter
    webhook_lag: Histogram

    def attempted(self, attempt: Attempt) -> None:
        """A request is over."""
        asked = of_operation(attempt.account, attempt.operation) | {CONNECTOR: attempt.connector}
        self.requests.add(1, {**asked, OUTCOME: outcome(attempt.error)})
        self.request_duration.record(attempt.elapsed.total_seconds(), of_attempt(attempt))
        if attempt.number > 1:
            self.retries.add(1, asked)

    def operated(self, account: str, operation: str, seconds: float, error: BaseException | None) -> None:
        """An operation is over."""
        self.operation_duration.record(seconds, of_operation(account, operation) | error_type(error))

    def observed(self, one: Observation) -> None:
        """A processor said something about a refund."""
        if one.kind == "status":
            self.observations.add(1, {ACCOUNT: one.account, STATUS: one.status.value, SOURCE: one.source})
            if one.status is UNKNOWN:
                self.unknown_statuses.add(1, {ACCOUNT: one.account})
        if one.source == "webhook" and one.provider_time is not None:
            lag = max(one.observed_at - one.provider_time, timedelta(0))
            self.webhook_lag.record(lag.total_seconds(), {ACCOUNT: one.account})

    def changed(self, previous: RefundStatus | None, current: Observation) -> None:
        """A refund's status changed."""
        before = {PREVIOUS_STATUS: previous.value} if previous else {}
        self.status_changes.add(1, {ACCOUNT: current.account, STATUS: current.status.value, **before})


METRICS = {
    "refundry.requests": f"HTTP requests to processors, by {CONNECTOR} and {OUTCOME}.",
    "refundry.retries": "Those of them that repeat one that failed.",
    "refundry.request.duration": "How long a processor took to answer.",
    "refundry.operation.duration": f"How long each {OPERATION} took, with its waits and retries.",
    "refundry.observations": f"What processors said of refunds, by {STATUS} and {SOURCE}.",
    "refundry.unknown_statuses": "Those of them whose word is in no table: a connector wants an update.",
    "refundry.status_changes": f"Refunds that changed, by {PREVIOUS_STATUS} and {STATUS}.",
    "refundry.webhook.lag": "From the processor's time of a change to its webhook.",
}


def instruments(meter: Meter) -> Instruments:
    """Make the metrics."""

    def counter(name: str, unit: str) -> Counter:
        return meter.create_counter(name, unit, METRICS[name])

    def histogram(name: str, bounds: tuple[float, ...]) -> Histogram:
        return meter.create_histogram(name, "s", METRICS[name], explicit_bucket_boundaries_advisory=bounds)

    return Instruments(
        requests=counter("refundry.requests", "{request}"),
        retries=counter("refundry.retries", "{request}"),
        request_duration=histogram("refundry.request.duration", _LATENCIES),
        operation_duration=histogram("refundry.operation.duration", _LATENCIES),
        observations=counter("refundry.observations", "{observation}"),
        unknown_statuses=counter("refundry.unknown_statuses", "{observation}"),
        status_changes=counter("refundry.status_changes", "{change}"),
        webhook_lag=histogram("refundry.webhook.lag", _LAGS),
    )
