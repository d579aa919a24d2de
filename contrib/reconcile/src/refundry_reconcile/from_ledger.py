"""A ledger as the merchant's books, or as what the processors said."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import RowMapping, select

from refundry_ledger import Ledger
from refundry_ledger.schema import accounts, observations, refunds
from refundry_reconcile.books import Row
from refundry_reconcile.store import plain, to_column

_AT_A_TIME = 5_000


def tracked_rows(ledger: Ledger, names: Collection[str] | None) -> Iterator[Row]:
    """The refunds that were put into the ledger, of these accounts or of all, as rows of books."""
    wanted = () if names is None else (accounts.c.name.in_(names),)
    for found in _stream(ledger, refunds.c.origin == "tracked", refunds.c.merged_into.is_(None), *wanted):
        amount = found["expected_amount"]
        yield Row(
            label=f"ledger #{found['id']}",
            account=found["account"],
            connector_refund_id=found["connector_refund_id"],
            merchant_refund_id=found["merchant_refund_id"],
            connector_transaction_id=found["connector_transaction_id"],
            amount=amount,
            currency=found["expected_currency"],
            at=found["added_at"],
            problem="the ledger was not told which amount it should have" if amount is None else None,
        )


def known_accounts(ledger: Ledger) -> list[str]:
    """The accounts of which the ledger knows anything."""
    with ledger.database.reading() as connection:
        return list(connection.execute(select(accounts.c.name).order_by(accounts.c.name)).scalars())


def heard_rows(ledger: Ledger, account: str) -> Iterator[Sequence[Any]]:
    """What the ledger knows of an account's refunds, in the order of `refundry_reconcile.saying.COLUMNS`.

    A ledger does not keep when a refund was made: the time at which it first heard of it stands for that.
    """
    said = (refunds.c.status.is_not(None), refunds.c.merged_into.is_(None), accounts.c.name == account)
    for found in _stream(ledger, *said):
        yield _heard(found)


def _heard(found: RowMapping) -> Sequence[Any]:
    settled = found["since"] if found["status"] in ("SUCCEEDED", "FAILED") else None
    problem = "the processor does not know it any more" if "gone" in found["flags"] else None
    return (
        found["account"],
        plain(found["connector_refund_id"]),
        plain(found["merchant_refund_id"]),
        plain(found["connector_transaction_id"]),
        found["amount"],
        found["currency"],
        found["status"],
        plain(found["connector_status"]),
        to_column(found["first_observed"]),
        to_column(found["since"]),
        to_column(settled),
        "ledger",
        to_column(found["last_observed"]),
        found["digest"],
        plain(found["details"].get("acquirer_reference_number")),
        _reason(found["details"].get("error")),
        problem,
    )


def _reason(error: dict[str, str] | None) -> str | None:
    return plain(" / ".join(error.values())) if error else None


def _stream(ledger: Ledger, *conditions: Any) -> Iterator[RowMapping]:
    newest = (
        select(observations.c.digest)
        .where(observations.c.refund_id == refunds.c.id)
        .order_by(observations.c.observed_at.desc(), observations.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(refunds, accounts.c.name.label("account"), newest.label("digest")).join(accounts)
    with ledger.database.reading() as connection:
        streamed = connection.execution_options(stream_results=True, yield_per=_AT_A_TIME)
        yield from streamed.execute(query.where(*conditions).order_by(refunds.c.id)).mappings()
