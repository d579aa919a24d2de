"""How commands write refunds: one line each, for people and for grep."""

from __future__ import annotations

from datetime import datetime

from refundry.state import Observation
from refundry.times import to_iso
from refundry_ledger import RefundRecord
from refundry_ledger.records import Pass


def printable(text: str) -> str:
    """Without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def refund_line(refund: RefundRecord) -> str:
    """Its account and number, its identifier, how it stands, and why a person should look at it."""
    query = refund.query
    identifier = query.connector_refund_id or query.merchant_refund_id or query.connector_transaction_id
    status = refund.status.value if refund.status else "not asked"
    amount = refund.amount or refund.expected
    cells = (refund.account, f"#{refund.id}", identifier, status, amount, refund.attention)
    return _line(*cells)


def observation_line(one: Observation) -> str:
    """When it was said, by which way, and what."""
    status = one.status.value if one.kind == "status" else one.kind
    return "  " + _line(_time(one.observed_at), one.source, status, one.connector_status, one.amount)


def pass_lines(done: Pass, what: str) -> list[str]:
    """What a pass came to, and what went wrong by account; nothing for one that did nothing."""
    said = [f"{done.done} {what}, {done.failed} failed"] if done.done or done.failed else []
    return [*said, *(printable(f"error: {name}: {text}") for name, text in done.errors.items())]


def _line(*cells: object) -> str:
    return "\t".join(printable(str(cell)) for cell in cells if cell is not None)


def _time(moment: datetime | None) -> str | None:
    return to_iso(moment) if moment else None
