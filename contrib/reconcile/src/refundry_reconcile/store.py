"""The work folder of a run: two DuckDB files, what the processors said (kept) and the comparison (made anew).

DuckDB spills to the folder what its memory does not hold.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import duckdb

from refundry.errors import ConfigurationError

BATCH = 10_000
"""How many rows are written at a time."""
_MEMORY = "128MB"
_COPY = "(FORMAT csv, HEADER false, NULLSTR '', DELIMITER ',', QUOTE '\"', ESCAPE '\"', AUTO_DETECT false)"


class Store:
    """The tables of one run. Safe to share between threads, which take turns; a context manager closes it.

    Raises `ConfigurationError` for a folder that cannot be used, or that another process uses now.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._turn = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(folder)
        except (OSError, duckdb.Error) as error:
            kind = type(error).__name__
            raise ConfigurationError(
                f"the work folder {folder} cannot be used ({kind}): is another run in it?"
            ) from None

    def close(self) -> None:
        """Close the files; the comparison is dropped, what the processors said is kept."""
        self._connection.close()
        (self.folder / "books.duckdb").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is done within happens wholly or not at all."""
        with self._turn:
            self._connection.begin()
            try:
                yield
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement, or several without parameters."""
        with self._turn:
            self._connection.execute(statement, list(parameters) or None)

    def run_file(self, name: str) -> None:
        """Run the statements of a file in ``sql``."""
        self.run(read_sql(name))

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a short answer."""
        with self._turn:
            return self._connection.execute(query, list(parameters) or None).fetchall()

    def one(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """The one value of an answer."""
        return self.rows(query, parameters)[0][0]

    def stream(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a long answer, a batch at a time."""
        with self._turn:
            cursor = self._connection.cursor()
            cursor.execute(_SEARCH)
            cursor.execute(query, list(parameters) or None)
        while batch := cursor.fetchmany(BATCH):
            yield from batch
        cursor.close()

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Append rows; times must be written with `to_column`. Empty text becomes NULL."""
        with self._turn:
            path = self.folder / "batch.csv"
            # A surrogate that stands alone has no encoding; identifiers with one are reported as problems.
            with path.open("w", encoding="utf-8", errors="replace", newline="") as lines:
                csv.writer(lines, lineterminator="\n").writerows(rows)
            self.run(f"COPY {table} ({', '.join(columns)}) FROM '{_quoted(path)}' {_COPY}")
            path.unlink()

    def export(self, query: str, path: Path) -> None:
        """Write what a query gives as Parquet, in its order and the same bytes each time."""
        with self._turn:
            self.run("SET threads = 1; SET preserve_insertion_order = true")
            self.run(f"COPY ({query}) TO '{_quoted(path)}' (FORMAT parquet)")
            self.run("SET threads = 2; SET preserve_insertion_order = false")


_SEARCH = "SET search_path = 'books.main,truth.main'"


def _connect(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(folder / "truth.duckdb")
    if connection.execute("SELECT count(*) FROM duckdb_databases() WHERE database_name = 'books'").fetchall() != [(0,)]:
        raise duckdb.ConnectionException("this process compares in this folder already")
    for name in ("books.duckdb", "books.duckdb.wal"):
        (folder / name).unlink(missing_ok=True)
    spill, books = _quoted(folder / "spill"), _quoted(folder / "books.duckdb")
    connection.execute(
        f"SET memory_limit = '{_MEMORY}'; SET threads = 2; SET preserve_insertion_order = false; "
        f"SET temp_directory = '{spill}'; SET autoinstall_known_extensions = false;"
    )
    connection.execute(read_sql("truth.sql"))
    connection.execute(f"ATTACH '{books}' AS books; {_SEARCH}")
    connection.execute(read_sql("books.sql"))
    return connection


def read_sql(name: str) -> str:
    """The text of a file in ``sql``."""
    return (files("refundry_reconcile") / "sql" / name).read_text(encoding="utf-8")


def to_column(moment: datetime | None) -> str | None:
    """An aware time as the tables hold it: UTC, without a zone."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def from_column(moment: datetime | None) -> datetime | None:
    """An aware time from a column."""
    return None if moment is None else moment.replace(tzinfo=UTC)


def plain(text: str | None) -> str | None:
    """The text on one line; what steers terminals or the direction of writing becomes a space."""
    if text is None or text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
