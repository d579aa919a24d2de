"""What a processor sent, byte for byte as far as it is text; for operators."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import attrs
from markupsafe import Markup

from refundry.state import Observation
from refundry_ledger import Ledger, StoredEvent
from refundry_web.pages.rendering import lines
from refundry_web.pages.words import when

_COMPACT = ((",", ":"), (", ", ": "))


@attrs.frozen(kw_only=True)
class Raw:
    """One body."""

    key: str
    title: str
    headers: Markup | None
    body: Markup
    laid_out: bool
    """True when line breaks were added."""


def raws_of(ledger: Ledger, refund_id: int, observations: Sequence[Observation]) -> list[Raw]:
    """The webhooks and answers that spoke of a refund, newest first."""
    answers = ledger.answers_of(refund_id)
    found = [_of_event(event) for event in ledger.events_of(refund_id) if event.pruned_at is None]
    return [*_of_answers(answers, observations), *reversed(found)]


def lay_out(text: str) -> str | None:
    """JSON on several lines, where that changes nothing but its line breaks and spaces."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for separators in _COMPACT:
        for ascii_only in (True, False):
            if json.dumps(value, separators=separators, ensure_ascii=ascii_only) == text.strip():
                return json.dumps(value, indent=2, ensure_ascii=ascii_only)
    return None


def _of_answers(answers: dict[str, bytes], observations: Sequence[Observation]) -> Iterator[Raw]:
    for digest, body in reversed(answers.items()):
        times = [one.observed_at for one in observations if one.digest == digest]
        last = when(max(times, default=None))
        again = f", the last of {len(times)} that were the same" if len(times) > 1 else ""
        yield _raw(digest[:12], f"Answer, {last.text if last else ''}{again}", body)


def _of_event(event: StoredEvent) -> Raw:
    came = when(event.received_at)
    proved = "" if event.verified else ", not proved by a signature"
    title = f"Webhook, {came.text if came else ''}{proved}"
    headers = "\n".join(f"{name}: {value}" for name, value in event.headers.items())
    return _raw(f"event-{event.id}", title, event.body, f"{event.method} {event.url or ''}\n{headers}")


def _raw(key: str, title: str, body: bytes, headers: str | None = None) -> Raw:
    text = body.decode(errors="replace")
    laid_out = lay_out(text)
    return Raw(
        key=key,
        title=title,
        headers=lines(headers) if headers else None,
        body=lines(laid_out or text),
        laid_out=laid_out is not None,
    )
