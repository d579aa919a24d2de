"""Webhooks in: verified by the client, stored with what they say in one transaction, and only then acknowledged."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import Connection, insert, select, update

from refundry.account import Account
from refundry.client import RefundClient
from refundry.errors import MappingError, RefundryError, SignatureError
from refundry.http import Event, Response
from refundry.model import Delivery, RefundEvent
from refundry.state import observe
from refundry_ledger.accounts import Locked, count, insert_or_update, lock_account
from refundry_ledger.database import AWAY, Database
from refundry_ledger.envelopes import event_columns, event_of, is_proved, proved_columns, raw_columns
from refundry_ledger.recording import hint, record
from refundry_ledger.records import Pass, Receipt, plain_text
from refundry_ledger.schema import accounts, event_items, events

REFUSED = "refused signatures"
UNMAPPED = "unmapped"
WAITING = "waiting"
# By its form, for the client may have digested the registered address instead of the one that was called.
_DIGEST = re.compile(r"[0-9a-f]{64}-[0-9]+")


def receive(database: Database, client: RefundClient, event: Event, now: datetime) -> Receipt:
    """Verify a webhook, map it, store it. See `refundry_ledger.Ledger.receive`."""
    try:
        delivery = verified(client, event)
    except SignatureError:
        with database.writing() as connection:
            count(lock(connection, client, now), REFUSED)
        raise
    with database.reading() as connection:
        if not _is_new(connection, client.account.name, event, delivery):
            return _receipt(delivery, duplicate=True)
    try:
        return _write(database, client, event, delivery, now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001  whatever is odd in it, the webhook itself must not be lost
        return _write(database, client, event, _unreadable(delivery, error), now)


def verified(client: RefundClient, event: Event) -> Delivery:
    """What an authentic webhook says, or that it cannot be read. Raises `SignatureError` and what else refuses it."""
    try:
        return client.handle_event(
            body=event.body, headers=event.headers, method=event.method, url=event.url, received_at=event.received_at
        )
    except MappingError as error:
        if error.reply is None:  # it failed before it was verified
            raise
        return Delivery(events=(), reply=error.reply, problems=(error,))


def _unreadable(delivery: Delivery, error: Exception) -> Delivery:
    """The delivery without what it says."""
    problem = MappingError(f"{type(error).__name__} while it was stored: please report it")
    return attrs.evolve(delivery, events=(), problems=(problem,))


def _write(database: Database, client: RefundClient, event: Event, delivery: Delivery, now: datetime) -> Receipt:
    with database.writing() as connection:
        account = lock(connection, client, now)
        return _receipt(delivery, duplicate=store(account, client.account, event, delivery))


def replay(database: Database, client: RefundClient, now: datetime) -> Pass:
    """Map what could not be mapped, and what was not read yet. See `refundry_ledger.Ledger.replay`."""
    # Looked up beforehand: what waits and cannot be mapped either need not be tried twice.
    numbers = [
        (one, outcome) for outcome in (UNMAPPED, WAITING) for one in numbers_of(database, client.account.name, outcome)
    ]
    return sum((read_again(database, client, number, outcome, now) for number, outcome in numbers), Pass())


def numbers_of(database: Database, account: str, outcome: str, limit: int | None = None) -> Sequence[int]:
    """The webhooks of an account of which this came, oldest first."""
    query = select(events.c.id).join(accounts).where(accounts.c.name == account, events.c.outcome == outcome)
    with database.reading() as connection:
        return connection.execute(query.order_by(events.c.id).limit(limit)).scalars().all()


def read_again(database: Database, client: RefundClient, number: int, outcome: str, now: datetime) -> Pass:
    """Map one stored webhook and store what it says; nothing where another process has done so meanwhile."""
    try:
        with database.writing() as connection:
            return _read_again(connection, client, number, outcome, now)
    except AWAY:
        raise
    except Exception as error:  # noqa: BLE001  one odd webhook must not keep those after it from being read
        with database.writing() as connection:
            return _read_again(connection, client, number, outcome, now, odd=error)


def _read_again(
    connection: Connection,
    client: RefundClient,
    number: int,
    outcome: str,
    now: datetime,
    odd: Exception | None = None,
) -> Pass:
    account = lock(connection, client, now)
    query = select(events).where(events.c.id == number, events.c.outcome == outcome)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return Pass()
    event = event_of(row)
    delivery = map_again(client, event, verified=row["verified"])
    if odd is not None:
        delivery = _unreadable(delivery, odd)
    store(account, client.account, event, delivery, number)
    problem = next(iter(delivery.problems), None)
    return Pass(failed=1, errors={f"event {number}": problem.message}) if problem else Pass(done=1)


def lock(connection: Connection, client: RefundClient, now: datetime) -> Locked:
    """Lock the account of a client."""
    return lock_account(connection, client.account.name, now, client.account.connector.name)


def _receipt(delivery: Delivery, *, duplicate: bool) -> Receipt:
    return Receipt(
        reply=delivery.reply, events=tuple(delivery.events), problems=tuple(delivery.problems), duplicate=duplicate
    )


def _is_new(connection: Connection, name: str, event: Event, delivery: Delivery) -> bool:
    """False for a webhook of which nothing is left to do, which then need not wait for a write."""
    if any(one.is_hint for one in delivery.events):
        return True
    query = select(events.c.outcome, events.c.verified).join(accounts)
    same = (accounts.c.name == name, events.c.digest == event.digest)
    known = connection.execute(query.where(*same)).one_or_none()
    return known is None or tells_more(known.outcome, delivery, verified=known.verified)


def tells_more(outcome: str, delivery: Delivery, *, verified: bool) -> bool:
    """Whether a webhook that was stored before says more now: a newer version reads it, or now it is proved."""
    return (outcome == UNMAPPED and not delivery.problems) or (is_proved(delivery) and not verified)


def store(account: Locked, owner: Account, event: Event, delivery: Delivery, number: int | None = None) -> bool:
    """Store a webhook and what it says; whether all of it was there before. ``number`` is its row's, where known."""
    items = list(zip(keys_of(event, delivery), delivery.events, strict=True))
    known = _known_keys(account, [key for key, _ in items])
    new: dict[str, RefundEvent] = {}
    for key, one in items:
        if _is_news(one, known.get(key)):
            new.setdefault(key, one)
    stored = _stored_event(account, event) if number is None else number
    if stored is not None or not items or new or delivery.problems:
        event_id = _store_event(account, owner, event, delivery, stored, again=number is None)
        for key, one in new.items():
            row = {"account_id": account.id, "key": key, "event_id": event_id}
            insert_or_update(account.connection, event_items, row, ("account_id", "key"), "event_id")
            _store_refund(account, one, event, event_id)
    for key, one in items:
        if one.is_hint and not one.foreign and (key not in known or _is_ours(one)):
            hint(account, one.query)
    return stored is not None if not items else not new


def _store_refund(account: Locked, one: RefundEvent, event: Event, event_id: int) -> None:
    if one.refund is None:
        return
    said = observe(
        account.name,
        one.refund,
        source="webhook",
        observed_at=event.received_at,
        foreign=one.foreign,
        occurred_at=one.occurred_at,
    )
    ids = {name: getattr(said, name) or getattr(one.query, name) for name in _IDENTIFIERS}
    record(account, attrs.evolve(said, **ids), query=one.refund.query(), event_id=event_id)


_IDENTIFIERS = ("connector_refund_id", "merchant_refund_id", "connector_transaction_id")


def _stored_event(account: Locked, event: Event) -> int | None:
    same = (events.c.account_id == account.id, events.c.digest == event.digest)
    return account.connection.execute(select(events.c.id).where(*same)).scalar_one_or_none()


def _store_event(
    account: Locked, owner: Account, event: Event, delivery: Delivery, known: int | None, *, again: bool
) -> int:
    """Store a webhook, or what came of one whose row is ``known``; ``again`` says that it has come again."""
    outcome = _outcome(delivery)
    if known is None:
        values = event_columns(account, owner, event, delivery)
        added = insert(events).values(**values, **outcome).returning(events.c.id)
        return account.connection.execute(added).scalar_one()  # type: ignore[no-any-return]
    if again and is_proved(delivery):
        outcome |= proved_columns(owner, event)
    elif again and delivery.problems:
        # To be read again it needs its body, which may have been deleted.
        outcome |= raw_columns(owner, event)
    account.connection.execute(update(events).where(events.c.id == known).values(**outcome))
    return known


def _outcome(delivery: Delivery) -> dict[str, Any]:
    if delivery.problems:
        return {"outcome": UNMAPPED, "reason": plain_text(str(delivery.problems[0]))}
    if delivery.events:
        return {"outcome": "mapped", "reason": None}
    return {"outcome": "ignored", "reason": "it is about no refund"}


def _known_keys(account: Locked, keys: Sequence[str]) -> dict[str, bool]:
    """Those of the keys that are known, each with whether the webhook that brought it was proved."""
    if not keys:
        return {}
    query = select(event_items.c.key, events.c.verified).join(events, events.c.id == event_items.c.event_id)
    mine = (event_items.c.account_id == account.id, event_items.c.key.in_(keys))
    return {row.key: row.verified for row in account.connection.execute(query.where(*mine))}


def _is_news(one: RefundEvent, verified: bool | None) -> bool:
    """Whether this was not heard before, or only without the proof that it has now and without being believed."""
    return verified is None or (one.refund is not None and not verified)


def _is_ours(one: RefundEvent) -> bool:
    """Whether the event's id is a digest: the same words may then come again with a new meaning."""
    return one.event_id is None or _DIGEST.fullmatch(one.event_id) is not None


def keys_of(event: Event, delivery: Delivery) -> list[str]:
    """What each thing that a webhook is about is known by, when it comes again."""
    return [_item_key(one, number, event) for number, one in enumerate(delivery.events)]


def _item_key(one: RefundEvent, number: int, event: Event) -> str:
    event_id = f"{event.digest}-{number}" if _is_ours(one) else one.event_id
    facts = [event_id, *(getattr(one.query, name) for name in _IDENTIFIERS)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def map_again(client: RefundClient, event: Event, *, verified: bool) -> Delivery:
    """Map a stored event. It was verified when it came; a header that proved it may not have been kept."""
    try:
        mapped = client.account.hooks.map_event(event)
    except RefundryError as error:
        problem = error if isinstance(error, MappingError) else MappingError(error.message)
        return Delivery(events=(), reply=Response(200), problems=(problem,))
    except Exception as error:  # noqa: BLE001  a connector's slip keeps the event where it is
        slip = MappingError(f"{type(error).__name__} in map_event: this is a defect of the connector")
        return Delivery(events=(), reply=Response(200), problems=(slip,))
    found = [one for one in mapped if isinstance(one, RefundEvent)]
    problems = [one for one in mapped if isinstance(one, MappingError)]
    return Delivery(
        events=[_completed(one, event, verified=verified) for one in found], reply=Response(200), problems=problems
    )


def _completed(one: RefundEvent, event: Event, *, verified: bool) -> RefundEvent:
    refund = attrs.evolve(one.refund, raw=event.body) if one.refund is not None and verified else None
    return attrs.evolve(one, refund=refund)
