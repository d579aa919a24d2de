"""Webhooks by way of the queue: verified, then kept by the broker, and only then acknowledged."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from celery import Celery

from refundry.client import RefundClient
from refundry.errors import ConfigurationError, MappingError
from refundry.http import HeaderSource, Response, lower_names
from refundry_celery.routing import task_name

_CONFIRM_SECONDS = 10.0
"""A RabbitMQ that is short of memory or disk takes nothing, and says nothing either."""


def hand_over(
    app: Celery,
    client: RefundClient,
    *,
    body: bytes,
    headers: HeaderSource,
    method: str = "POST",
    url: str | None = None,
) -> Response:
    """Verify a webhook, have the broker keep it for `receive_event`, and return what to answer the processor.

    Raises `SignatureError`, whose ``reply`` refuses the event; `ConfigurationError` where the broker is Redis, which
    may lose what it took; and what kombu raises while the broker confirms nothing: then answer with 503.
    """
    if app.conf.broker_url.partition(":")[0] not in ("amqp", "amqps"):
        raise ConfigurationError("Redis may lose a webhook that was acknowledged: call Ledger.receive, or use RabbitMQ")
    event = {"body": body, "headers": lower_names(headers), "method": method, "url": url}
    received_at = datetime.now(UTC)
    reply = _verified(client, {**event, "received_at": received_at})
    sent = {**event, "body": b64encode(body).decode(), "received_at": received_at.isoformat()}
    # Its return is the broker's word that the message is on disk: see `confirm_publish` and the durable queues.
    given = {"account": client.account.name, "event": sent}
    queue = app.conf.task_default_queue
    app.send_task(
        task_name("receive_event"), kwargs=given, queue=queue, delivery_mode=2, confirm_timeout=_CONFIRM_SECONDS
    )
    return reply


def read_event(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What `Ledger.receive` takes, from what `hand_over` sent."""
    received_at = datetime.fromisoformat(sent["received_at"])
    return {**sent, "body": b64decode(sent["body"]), "received_at": received_at}


def _verified(client: RefundClient, event: Mapping[str, Any]) -> Response:
    try:
        return client.handle_event(**event).reply
    except MappingError as error:
        if error.reply is None:
            raise
        return error.reply
