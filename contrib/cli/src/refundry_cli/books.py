"""``refundry track``: what is in the ledger, and how it gets there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from refundry.accounts import read_config
from refundry.errors import ConfigurationError, InvalidQuery, RefundNotFound
from refundry.model import Money, RefundQuery
from refundry.money import from_decimal
from refundry.times import to_iso
from refundry_cli.exits import ExitCode
from refundry_cli.render import aligned, clean, to_json

if TYPE_CHECKING:
    from datetime import datetime

    from refundry.state import Observation
    from refundry_ledger import Ledger, RefundRecord

DEFAULT_LEDGER = "refundry.db"
QUERY = ("connector_refund_id", "connector_transaction_id", "merchant_refund_id", "payment_method_type")
METADATA = "metadata."
_WIDTHS = (20, 9, 28, 13, 12, 0)


def open_ledger(url: str | None, config: Path | None) -> Ledger:
    """The ledger at this address, or at the one in ``refundry.toml``. Raises `ConfigurationError`."""
    if find_spec("refundry_ledger") is None:
        raise ConfigurationError("the ledger is not installed; try: pip install refundry-ledger")
    from refundry_ledger import Ledger

    described = read_config(config)
    chosen, keep_answers = url or described.get("ledger", DEFAULT_LEDGER), described.get("keep_answers", True)
    if not isinstance(chosen, str):
        raise ConfigurationError("ledger in refundry.toml must be text: a file, or postgresql://...")
    if not isinstance(keep_answers, bool):
        raise ConfigurationError("keep_answers in refundry.toml must be true or false")
    return Ledger.open(chosen, keep_answers=keep_answers)


def add_refund(account: str, fields: Mapping[str, str | None], *, ledger: str | None, config: Path | None) -> ExitCode:
    """Put one refund into the ledger and show it. Raises `InvalidQuery`."""
    query, expected = wanted(fields)
    with open_ledger(ledger, config) as books:
        _print([books.track(account, query, expected_amount=expected)])
    return ExitCode.SUCCEEDED


def show_history(identifier: str, *, as_json: bool, ledger: str | None, config: Path | None) -> ExitCode:
    """Show every refund with this identifier and everything that was said about it. Raises `RefundNotFound`."""
    with open_ledger(ledger, config) as books:
        found = books.find(identifier)
        if not found:
            raise RefundNotFound("the ledger does not know this refund: refundry track add puts it there")
        for record in found:
            history = books.history(record.account, record.id)
            if as_json:
                said = [_plain_observation(one) for one in history.observations]
                typer.echo(to_json({**_plain_record(record), "history": said}))
                continue
            _print([record])
            for one in history.observations:
                facts = _plain_observation(one)
                cells = (facts["observed_at"], facts["source"], facts["status"], facts.get("connector_status", ""))
                typer.echo("  " + aligned((clean(str(cell)) for cell in cells), (28, 8, 13, 0)))
    return ExitCode.SUCCEEDED


def show_attention(*, as_json: bool, ledger: str | None, config: Path | None) -> ExitCode:
    """List what needs a person; `ExitCode.FAULT` when there is anything, for a scheduler to notice."""
    with open_ledger(ledger, config) as books:
        found = books.needing_attention()
    if as_json:
        for record in found:
            typer.echo(to_json(_plain_record(record)))
    else:
        _print(found)
    return ExitCode.FAULT if found else ExitCode.SUCCEEDED


def wanted(fields: Mapping[str, str | None]) -> tuple[RefundQuery, Money | None]:
    """What to ask with, and the amount that it should be. Raises `InvalidQuery`."""
    given = {name: value.strip() for name, value in fields.items() if isinstance(value, str) and value.strip()}
    if not given.keys() & set(QUERY[:3]):
        raise InvalidQuery(f"give at least one of {', '.join(QUERY[:3])}")
    metadata = {name.removeprefix(METADATA): value for name, value in given.items() if name.startswith(METADATA)}
    currency = given.get("currency")
    query = RefundQuery.of(
        {**{name: given[name] for name in QUERY if name in given}, "currency": currency, "metadata": metadata}
    )
    if "amount" not in given:
        return query, None
    if currency is None:
        raise InvalidQuery("amount needs a currency")
    try:
        return query, from_decimal(given["amount"], currency)
    except ValueError as error:
        raise InvalidQuery(f"amount: {error}") from None


def _print(records: Iterable[RefundRecord]) -> None:
    for record in records:
        facts = _plain_record(record)
        identity = next((str(facts[name]) for name in QUERY if name in facts), "-")
        amount = str(record.amount or record.expected or "-")
        status = record.status.value if record.status else "not asked"
        cells = (record.account, f"#{record.id}", identity, status, amount, record.attention or "")
        typer.echo(aligned(map(clean, cells), _WIDTHS).rstrip())


def _plain_record(record: RefundRecord) -> dict[str, Any]:
    facts = {
        "id": record.id,
        "account": record.account,
        **{name: getattr(record.query, name) for name in QUERY},
        "status": record.status.value if record.status else None,
        "connector_status": record.connector_status,
        "since": _time(record.since),
        "amount": str(record.amount) if record.amount else None,
        "expected": str(record.expected) if record.expected else None,
        "acquirer_reference_number": record.acquirer_reference_number,
        "flags": sorted(record.flags) or None,
        "attention": record.attention,
        "next_due": _time(record.next_due),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _plain_observation(one: Observation) -> dict[str, Any]:
    facts = {
        "observed_at": _time(one.observed_at),
        "provider_time": _time(one.provider_time),
        "source": one.source,
        "status": one.status.value if one.kind == "status" else one.kind,
        "connector_status": one.connector_status,
        "amount": str(one.amount) if one.amount else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _time(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None
