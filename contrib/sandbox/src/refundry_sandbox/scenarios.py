"""What is recorded of a connector: scenarios that play on a fresh sandbox, and say what was asked and what is right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import attrs

from refundry.client import RefundClient
from refundry.connector import Connector, settings_of
from refundry.errors import AuthenticationError, RateLimited, RefundNotFound, RefundryError
from refundry.http import Event
from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, Delivery, Refund, RefundEvent, RefundStatus
from refundry.sandbox import ConnectorSandbox, varied
from refundry.times import to_iso
from refundry_sandbox.faults import Fault
from refundry_sandbox.sandbox import Sandbox

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When recordings with the sandbox take place."""
ENDPOINT = "https://merchant.example/webhooks/{}"
"""Where a connector's webhooks go, unless its sandbox's settings say so."""

_STATUSES: Mapping[str, RefundStatus] = {
    "success": SUCCEEDED,
    "pending": PENDING,
    "failure": FAILED,
    "manual_review": MANUAL_REVIEW,
}
_MORE_THAN_ALL_TRIES = 9


@attrs.frozen
class Take:
    """What one scenario asked and what must come of it; for a webhook also the event and its delivery."""

    call: Mapping[str, Any]
    expect: Mapping[str, Any]
    webhook: tuple[Event, Delivery] | None = None


@attrs.frozen
class Stage:
    """What a scenario plays on: one processor in a fresh sandbox, and a maker of clients for it."""

    name: str
    connector: type[Connector]
    played_by: type[ConnectorSandbox[Any]]
    sandbox: Sandbox
    client: Callable[..., RefundClient]
    """Takes settings that differ from the sandbox's."""

    def add(self, word: str, **fields: Any) -> Refund:
        """A new refund that stands at this word, with those of the fields that the processor has."""
        shown = {name: value for name, value in fields.items() if name in self.played_by.expressible}
        return self.sandbox.add(self.name, words=(word,), **shown)

    def query(self, refund: Refund) -> dict[str, Any]:
        """What this connector needs to be asked for this refund."""
        wanted = {name for names in self.connector.identifiers for name in names}
        known = refund.query()
        query: dict[str, Any] = {name: value for name, value in known.items() if name in wanted and "." not in name}
        metadata = {key: value for key, value in known.metadata.items() if f"metadata.{key}" in wanted}
        return {**query, "metadata": metadata} if metadata else query


Scenario: TypeAlias = Callable[[Stage], Take | None]
"""Plays once. None: the processor has no such exchange, and nothing is recorded."""


def scenarios_of(client: RefundClient, played_by: type[ConnectorSandbox[Any]]) -> dict[str, Scenario]:
    """The scenarios of a connector, by the names of their files."""
    account = client.account
    found: dict[str, Scenario] = {}
    if account.can("get"):
        found.update(_gets(account.connector, played_by))
    if account.can("list"):
        found.update(_lists(account.connector))
    if account.can("webhook"):
        found.update(_webhooks(account.connector))
    return found


def shape(refund: Refund) -> dict[str, Any]:
    """A refund as `expect` has it: without what belongs to the answer and not to the refund."""
    return {name: value for name, value in refund.to_dict().items() if name not in ("status_code", "response_headers")}


def _gets(connector: Connector, played_by: type[ConnectorSandbox[Any]]) -> dict[str, Scenario]:
    words = _words(connector, played_by)
    by_status = {name: next((word for word in words if words[word] is one), None) for name, one in _STATUSES.items()}
    found = {name: _get(word) for name, word in by_status.items() if word}
    return {**found, "not_found": _not_found, "bad_credentials": _bad_credentials, "rate_limited": _rate_limited}


def _words(connector: Connector, played_by: type[ConnectorSandbox[Any]]) -> dict[str, RefundStatus]:
    """The words that a get may answer with, those of the sandbox's lives first."""
    lived = [word for life in played_by.lives.values() for word in life]
    words = dict.fromkeys([*lived, *connector.statuses])
    return {word: connector.statuses[word] for word in words if word not in played_by.event_words}


def _get(word: str) -> Scenario:
    def play(stage: Stage) -> Take:
        refund = stage.add(word)
        query = stage.query(refund)
        stage.client().get(query)
        return Take({"operation": "get", "query": query}, {"refund": shape(refund)})

    return play


def _not_found(stage: Stage) -> Take:
    query = stage.query(stage.add(_first_words(stage)[0]))
    for name in {"connector_refund_id", "merchant_refund_id"} & set(query):
        query[name] = varied(query[name])
    return _refused(stage.client(), query, RefundNotFound)


def _bad_credentials(stage: Stage) -> Take:
    secret = {one.name for one in settings_of(stage.connector) if one.secret}
    wrong = {name: varied(value) for name, value in stage.played_by.settings.items() if name in secret}
    return _refused(stage.client(**wrong), stage.query(stage.add(_first_words(stage)[0])), AuthenticationError)


def _rate_limited(stage: Stage) -> Take:
    query = stage.query(stage.add(_first_words(stage)[0]))
    stage.sandbox.inject(stage.name, Fault.RATE_LIMITED, times=_MORE_THAN_ALL_TRIES)
    return _refused(stage.client(), query, RateLimited)


def _refused(client: RefundClient, query: dict[str, Any], expected: type[RefundryError]) -> Take:
    with suppress(RefundryError):
        client.get(query)
    return Take({"operation": "get", "query": query}, {"error": expected.__name__})


def _lists(connector: Connector) -> dict[str, Scenario]:
    listing = connector.listing
    found: dict[str, Scenario] = {}
    if listing is not None and listing.basis != "payment":
        found["list"] = _list
    if listing is not None and (listing.by_payment or listing.basis == "payment"):
        found["list_by_payment"] = _list_by_payment
    return found


def _list(stage: Stage) -> Take:
    refunds = [_listed_refund(stage, number) for number in (1, 2, 3)]
    since, until = START - timedelta(days=2), START
    listed = stage.client().list(since=since, until=until, page_size=2)
    call = {"operation": "list", "since": to_iso(since), "until": to_iso(until), "page_size": 2}
    return Take(call, {"refunds": _as_listed(refunds, listed)})


def _list_by_payment(stage: Stage) -> Take | None:
    first, _ = _listed_refund(stage, 1), _listed_refund(stage, 2)
    payment = first.connector_transaction_id
    if payment is None:
        return None  # this processor's refunds do not name their payment
    refunds = [first, *(_listed_refund(stage, number, connector_transaction_id=payment) for number in (3, 4))]
    listed = list(stage.client().list(connector_transaction_id=payment, page_size=2))
    call = {"operation": "list", "connector_transaction_id": payment, "page_size": 2}
    return Take(call, {"refunds": _as_listed(refunds, listed)})


def _listed_refund(stage: Stage, number: int, **fields: Any) -> Refund:
    words = _first_words(stage)
    return stage.add(words[number % len(words)], created_at=START - timedelta(hours=number), **fields)


def _as_listed(refunds: Iterable[Refund], listed: Iterable[Refund]) -> list[dict[str, Any]]:
    """The refunds as the sandbox holds them, in the order of the list and with the fields that its items have."""
    held = {refund.connector_refund_id: shape(refund) for refund in refunds}
    shown = {refund.connector_refund_id: shape(refund) for refund in listed}
    missing = [facts for refund_id, facts in held.items() if refund_id not in shown]
    return [_of_both(held[refund_id], facts) for refund_id, facts in shown.items() if refund_id in held] + missing


def _of_both(held: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in held.items() if name in shown}


def _webhooks(connector: Connector) -> dict[str, Scenario]:
    return {f"webhook_{re.sub('[^A-Za-z0-9]+', '_', word)}": _webhook(word) for word in connector.statuses}


def _webhook(word: str) -> Scenario:
    def play(stage: Stage) -> Take | None:
        refund = stage.add(word)
        endpoint = stage.played_by.settings.get("webhook_url") or ENDPOINT.format(stage.name)
        client = stage.client(webhook_url=endpoint)
        try:
            event = stage.sandbox.event(stage.name, refund.connector_refund_id or "")
        except RefundryError:
            return None
        event = attrs.evolve(event, url=_called(endpoint, event.url))
        delivery = client.handle_event(
            body=event.body, headers=event.headers, method=event.method, url=event.url, received_at=event.received_at
        )
        told = [one.refund.connector_status for one in delivery.events if one.refund is not None]
        if not delivery.events or told not in ([], [word]):
            return None  # a webhook has no way to say this word
        if not told and word != _first_words(stage)[0]:
            return None  # hints say the same for every word
        reply = {"status": delivery.reply.status_code, "body": delivery.reply.body.decode()}
        events = [_event(one, refund) for one in delivery.events]
        call = {"operation": "webhook", "received_at": to_iso(event.received_at)}
        return Take(call, {"events": events, "reply": reply}, (event, delivery))

    return play


def _called(endpoint: str, sent_to: str | None) -> str:
    query = urlsplit(sent_to or "").query
    return f"{endpoint}?{query}" if query else endpoint


def _event(event: RefundEvent, refund: Refund) -> dict[str, Any]:
    """An event with what the sandbox holds, as far as the processor's event says it."""
    if event.refund is None:
        # A hint may name the refund in another way than a get does.
        return {"event_id": event.event_id, "query": dict(event.query.items())}
    held = dict(refund.query().items())
    said = {"event_id": event.event_id, "query": {name: held.get(name, value) for name, value in event.query.items()}}
    whole = shape(refund)
    return {**said, "refund": {name: whole.get(name, value) for name, value in shape(event.refund).items()}}


def _first_words(stage: Stage) -> list[str]:
    return list(dict.fromkeys(life[0] for life in stage.played_by.lives.values()))
