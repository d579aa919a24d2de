"""Books from wherever they are, and what of them cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import DATABASES, empty_database
from reconciling import COLUMNS, STATUSES, a_row, write_books
from sqlalchemy import create_engine, text

from refundry.errors import ConfigurationError
from refundry.model import SUCCEEDED
from refundry.money import iso_exponent
from refundry_reconcile import Books, Columns
from refundry_reconcile.books import Row, read_row
from refundry_reconcile.config import read_plan
from refundry_reconcile.reading import describe, read_books

PLAIN = Books(source="b.csv", columns=COLUMNS, amounts="decimal", statuses=STATUSES)  # type: ignore[arg-type]
CELLS = {
    "account": "stripe",
    "connector_refund_id": "re_1",
    "amount": "10.50",
    "currency": "eur",
    "status": "done",
    "at": "2026-02-10",
}


def row(books: Books = PLAIN, /, **changes: Any) -> Row:
    return read_row(books, "line 2", {**CELLS, **changes})


def test_a_row_is_read() -> None:
    assert row() == Row(
        label="line 2",
        account="stripe",
        connector_refund_id="re_1",
        amount=1050,
        currency="EUR",
        status=SUCCEEDED,
        word="done",
        at=datetime(2026, 2, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"amount": ""}, "the row has no amount"),
        ({"amount": None}, "the row has no amount"),
        ({"amount": "ten"}, "the amount is not a number: 'ten'"),
        ({"amount": "10.505"}, "the amount has more than the 2 decimals of EUR: '10.505'"),
        ({"amount": "10,50"}, "the amount is not a number: '10,50'"),
        ({"amount": "-1"}, "the amount is negative: '-1'"),
        ({"amount": 10.5}, "an amount cannot be float: '10.5'"),
        ({"amount": "1e20"}, "the amount is out of range: '1e20'"),
        ({"currency": ""}, "the row has no currency"),
        ({"currency": "euro"}, "the currency is not in ISO 4217: '10.50'"),
        ({"connector_refund_id": " "}, "the row has no identifier"),
        ({"connector_refund_id": "a\nb"}, "connector_refund_id holds a control character"),
        ({"status": "gone"}, "the status 'gone' is not in the table of the books' statuses"),
        ({"status": ""}, "the row has no status"),
        ({"at": "10.02.2026"}, "the time is not ISO 8601: '10.02.2026'"),
    ],
)
def test_what_cannot_be_read_is_kept_with_its_reason(changes: dict[str, Any], problem: str) -> None:
    assert problem in (row(**changes).problem or "")


@pytest.mark.parametrize(
    ("options", "value", "minor"),
    [
        ({"amounts": "minor"}, "1050", 1050),
        ({"amounts": "minor"}, 1050, 1050),
        ({}, Decimal("10.50"), 1050),
        ({"decimal_mark": ","}, "10,5", 1050),
        ({"sign": "negative"}, "-10.50", 1050),
        ({"sign": "negative"}, Decimal("-10.50"), 1050),
        ({"sign": "negative"}, "0.00", 0),
    ],
)
def test_amounts_are_read_as_declared(options: dict[str, Any], value: Any, minor: int) -> None:
    assert row(attrs.evolve(PLAIN, **options), amount=value).amount == minor


@pytest.mark.parametrize(
    ("options", "value"),
    [({"sign": "negative"}, "10.50"), ({"decimal_mark": ","}, "1.050"), ({"amounts": "minor"}, "10.50")],
)
def test_an_amount_that_is_not_as_declared_is_none(options: dict[str, Any], value: Any) -> None:
    found = row(attrs.evolve(PLAIN, **options), amount=value)
    assert (found.amount, bool(found.problem)) == (None, True)


@given(minor=st.integers(0, 2**63 - 1), currency=st.sampled_from(["EUR", "JPY", "KWD"]))
def test_every_amount_is_read_exactly(minor: int, currency: str) -> None:
    written = f"{Decimal(minor).scaleb(-(iso_exponent(currency) or 0)):f}" if minor < 10**20 else ""
    assert row(amount=written, currency=currency).amount == minor


def test_times_without_a_zone_are_in_the_declared_one() -> None:
    berlin = attrs.evolve(PLAIN, zone="Europe/Berlin")
    for value in ("2026-02-10", date(2026, 2, 10), datetime(2026, 2, 10)):  # noqa: DTZ001  as a database gives it
        assert row(berlin, at=value).at == datetime(2026, 2, 9, 23, tzinfo=UTC)
    assert row(berlin, at="2026-02-10T00:00:00Z").at == datetime(2026, 2, 10, tzinfo=UTC)


def test_words_of_the_books_may_name_accounts() -> None:
    renamed = attrs.evolve(PLAIN, accounts={"Stripe EU": "stripe-eu"})
    assert (row(renamed, account="Stripe EU").account, row(renamed).account) == ("stripe-eu", "stripe")


def test_a_file_is_read_line_by_line_and_a_bad_line_costs_one_line(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    books = write_books(path, [a_row("re_1"), a_row("re_2", reference='x";\n=y')])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"stripe,re_3,,,1\r\n\r\nstripe,re_4,,,1,EUR,done,\r\n")
    found = list(read_books(books))
    assert [(one.label, one.connector_refund_id) for one in found] == [
        ("line 2", "re_1"),
        ("line 3", "re_2"),
        ("line 5", None),
        ("line 7", "re_4"),
    ]
    assert found[2].problem == "the line has 5 cells instead of 8"
    assert "control character" in (found[1].problem or "")


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    made = """SELECT 're_' || i AS refund, (i * 1.05)::DECIMAL(12, 2) AS amount,
        TIMESTAMPTZ '2026-02-10 00:00:00+00' AS "on" FROM range(3) t(i)"""
    duckdb.sql(made).write_parquet(str(path))
    columns = Columns(connector_refund_id="refund", amount="amount", at="on")
    books = Books(source=path, columns=columns, amounts="decimal", currency="EUR", account="stripe")
    assert [(one.label, one.amount, one.at) for one in read_books(books)] == [
        (f"row {number + 1}", number * 105, datetime(2026, 2, 10, tzinfo=UTC)) for number in range(3)
    ]
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(read_books(attrs.evolve(books, columns=attrs.evolve(columns, amount="nowhere"))))


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with empty_database(request.param, tmp_path) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(
                text("CREATE TABLE refunds (id INTEGER PRIMARY KEY, psp TEXT, cents INTEGER, made DATE)")
            )
            connection.execute(
                text("INSERT INTO refunds VALUES (2, 're_2', 500, NULL), (1, 're_1', 1050, '2026-02-10')")
            )
        engine.dispose()
        yield url


def test_a_table_or_a_query_is_read(database: str) -> None:
    columns = Columns(connector_refund_id="psp", amount="cents", at="made")
    books = Books(source=database, columns=columns, amounts="minor", currency="EUR", account="stripe", table="refunds")
    assert [(one.label, one.connector_refund_id, one.amount) for one in read_books(books)] == [
        ("row 1", "re_1", 1050),
        ("row 2", "re_2", 500),
    ]
    query = attrs.evolve(books, table=None, query="SELECT psp, cents, made FROM refunds WHERE cents > 600")
    assert [(one.connector_refund_id, one.problem) for one in read_books(query)] == [("re_1", None)]
    for wrong in (
        attrs.evolve(books, table="nowhere"),
        attrs.evolve(books, table=None),
        attrs.evolve(query, query="SELECT nothing"),
        attrs.evolve(books, columns=attrs.evolve(columns, at="missing")),
    ):
        with pytest.raises(ConfigurationError):
            list(read_books(wrong))


def test_a_password_of_the_books_is_never_told() -> None:
    books = attrs.evolve(PLAIN, source="postgresql+psycopg://me:canary@127.0.0.1:1/x", table="refunds")
    with pytest.raises(ConfigurationError) as caught:
        list(read_books(books))
    assert "canary" not in f"{caught.value}{describe(books)}"
    with pytest.raises(ConfigurationError, match="address"):
        list(read_books(attrs.evolve(books, source="nosuch://me:canary@x/y")))


@pytest.mark.parametrize(
    ("text_before", "message"),
    [("a,b\n", "column 'refund' not"), ("\xff", "cannot be read"), ("", "its first line: none")],
)
def test_a_file_that_is_no_books_is_refused(tmp_path: Path, text_before: str, message: str) -> None:
    path = tmp_path / "b.csv"
    path.write_bytes(text_before.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=message):
        list(read_books(attrs.evolve(PLAIN, source=path)))


@pytest.mark.parametrize(
    "changes",
    [
        {"statuses": {"done": "DONE"}},
        {"zone": "Nowhere/Land"},
        {"amounts": "cents"},
        {"columns": attrs.evolve(COLUMNS, currency=None)},
        {"columns": attrs.evolve(COLUMNS, account=None)},
    ],
)
def test_what_books_are_must_be_said(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        attrs.evolve(PLAIN, **changes)


TABLE = {
    "books": "refunds.csv",
    "amounts": "decimal",
    "account": "stripe",
    "currency": "EUR",
    "columns": {"amount": "sum", "connector_refund_id": "psp"},
}


def test_the_table_of_a_file_is_read_and_options_count_over_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_plan({"reconcile": TABLE}, {"currency": "USD", "query": None, "columns": {}}, tmp_path)
    assert plan.books
    assert (plan.books.source, plan.books.currency, plan.margin.days) == (tmp_path / "refunds.csv", "USD", 3)
    monkeypatch.setenv("BOOKS", "sqlite:///x.db")
    named = read_plan({"reconcile": {**TABLE, "books": {"env": "BOOKS"}, "truth": "ledger"}}, {}, tmp_path)
    assert (named.books and named.books.source, named.from_ledger) == ("sqlite:///x.db", True)
    assert read_plan({"reconcile": {"books": "ledger"}}, {}, tmp_path).books is None


@pytest.mark.parametrize(
    "changes",
    [
        {"books": None},
        {"books": 7},
        {"amounts": None},
        {"colums": {}},
        {"columns": {"amount": "sum"}},
        {"columns": {"connector_refund_id": "psp"}},
        {"columns": {"amount": "sum", "psp": "psp"}},
        {"columns": "sum"},
        {"statuses": "done"},
        {"truth": "me"},
        {"margin_days": "3"},
        {"margin_days": -1},
    ],
)
def test_a_table_that_is_wrong_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    table = {name: value for name, value in {**TABLE, **changes}.items() if value is not None}
    with pytest.raises(ConfigurationError):
        read_plan({"reconcile": table}, {}, tmp_path)
