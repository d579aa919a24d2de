"""What a run begins with: the folder is this run's, the books are in it, and the processors have been asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from refundry.client import RefundClient
from refundry.errors import ConfigurationError
from refundry_reconcile.books import Books, LedgerBooks, Row
from refundry_reconcile.gathering import Gatherer, Period, Progress, Tell
from refundry_reconcile.reading import read_books
from refundry_reconcile.saying import COLUMNS
from refundry_reconcile.store import BATCH, Store, plain, to_column

if TYPE_CHECKING:
    from refundry_ledger import Ledger

AnyBooks: TypeAlias = Books | LedgerBooks
_ROW = (
    *("row", "label", "account", "connector_refund_id", "merchant_refund_id", "connector_transaction_id"),
    *("amount", "currency", "status", "word", "dated", "in_period", "problem"),
)


def claim(store: Store, period: Period, kind: str) -> None:
    """Make the folder this run's. Raises `ConfigurationError` where it holds the answers for another period."""
    wanted = {
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "margin": str(period.margin),
        "truth": kind,
    }
    known = dict(store.rows("SELECT key, value FROM run"))
    if not known:
        with store.writing():
            store.copy("run", ("key", "value"), list(wanted.items()))
    elif known != wanted:
        raise ConfigurationError(
            f"the folder {store.folder} holds the comparison of {known.get('since')} to {known.get('until')} "
            f"(margin {known.get('margin')}, by {known.get('truth')}): use another folder, or remove it"
        )


def load_books(store: Store, books: Sequence[AnyBooks], period: Period, tell: Tell) -> int:
    """Read the books into the store. Gives how many rows lie beyond the period and its margin, and were left out."""
    left_out = 0
    batch: list[Sequence[Any]] = []
    for number, row in enumerate(_rows(books), 1):
        if row.at is not None and not _near(row.at, period):
            left_out += 1
            continue
        batch.append(_columns(number, row, period))
        if len(batch) >= BATCH:
            store.copy("books", _ROW, batch)
            tell(Progress(account="", stage="reading", done=number, total=None))
            batch.clear()
    store.copy("books", _ROW, batch)
    return left_out


def _rows(books: Sequence[AnyBooks]) -> Iterator[Row]:
    for number, one in enumerate(books, 1):
        for row in read_books(one):
            yield row if len(books) == 1 else attrs.evolve(row, label=f"{row.label} of books {number}")


def _near(at: datetime, period: Period) -> bool:
    return period.since - period.margin <= at < period.until + period.margin


def _columns(number: int, row: Row, period: Period) -> Sequence[Any]:
    identifiers = (row.connector_refund_id, row.merchant_refund_id, row.connector_transaction_id)
    return (
        number,
        row.label,
        plain(row.account),
        *map(plain, identifiers),
        row.amount,
        plain(row.currency),
        row.status.value if row.status else None,
        plain(row.word),
        to_column(row.at),
        row.at is None or period.since <= row.at < period.until,
        plain(row.problem),
    )


def gather(gatherer: Gatherer, truth: Iterable[RefundClient] | Ledger) -> None:
    """Bring what the processors say into the store."""
    ledger = as_ledger(truth)
    if ledger is not None:
        _from_ledger(gatherer.store, ledger)
    else:
        clients = list(truth)  # type: ignore[arg-type]
        names = [client.account.name for client in clients]
        if len(set(names)) < len(names):
            raise ConfigurationError("two clients have one account name: make them with account_name=...")
        gatherer.store.copy("accounts", ("account",), [(name,) for name in names])
        gatherer.run(clients)


def as_ledger(truth: object) -> Ledger | None:
    """The ledger, where it is one."""
    if find_spec("refundry_ledger") is None:
        return None
    from refundry_ledger import Ledger

    return truth if isinstance(truth, Ledger) else None


def _from_ledger(store: Store, ledger: Ledger) -> None:
    from refundry_reconcile.from_ledger import heard_rows, known_accounts

    names = known_accounts(ledger)
    store.copy("accounts", ("account",), [(name,) for name in names])
    # A ledger is at hand: it is read anew by every run.
    with store.writing():
        store.run("DELETE FROM said; DELETE FROM coverage")
        for name in names:
            store.run(
                "INSERT INTO coverage VALUES (?, ?, 'ledger', NULL, NULL, false, NULL, true, 0, 0, NULL)", [name, name]
            )
            for batch in _batches(heard_rows(ledger, name)):
                store.copy("said", COLUMNS, batch)


def _batches(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch
