"""`Telemetry`: the observer."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token

import attrs
from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider

from refundry import __version__
from refundry.hookspecs import Attempt, hookimpl
from refundry.model import RefundStatus
from refundry.state import Observation
from refundry_otel.attributes import error_type, of_attempt, of_operation, resends
from refundry_otel.instruments import instruments

SCOPE = "refundry"


@attrs.frozen
class _Operation:
    span: Span
    token: Token[Context]
    started: float


_under_way: ContextVar[tuple[_Operation, ...]] = ContextVar("refundry_otel_under_way", default=())
"""The operations of this thread or task, innermost last."""


class Telemetry:
    """An observer that makes a span of each operation, one of each request within it, and the metrics of `METRICS`.

    Pass it in ``plugins=[...]``; one serves any number of clients, threads and tasks.

    Args:
        tracer_provider: the global one if not given.
        meter_provider: the global one if not given.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer(SCOPE, __version__, tracer_provider)
        self._metrics = instruments(metrics.get_meter(SCOPE, __version__, meter_provider))

    @hookimpl
    def operation_started(self, account: str, operation: str) -> None:
        span = self._tracer.start_span(f"refundry {operation}", attributes=of_operation(account, operation))
        token = context.attach(trace.set_span_in_context(span))
        _under_way.set((*_under_way.get(), _Operation(span, token, time.perf_counter())))

    @hookimpl
    def operation_ended(self, account: str, operation: str, error: BaseException | None) -> None:
        under_way = _under_way.get()
        if not under_way:  # abandoned by its own thread or task and swept up by another
            return
        ended = under_way[-1]
        self._metrics.operated(account, operation, time.perf_counter() - ended.started, error)
        _under_way.set(under_way[:-1])
        context.detach(ended.token)
        _end(ended.span, error)

    @hookimpl
    def attempt_ended(self, attempt: Attempt) -> None:
        began = time.time_ns() - int(attempt.elapsed.total_seconds() * 1e9)
        facts = of_attempt(attempt) | resends(attempt)
        span = self._tracer.start_span(attempt.request.method, kind=SpanKind.CLIENT, attributes=facts, start_time=began)
        self._metrics.attempted(attempt)
        _end(span, attempt.error)

    @hookimpl
    def refund_observed(self, observation: Observation) -> None:
        self._metrics.observed(observation)

    @hookimpl
    def refund_status_changed(self, previous: RefundStatus | None, current: Observation) -> None:
        self._metrics.changed(previous, current)


def _end(span: Span, error: BaseException | None) -> None:
    if error is not None:
        # Its text is left out: a processor may have written an identifier into it.
        span.set_status(StatusCode.ERROR)
        span.set_attributes(error_type(error))
    span.end()
