"""`reconcile`: the books against what processors say, for a period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from refundry.client import RefundClient
from refundry.errors import ConfigurationError
from refundry.policy import Clock, SystemClock
from refundry_reconcile.books import Books, LedgerBooks
from refundry_reconcile.gathering import Gatherer, Period, Tell
from refundry_reconcile.loading import AnyBooks, as_ledger, claim, gather, load_books
from refundry_reconcile.matching import match
from refundry_reconcile.reading import describe
from refundry_reconcile.store import Store, to_column
from refundry_reconcile.summary import DIFFERENCES, EVERYTHING, Summary, read_findings, summarise
from refundry_reconcile.verdicts import Finding

if TYPE_CHECKING:
    from refundry_ledger import Ledger

MARGIN = timedelta(days=3)


class Reconciliation:
    """The comparison, done. Its tables are in the work folder: close it, or use it as a context manager."""

    def __init__(self, store: Store, summary: Summary) -> None:
        self._store = store
        self.summary = summary
        """What was compared, and what came of it."""

    def findings(self) -> Iterator[Finding]:
        """Every refund with its verdict, in a fixed order: by account and identifier."""
        return read_findings(self._store, EVERYTHING)

    def differences(self) -> Iterator[Finding]:
        """Every refund that did not match, the most money first within each currency."""
        return read_findings(self._store, DIFFERENCES)

    def write_report(self, folder: str | Path | None = None) -> Path:
        """Write the report for people and the files for programs; in the work folder, if no other is given.

        Gives the path of ``report.html``. Two runs that compared the same write the same bytes.
        """
        from refundry_reconcile.report import write_report

        target = Path(folder) if folder is not None else self._store.folder
        target.mkdir(parents=True, exist_ok=True)
        return write_report(self._store, self.summary, target)

    def close(self) -> None:
        """Close the work folder."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def reconcile(
    books: AnyBooks | Sequence[AnyBooks],
    truth: Iterable[RefundClient] | Ledger,
    *,
    since: datetime,
    until: datetime,
    folder: str | Path,
    margin: timedelta = MARGIN,
    clock: Clock | None = None,
    concurrency: int = 16,
    tell: Tell = lambda progress: None,
) -> Reconciliation:
    """Compare the books with what the processors say, for the refunds of a period.

    Args:
        books: where the merchant's books are, once or several times.
        truth: a client for each account, or a ledger that has heard of the refunds already.
        since: aware.
        until: aware, exclusive.
        folder: the work folder. It keeps what the processors said: an interrupted run goes on where it was, and a
            run that had ended asks nothing again, so that mended books can be compared anew.
        margin: how far beside the period the other half of a refund may be dated, in the books or at the processor.
        clock: another clock than the machine's.
        concurrency: how many refunds of one account are asked for at a time, where `refundry-aio` is installed.
        tell: is called, from several threads, with the `Progress` of each account.

    An account that cannot be asked makes its refunds not comparable and harms no other. Raises `ConfigurationError`
    for books that cannot be read, and for a folder that holds another comparison or is in use.
    """
    period = _period(since, until, margin)
    store = Store(Path(folder))
    try:
        described = [books] if isinstance(books, Books | LedgerBooks) else list(books)
        claim(store, period, "processors" if as_ledger(truth) is None else "ledger")
        left_out = load_books(store, described, period, tell)
        gather(Gatherer(store, period, clock or SystemClock(), tell, concurrency), truth)
        store.run(f"SET VARIABLE since = TIMESTAMP '{to_column(period.since)}'")
        store.run(f"SET VARIABLE until = TIMESTAMP '{to_column(period.until)}'")
        match(store)
        return Reconciliation(store, summarise(store, period, [describe(one) for one in described], left_out))
    except BaseException:
        store.close()
        raise


def _period(since: datetime, until: datetime, margin: timedelta) -> Period:
    if since.tzinfo is None or until.tzinfo is None:
        raise ConfigurationError("since and until need a time zone: give aware datetimes")
    if since >= until or margin < timedelta(0):
        raise ConfigurationError("since must be before until, and the margin not negative")
    return Period(since=since.astimezone(UTC), until=until.astimezone(UTC), margin=margin)
