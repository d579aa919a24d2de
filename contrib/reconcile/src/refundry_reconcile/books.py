"""The merchant's books: where they are and what their columns mean. What money is, is declared and never guessed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

import attrs

from refundry.errors import ConfigurationError, InvalidQuery
from refundry.model import RefundQuery, RefundStatus
from refundry.money import from_decimal, from_minor
from refundry.times import from_iso, to_utc

if TYPE_CHECKING:
    from refundry_ledger import Ledger

Unit: TypeAlias = Literal["minor", "decimal"]
Sign: TypeAlias = Literal["positive", "negative"]
_LARGEST = 2**63 - 1
_LONGEST = 512


@attrs.frozen(kw_only=True)
class Columns:
    """Which column of the books holds what. None: the books have no such column."""

    connector_refund_id: str | None = None
    """The processor's id of the refund."""
    merchant_refund_id: str | None = None
    """The merchant's own id of the refund."""
    connector_transaction_id: str | None = None
    """The processor's id of the payment."""
    amount: str
    currency: str | None = None
    status: str | None = None
    at: str | None = None
    """When the refund was made or booked."""
    account: str | None = None

    @classmethod
    def of(cls, names: Mapping[str, str]) -> Columns:
        """From a table of a file. Raises `ConfigurationError` for what no column is named."""
        known = [field.name for field in attrs.fields(cls)]
        for name, column in names.items():
            if name not in known or not isinstance(column, str):
                raise ConfigurationError(
                    f'a column of the books is given as NAME = "COLUMN"; names: {", ".join(known)}'
                )
        if "amount" not in names:
            raise ConfigurationError("say which column of the books holds the amount")
        if not set(names) & set(_IDENTIFIERS):
            raise ConfigurationError(f"say which column of the books holds one of {', '.join(_IDENTIFIERS)}")
        return cls(**names)

    def named(self) -> dict[str, str]:
        """The columns that there are, by what they hold."""
        return {name: column for name, column in attrs.asdict(self).items() if column is not None}


_IDENTIFIERS = ("connector_refund_id", "merchant_refund_id", "connector_transaction_id")


def _statuses(table: Mapping[str, str]) -> dict[str, RefundStatus]:
    try:
        return {word: RefundStatus(status) for word, status in table.items()}
    except ValueError:
        raise ConfigurationError(f"a status of the books must be one of {', '.join(RefundStatus)}") from None


def _zone(name: str | tzinfo) -> tzinfo:
    if isinstance(name, tzinfo):
        return name
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ConfigurationError(f"there is no time zone {name!r}: write Europe/Berlin, for example") from None


@attrs.frozen(kw_only=True)
class Books:
    """Where the merchant's books are and how they are read.

    Raises `ConfigurationError` for a status or a time zone that does not exist.
    """

    source: str | Path
    """A CSV file, a ``.parquet`` file, or the address of a database as SQLAlchemy takes it."""
    columns: Columns
    amounts: Unit
    """Whether amounts are in minor units (1050) or decimals (10.50)."""
    sign: Sign = "positive"
    """"negative" for books in which a refund of 10.50 stands as -10.50."""
    decimal_mark: Literal[".", ","] = "."
    currency: str | None = None
    """Of every row, where the books have no such column."""
    account: str | None = None
    """Of every row, where the books have no such column."""
    accounts: Mapping[str, str] = attrs.field(factory=dict)
    """The accounts' names by the words of the books, where these differ."""
    statuses: Mapping[str, RefundStatus] = attrs.field(factory=dict, converter=_statuses)
    """What the books' words for a status mean."""
    zone: tzinfo = attrs.field(default=UTC, converter=_zone)
    """Of times that name none: a name such as "Europe/Berlin"."""
    delimiter: str = ","
    """Between the cells of a CSV file."""
    table: str | None = None
    """The table of the database; or else ``query``."""
    query: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.columns.currency is None and self.currency is None:
            raise ConfigurationError("say in which currency the books are: a column of it, or one for all rows")
        if self.columns.account is None and self.account is None:
            raise ConfigurationError("say of which account the books are: a column of it, or one for all rows")
        if self.amounts not in ("minor", "decimal") or self.sign not in ("positive", "negative"):
            raise ConfigurationError('amounts is "minor" or "decimal", sign is "positive" or "negative"')


@attrs.frozen
class LedgerBooks:
    """The refunds that a ledger tracks for the merchant, with the amounts that they should have.

    A ledger's own books keep no status and no date beside the day on which the refund was put in.
    """

    ledger: Ledger
    accounts: Collection[str] | None = None
    """Those of these accounts alone; None: all."""


@attrs.frozen(kw_only=True)
class Row:
    """One row of the books as the comparison takes it."""

    label: str
    account: str | None = None
    connector_refund_id: str | None = None
    merchant_refund_id: str | None = None
    connector_transaction_id: str | None = None
    amount: int | None = None
    currency: str | None = None
    status: RefundStatus | None = None
    word: str | None = None
    at: datetime | None = None
    problem: str | None = None


def read_row(books: Books, label: str, cells: Mapping[str, Any]) -> Row:
    """One row; ``cells`` are its values by the names of `Columns`. What cannot be read is in its ``problem``."""
    problems: list[str] = []
    identifiers = {name: _identifier(name, cells.get(name), problems) for name in _IDENTIFIERS}
    if not any(identifiers.values()):
        problems.append("the row has no identifier")
    amount, currency = _money(books, cells, problems)
    word = _text(cells.get("status"))
    account = _text(cells.get("account")) or books.account
    return Row(
        label=label,
        account=books.accounts.get(account, account) if account else None,
        **identifiers,
        amount=amount,
        currency=currency,
        status=_status(books, word, problems),
        word=word,
        at=_moment(books, cells.get("at"), problems),
        problem="; ".join(problems) or None,
    )


def _identifier(name: str, value: Any, problems: list[str]) -> str | None:
    text = _text(value)
    if text is None or (len(text) <= _LONGEST and text.isascii() and text.isprintable()):
        return text
    try:
        RefundQuery.of({name: text})
    except InvalidQuery as error:
        problems.append(error.message)
        return None
    return text


def _money(books: Books, cells: Mapping[str, Any], problems: list[str]) -> tuple[int | None, str | None]:
    currency = (_text(cells.get("currency")) or books.currency or "").upper() or None
    value = cells.get("amount")
    if currency is None or value is None or value == "":
        problems.append("the row has no amount" if currency else "the row has no currency")
        return None, currency
    try:
        return _minor(books.amounts, _signed(books, value), currency), currency
    except ValueError as error:
        problems.append(f"{error}: {_short(value)}")
        return None, currency


@lru_cache(maxsize=1 << 14)
def _minor(unit: Unit, value: Any, currency: str) -> int:
    money = from_minor(value, currency) if unit == "minor" else from_decimal(value, currency)
    if money.minor_amount > _LARGEST:
        raise ValueError("the amount is out of range")
    return money.minor_amount


def _signed(books: Books, value: Any) -> Any:
    if isinstance(value, str):
        value = value.strip()
        if books.decimal_mark == ",":
            if "." in value:
                raise ValueError("the amount has a point where only a comma is declared")
            value = value.replace(",", ".")
        return _turned(value) if books.sign == "negative" else value
    turns = books.sign == "negative" and isinstance(value, int | Decimal) and not isinstance(value, bool)
    return -value if turns else value


def _turned(text: str) -> str:
    if text.startswith("-"):
        return text[1:]
    return f"-{text}" if text.strip("0.") else text


def _status(books: Books, word: str | None, problems: list[str]) -> RefundStatus | None:
    if word is None:
        if books.columns.status is not None:
            problems.append("the row has no status")
        return None
    status = books.statuses.get(word)
    if status is None:
        problems.append(f"the status {_short(word)} is not in the table of the books' statuses")
    return status


def _moment(books: Books, value: Any, problems: list[str]) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        if isinstance(value, datetime):
            return to_utc(value, books.zone)
        if isinstance(value, date):
            return to_utc(datetime.combine(value, time()), books.zone)
        return from_iso(value.strip() if isinstance(value, str) else value, zone=books.zone)
    except ValueError as error:
        problems.append(f"{error}: {_short(value)}")
        return None


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None


def _short(value: Any) -> str:
    return ascii(str(value)[:40])
