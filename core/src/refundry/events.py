"""Webhooks as steps: verified first, then mapped, then answered."""

from __future__ import annotations

import attrs

from refundry.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidQuery,
    MappingError,
    RefundryError,
    SignatureError,
)
from refundry.exchange import ANSWER_LIMIT, Exchange
from refundry.http import Event, Request, Response
from refundry.model import Delivery, RefundEvent
from refundry.steps import Steps

_KEY_LIFETIME = 3600.0
_MOST_KEYS = 16


def receive(exchange: Exchange, event: Event) -> Steps[Delivery]:
    """Verify a webhook and map it.

    Raises `SignatureError`, with the reply to give, for one to be refused, and `MappingError`, with the reply to give
    once the body is stored, for an authentic one that cannot be read.
    """
    exchange.require("webhook")
    with exchange.observers.operation(exchange.account.name, "webhook"):
        return (yield from _receive(exchange, event))


def _receive(exchange: Exchange, event: Event) -> Steps[Delivery]:
    try:
        proved = yield from _verify(exchange, event)
    except (SignatureError, MappingError) as error:
        # A body whose signature cannot be read is not authentic.
        refusal = error if isinstance(error, SignatureError) else SignatureError(error.message)
        refusal.reply = _reply(exchange, event, accepted=False)
        raise exchange.named(refusal, "webhook") from None
    events, problems = _map(exchange, event)
    completed = [_complete(one, number, event, proved) for number, one in enumerate(events)]
    for one in completed:
        if one.refund is not None:
            exchange.observed(one.refund, "webhook", foreign=one.foreign, occurred_at=one.occurred_at)
    return Delivery(events=completed, reply=_reply(exchange, event, accepted=True), problems=problems)


def _verify(exchange: Exchange, event: Event) -> Steps[bool]:
    verdict = exchange.ask_hook("webhook", exchange.account.hooks.verify_event, event, None)
    if isinstance(verdict, Request):
        verdict = yield from _verify_with_key(exchange, event, verdict)
    if verdict is True or exchange.account.connector.unsigned_events:
        return verdict is True
    raise exchange.named(SignatureError("the event carries no signature that proves anything"), "webhook")


def _verify_with_key(exchange: Exchange, event: Event, request: Request) -> Steps[bool]:
    key, cached = yield from _key(exchange, request)
    try:
        return _verdict(exchange, event, key)
    except SignatureError:
        if not cached:
            raise
    exchange.keys.pop(request.path, None)
    key, _ = yield from _key(exchange, request)
    return _verdict(exchange, event, key)


def _verdict(exchange: Exchange, event: Event, key: Response) -> bool:
    return exchange.ask_hook("webhook", exchange.account.hooks.verify_event, event, key) is True


def _key(exchange: Exchange, request: Request) -> Steps[tuple[Response, bool]]:
    now = exchange.policy.clock.monotonic()
    kept = exchange.keys.get(request.path)
    if kept and kept[1] > now:
        return kept[0], True
    try:
        response = yield from exchange.answer(request, "webhook", exchange.deadline(), ANSWER_LIMIT)
    except RefundryError as error:
        if error.retryable or isinstance(error, AuthenticationError | ConfigurationError):
            raise
        # Which key it is, the event says: one that does not exist is the event's fault.
        raise exchange.named(
            SignatureError(f"the key that the event names cannot be had: {error}"), "webhook"
        ) from None
    if request.method == "GET":
        while len(exchange.keys) >= _MOST_KEYS:
            exchange.keys.pop(next(iter(exchange.keys)), None)
        exchange.keys[request.path] = (response, now + _KEY_LIFETIME)
    return response, False


def _map(exchange: Exchange, event: Event) -> tuple[list[RefundEvent], list[MappingError]]:
    try:
        mapped = exchange.ask_hook("webhook", exchange.account.hooks.map_event, event)
        events = [one for one in mapped if isinstance(one, RefundEvent)]
        problems = [one for one in mapped if isinstance(one, MappingError)]
        if problems and not events:
            raise exchange.named(problems[0], "webhook")
    except InvalidQuery as error:
        # The identifier came with the event, so it is the event that cannot be read.
        unreadable = exchange.named(MappingError(error.message), "webhook")
    except MappingError as error:
        unreadable = error
    else:
        return events, problems
    unreadable.reply = _reply(exchange, event, accepted=True)
    raise unreadable


def _complete(one: RefundEvent, number: int, event: Event, proved: bool) -> RefundEvent:
    event_id = one.event_id or f"{event.digest}-{number}"
    refund = attrs.evolve(one.refund, raw=event.body) if proved and one.refund is not None else None
    return attrs.evolve(one, event_id=event_id, refund=refund)


def _reply(exchange: Exchange, event: Event, *, accepted: bool) -> Response:
    reply = exchange.ask_hook("webhook", exchange.account.hooks.acknowledge_event, event, accepted)
    return reply or Response(200 if accepted else 400)
