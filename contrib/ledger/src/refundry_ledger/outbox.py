"""Changes out: to observers, and as signed webhooks in the form of Standard Webhooks.

Every change goes out at least once, the changes of one refund in their order, each with an id that stays the same.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import attrs
import requests
from sqlalchemy import Column, ColumnElement, Connection, and_, exists, or_, select, update
from standardwebhooks import Webhook

from refundry.account import check_secure
from refundry.accounts import read_config, read_secret
from refundry.errors import ConfigurationError
from refundry.model import RefundStatus
from refundry.plugins import Observers
from refundry.policy import Clock
from refundry.schedule import spread
from refundry.times import to_iso
from refundry_ledger.database import Database
from refundry_ledger.records import Change, Pass, observation_of
from refundry_ledger.schema import accounts, observations, outbox, refunds

EVENT_TYPE = "refund.status_changed"
KEPT_FOR = timedelta(days=3)
"""How long a change is sent again before it is given up."""
FIRST_BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(hours=6)
_LEASE = timedelta(minutes=5)
_BATCH = 10
_TIMEOUTS = (5.0, 15.0)


@attrs.frozen(kw_only=True)
class Channel:
    """One way out of the outbox, by its columns."""

    done: Column[datetime]
    lease: Column[datetime]
    open: ColumnElement[bool]
    """Which changes still have to go out this way."""


TOLD = Channel(done=outbox.c.told_at, lease=outbox.c.told_lease, open=outbox.c.told_at.is_(None))
SENT = Channel(
    done=outbox.c.sent_at, lease=outbox.c.sent_lease, open=and_(outbox.c.sent_at.is_(None), outbox.c.given_up.is_(None))
)


def tell_observers(database: Database, clock: Clock, observers: Observers) -> Pass:
    """Call `refund_status_changed` of these observers for every change that they have not heard of."""
    began, told = perf_counter(), 0
    while changes := _claim(database, TOLD, clock.now(), _BATCH):
        for change in changes:
            observers.refund_status_changed(change.previous, change.current)
            _mark(database, change, {"told_at": clock.now()})
        told += len(changes)
    return Pass(done=told, elapsed=timedelta(seconds=perf_counter() - began))


@attrs.frozen(kw_only=True)
class Endpoint:
    """Where signed webhooks go."""

    url: str
    webhook: Webhook
    session: requests.Session
    timeouts: tuple[float, float] = _TIMEOUTS

    def send(self, change: Change, now: datetime) -> str | None:
        """Send one change; why it failed, or None."""
        body = json.dumps({"type": EVENT_TYPE, "timestamp": to_iso(change.changed_at), "data": change.payload})
        headers = {
            "Content-Type": "application/json",
            "webhook-id": change.change_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self.webhook.sign(change.change_id, now, body),
        }
        try:
            response = self.session.post(
                self.url, data=body.encode(), headers=headers, timeout=self.timeouts, allow_redirects=False, stream=True
            )
        except requests.RequestException as error:
            return type(error).__name__
        response.close()
        return None if 200 <= response.status_code < 300 else f"HTTP {response.status_code}"


def configured(path: str | Path | None = None) -> tuple[str, str] | None:
    """The address and the secret in the table ``[outbox]`` of ``refundry.toml``. Raises `ConfigurationError`."""
    described = read_config(path).get("outbox")
    if described is None:
        return None
    if not isinstance(described, Mapping) or not isinstance(described.get("url"), str) or "secret" not in described:
        raise ConfigurationError('the table [outbox] takes url = "https://..." and secret = { env = "A_VARIABLE" }')
    return described["url"], read_secret(described["secret"], "secret of [outbox]")


def endpoint(url: str, secret: str, session: requests.Session | None = None) -> Endpoint:
    """An endpoint. Raises `ConfigurationError` for an insecure address or a secret that is none."""
    try:
        check_secure(url)
    except ConfigurationError:
        raise ConfigurationError(
            "webhooks go to https:// alone (http:// to this machine), without a password"
        ) from None
    try:
        webhook = Webhook(secret)
    except Exception:  # noqa: BLE001  whatever the library makes of it, the secret is not shown
        raise ConfigurationError("the webhook secret is not one: use whsec_ and base64 of 24 bytes or more") from None
    return Endpoint(url=url, webhook=webhook, session=session or requests.Session())


def deliver(
    database: Database,
    clock: Clock,
    to: Endpoint,
    *,
    limit: int,
    stop: threading.Event,
    chance: Callable[[], float] = random.random,
) -> Pass:
    """Send the changes that are due; one that fails waits, and the later ones of its refund with it."""
    began, result, failed_at_once = perf_counter(), Pass(), 0
    _give_up(database, clock.now())
    # An endpoint that is away would hold up whoever calls this, for every change as long as its timeouts.
    while result.done + result.failed < limit and failed_at_once < _BATCH and not stop.is_set():
        changes = _claim(database, SENT, clock.now(), min(_BATCH, limit - result.done - result.failed))
        if not changes:
            break
        sent = _send_all(database, clock, to, changes, stop, chance)
        result, failed_at_once = result + sent, 0 if sent.done else failed_at_once + sent.failed
    return result + Pass(elapsed=timedelta(seconds=perf_counter() - began))


def _send_all(
    database: Database,
    clock: Clock,
    to: Endpoint,
    changes: Sequence[Change],
    stop: threading.Event,
    chance: Callable[[], float],
) -> Pass:
    result, host = Pass(), urlsplit(to.url).hostname or ""
    for place, change in enumerate(changes):
        if stop.is_set():
            for unsent in changes[place:]:
                _mark(database, unsent, {"sent_lease": None})
            break
        failure = to.send(change, clock.now())
        _mark(database, change, _after_sending(change, failure, clock.now(), chance()))
        result += Pass(failed=1, errors={host: failure}) if failure else Pass(done=1)
    return result


def _after_sending(change: Change, failure: str | None, now: datetime, chance: float) -> dict[str, object]:
    if failure is None:
        return {"sent_at": now, "sent_lease": None}
    backoff = min(FIRST_BACKOFF * 4 ** min(change.attempts, 10), LONGEST_BACKOFF)
    attempts = change.attempts + 1
    return {"send_attempts": attempts, "send_after": now + spread(backoff, chance, share=0.2), "sent_lease": None}


def _give_up(database: Database, now: datetime) -> None:
    old = (SENT.open, outbox.c.changed_at < now - KEPT_FOR)
    with database.writing() as connection:
        connection.execute(update(outbox).where(*old).values(given_up=f"not delivered within {KEPT_FOR.days} days"))


def _claim(database: Database, channel: Channel, now: datetime, limit: int) -> list[Change]:
    """Claim the oldest change of each refund that has one to go out."""
    earlier = outbox.alias()
    blocked = exists().where(
        earlier.c.refund_id == outbox.c.refund_id,
        earlier.c.number < outbox.c.number,
        earlier.c[channel.done.name].is_(None),
        earlier.c.given_up.is_(None) if channel is SENT else earlier.c.told_at.is_(None),
    )
    free = or_(channel.lease.is_(None), channel.lease <= now)
    ready = (channel.open, free, ~blocked, *([outbox.c.send_after <= now] if channel is SENT else []))
    oldest = select(outbox.c.id).where(*ready).order_by(outbox.c.id).limit(limit)
    chosen = oldest.with_for_update(skip_locked=True).cte("chosen")
    lease = update(outbox).where(outbox.c.id.in_(select(chosen.c.id))).values({channel.lease: now + _LEASE})
    with database.leasing() as connection:
        numbers = connection.execute(lease.returning(outbox.c.id)).scalars().all()
        return _changes(connection, numbers)


def _changes(connection: Connection, numbers: Sequence[int]) -> list[Change]:
    query = (
        select(outbox, observations, accounts.c.name)
        .select_from(outbox)
        .join(observations, observations.c.id == outbox.c.observation_id)
        .join(refunds, refunds.c.id == outbox.c.refund_id)
        .join(accounts, accounts.c.id == refunds.c.account_id)
        .where(outbox.c.id.in_(numbers))
        .order_by(outbox.c.id)
    )
    found = []
    for row in connection.execute(query):
        change = {column.name: row._mapping[column] for column in outbox.c}
        said = {column.name: row._mapping[column] for column in observations.c}
        found.append(
            Change(
                change_id=change["change_id"],
                refund_id=change["refund_id"],
                number=change["number"],
                previous=RefundStatus(change["previous"]) if change["previous"] else None,
                current=observation_of(said, row._mapping[accounts.c.name]),
                payload=change["payload"],
                changed_at=change["changed_at"],
                attempts=change["send_attempts"],
            )
        )
    return found


def _mark(database: Database, change: Change, values: dict[str, object]) -> None:
    with database.writing() as connection:
        connection.execute(update(outbox).where(outbox.c.change_id == change.change_id).values(**values))
