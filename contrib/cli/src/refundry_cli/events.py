"""``refundry event``: a webhook from a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from refundry.errors import InvalidQuery
from refundry.model import Delivery, RefundEvent
from refundry_cli.connect import Target, open_client
from refundry_cli.exits import ExitCode
from refundry_cli.render import clean, facts_of, print_facts, to_json


def handle_event(
    target: Target,
    body_file: Path,
    *,
    headers: Iterable[str],
    headers_file: Path | None,
    method: str,
    url: str | None,
    received_at: datetime | None,
    as_json: bool,
) -> ExitCode:
    """Verify a webhook, map it and show its events. Raises `SignatureError`, `InvalidQuery`."""
    lines = [*headers, *(_read(headers_file).decode(errors="replace").splitlines() if headers_file else [])]
    named = [_header(line) for line in lines if line.strip()]
    body = _read(body_file)
    with open_client(target) as client:
        delivery = client.handle_event(body=body, headers=named, method=method, url=url, received_at=received_at)
    _show(delivery, as_json)
    return ExitCode.NOT_UNDERSTOOD if delivery.problems else ExitCode.SUCCEEDED


def _show(delivery: Delivery, as_json: bool) -> None:
    for one in delivery.events:
        if as_json:
            typer.echo(to_json(_shape(one)))
        else:
            print_facts(_facts(one))
            typer.echo()
    for problem in delivery.problems:
        typer.echo(f"warning: an item could not be read: {clean(problem.message)}", err=True)
    count = f"{len(delivery.events)} refund{'' if len(delivery.events) == 1 else 's'}"
    typer.echo(
        f"The event was accepted; it speaks of {count}. The reply is HTTP {delivery.reply.status_code}.", err=True
    )


def _facts(one: RefundEvent) -> dict[str, str]:
    facts = {"event_id": clean(one.event_id or "-")}
    if one.foreign:
        facts["foreign"] = "it belongs to another account"
    if one.refund:
        return facts | facts_of(one.refund)
    return facts | {"hint": "it names a refund and proves nothing: ask with get"} | _identifiers(one)


def _identifiers(one: RefundEvent) -> dict[str, str]:
    return {clean(name): clean(value) for name, value in one.query.items()}


def _shape(one: RefundEvent) -> dict[str, Any]:
    refund = one.refund.to_dict() if one.refund else None
    return {"event_id": one.event_id, "foreign": one.foreign, "query": dict(one.query.items()), "refund": refund}


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidQuery(f"{file} cannot be read: {error.strerror}") from None


def _header(line: str) -> tuple[str, str]:
    name, separator, value = line.partition(":")
    if not separator or not name.strip():
        raise InvalidQuery("a header is 'Name: value'")
    return name.strip(), value.strip()
