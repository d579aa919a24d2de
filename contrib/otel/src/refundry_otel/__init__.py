"""Spans and metrics of OpenTelemetry for Refundry: an observer."""

from refundry_otel.telemetry import Telemetry

__all__ = ["Telemetry"]
