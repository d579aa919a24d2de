"""How a webhook stands in its row: as it came, without secrets, and whether it was proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from refundry.account import Account
from refundry.http import Event
from refundry.model import Delivery
from refundry_ledger.accounts import Locked
from refundry_ledger.records import Row, plain_text, storable

_NEVER_KEPT = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_SHORTEST_SECRET = 4


def is_proved(delivery: Delivery) -> bool:
    """Whether what the webhook says may be believed: of one that is not proved the client keeps identifiers alone."""
    return any(one.refund is not None for one in delivery.events)


def event_columns(account: Locked, owner: Account, event: Event, delivery: Delivery) -> dict[str, Any]:
    """The columns of a webhook, without what came of it."""
    return {
        "account_id": account.id,
        "digest": event.digest,
        "method": plain_text(event.method),
        **raw_columns(owner, event),
        "received_at": event.received_at,
        "verified": is_proved(delivery) or not owner.connector.unsigned_events,
    }


def raw_columns(owner: Account, event: Event) -> dict[str, Any]:
    """The columns of a webhook that are deleted when it is old."""
    return {
        "url": _without_secrets(event.url and storable(event.url), owner.secrets),
        "headers": _kept_headers(event.headers, owner.secrets),
        "body": event.body,
        "pruned_at": None,
    }


def proved_columns(owner: Account, event: Event) -> dict[str, Any]:
    """What changes of a webhook that was stored without its proof and comes again with it."""
    return {**raw_columns(owner, event), "received_at": event.received_at, "verified": True}


def event_of(row: Row) -> Event:
    """A stored webhook as it came."""
    return Event(**{name: row[name] for name in ("method", "url", "headers", "body", "received_at")})


def _kept_headers(headers: Mapping[str, str], secrets: Sequence[str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in _NEVER_KEPT and value == _without_secrets(value, secrets)
    }


def _without_secrets(text: str | None, secrets: Sequence[str]) -> str | None:
    for secret in secrets:
        if text is not None and len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text
