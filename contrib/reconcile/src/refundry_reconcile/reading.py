"""The rows of the books, one after the other, from wherever they are."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    MetaData,
    Select,
    Table,
    TextClause,
    create_engine,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, NoSuchTableError, SQLAlchemyError

from refundry.errors import ConfigurationError
from refundry_reconcile.books import Books, LedgerBooks, Row, read_row

_AT_A_TIME = 5_000


def read_books(books: Books | LedgerBooks) -> Iterator[Row]:
    """Every row. Raises `ConfigurationError` where the books cannot be read, or lack a column."""
    if isinstance(books, LedgerBooks):
        from refundry_reconcile.from_ledger import tracked_rows

        yield from tracked_rows(books.ledger, books.accounts)
        return
    if "://" in str(books.source):
        yield from _from_database(books)
    elif Path(books.source).suffix.lower() in (".parquet", ".pq"):
        yield from _from_parquet(books)
    else:
        yield from _from_csv(books)


def describe(books: Books | LedgerBooks) -> str:
    """What the books are, for a report: never an address with a password."""
    if isinstance(books, LedgerBooks):
        return "the ledger"
    if "://" not in str(books.source):
        return f"the file {Path(books.source).name}"
    return f"the table {books.table} of the database" if books.table else "a query of the database"


def _from_csv(books: Books) -> Iterator[Row]:
    path = Path(books.source)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, delimiter=books.delimiter)
            header = next(reader, [])
            places = {name: _place(books, header, column) for name, column in books.columns.named().items()}
            before = reader.line_num
            for cells in reader:
                label, before = f"line {before + 1}", reader.line_num
                if cells:
                    yield _csv_row(books, label, places, cells, len(header))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from None


def _csv_row(books: Books, label: str, places: Mapping[str, int], cells: list[str], width: int) -> Row:
    if len(cells) != width:
        # Its cells may stand under the wrong columns: none of them is believed.
        return Row(label=label, account=books.account, problem=f"the line has {len(cells)} cells instead of {width}")
    return read_row(books, label, {name: cells[place] for name, place in places.items()})


def _place(books: Books, header: list[str], column: str) -> int:
    if header.count(column) != 1:
        found = ", ".join(header) or "none"
        often = "not" if column not in header else "more than once"
        raise ConfigurationError(
            f"{Path(books.source).name} has the column {column!r} {often} (its first line: {found})"
        )
    return header.index(column)


def _from_parquet(books: Books) -> Iterator[Row]:
    path = Path(books.source)
    wanted = books.columns.named()
    columns = ", ".join(f'"{column.replace(chr(34), chr(34) * 2)}"' for column in wanted.values())
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1; SET memory_limit = '64MB'; SET TimeZone = 'UTC'")
        try:
            connection.execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)])  # noqa: S608  quoted above
        except duckdb.Error as error:
            raise ConfigurationError(f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
        number = 0
        while batch := connection.fetchmany(_AT_A_TIME):
            for cells in batch:
                number += 1
                yield read_row(books, f"row {number}", dict(zip(wanted, cells, strict=True)))


def _from_database(books: Books) -> Iterator[Row]:
    wanted = books.columns.named()
    engine = _engine(books)
    try:
        statement = _statement(books, engine)
        with engine.connect() as connection, closing(_streamed(connection, statement)) as result:
            missing = [column for column in wanted.values() if column not in tuple(result.keys())]
            if missing:
                raise ConfigurationError(f"the books have no column {missing[0]!r}")
            for number, found in enumerate(result.mappings(), 1):
                yield read_row(books, f"row {number}", {name: found[column] for name, column in wanted.items()})
    except NoSuchTableError:
        raise ConfigurationError(f"the books have no table {books.table!r}") from None
    except SQLAlchemyError as error:
        # Its text may hold the address with the password.
        kind = type(getattr(error, "orig", None) or error).__name__
        raise ConfigurationError(
            f"the books cannot be read from the database ({kind}): check address, rights, query"
        ) from None
    finally:
        engine.dispose()


def _streamed(connection: Connection, statement: Select[Any] | TextClause) -> CursorResult[Any]:
    return connection.execution_options(stream_results=True, yield_per=_AT_A_TIME).execute(statement)


def _engine(books: Books) -> Engine:
    try:
        return create_engine(str(books.source))
    except (ArgumentError, ValueError, ImportError) as error:
        raise ConfigurationError(
            f"the address of the books cannot be used ({type(error).__name__}): write it as SQLAlchemy takes it, and "
            "install the database's driver"
        ) from None


def _statement(books: Books, engine: Engine) -> Select[Any] | TextClause:
    if (books.table is None) == (books.query is None):
        raise ConfigurationError("books in a database need either table or query")
    if books.query is not None:
        return text(books.query)
    schema, _, name = (books.table or "").rpartition(".")
    table = Table(name, MetaData(), autoload_with=engine, schema=schema or None)
    # In one order always, for "row 7" shall be the same row the next time.
    return select(table).order_by(*(table.primary_key.columns or table.columns))
