"""``refundry track import``: the lines of a CSV file into the ledger, some hundreds in one transaction."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from refundry.errors import ConfigurationError, InvalidQuery, RefundryError
from refundry_cli.books import METADATA, QUERY, open_ledger, wanted
from refundry_cli.exits import ExitCode
from refundry_cli.render import clean

if TYPE_CHECKING:
    from refundry.model import Money, RefundQuery
    from refundry_ledger import Ledger

_COLUMNS = (*QUERY, "account", "amount", "currency")
_AT_ONCE = 500


class Batches:
    """Keeps lines back until there are enough of one account for a transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self.kept = 0
        self._ledger = ledger
        self._waiting: dict[str, dict[int, tuple[RefundQuery, Money | None]]] = {}

    def add(self, number: int, account: str, query: RefundQuery, expected: Money | None) -> None:
        """Take a line. Raises as `finish`."""
        waiting = self._waiting.setdefault(account, {})
        waiting[number] = query, expected
        if len(waiting) == _AT_ONCE:
            self._keep(account)

    def finish(self) -> None:
        """Write what is left. Raises `ConfigurationError` when the database refuses it."""
        for account in tuple(self._waiting):
            self._keep(account)

    def _keep(self, account: str) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self.kept += self._ledger.track_many(account, self._waiting[account].values())
        except SQLAlchemyError as error:
            first = min(number for waiting in self._waiting.values() for number in waiting)
            raise ConfigurationError(
                f"the ledger refused lines ({type(error).__name__}): those before line {first} are kept, not all of "
                "the others; check the database and import the file again, which changes nothing of what is there"
            ) from None
        del self._waiting[account]


def import_refunds(file: Path, account: str | None, *, ledger: str | None, config: Path | None) -> ExitCode:
    """Put the refunds of a CSV file into the ledger; `ExitCode.NOT_UNDERSTOOD` where a line could not be read."""
    problems = 0
    with _opened(file) as lines, open_ledger(ledger, config) as books:
        batches = Batches(books)
        for number, line in enumerate(_rows(lines), 2):
            try:
                query, expected = wanted(line)
                name = _account(line, account)
            except RefundryError as error:
                problems += 1
                typer.echo(f"error: line {number}: {clean(error.message)}", err=True)
            else:
                batches.add(number, name, query, expected)
        batches.finish()
    typer.echo(f"{batches.kept} refunds are in the ledger; {problems} lines could not be read.")
    return ExitCode.NOT_UNDERSTOOD if problems else ExitCode.SUCCEEDED


def _account(line: dict[str, str | None], account: str | None) -> str:
    name = line.get("account") or account
    if not name:
        raise InvalidQuery("account is missing: name a column account, or give --account")
    return name


def _opened(file: Path) -> Any:
    try:
        return file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None


def _rows(lines: Iterable[str]) -> Iterable[dict[str, str | None]]:
    reader = csv.DictReader(lines)
    unknown = [name for name in reader.fieldnames or () if name not in _COLUMNS and not name.startswith(METADATA)]
    if unknown or not reader.fieldnames:
        known = f"{', '.join(_COLUMNS)}, {METADATA}KEY"
        raise InvalidQuery(f"the file's first line must name its columns ({known}); unknown: {', '.join(unknown)}")
    return reader
