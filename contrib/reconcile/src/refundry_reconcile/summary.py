"""What was compared and what came of it, in numbers that add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from refundry.model import Money
from refundry.times import to_iso
from refundry_reconcile.gathering import Period
from refundry_reconcile.store import Store, from_column, to_column
from refundry_reconcile.verdicts import Evidence, Finding, Side, Verdict

AGES: Mapping[str, int | None] = {"up to 2 days": 2, "3 to 7 days": 7, "8 to 30 days": 30, "over 30 days": None}
"""By what it is called: how many days an age of this kind has at most."""
NO_AGE = "no date known"


@attrs.frozen(kw_only=True)
class AccountSummary:
    """How one account was asked."""

    account: str
    title: str
    way: str
    """"list", "get", "ledger", or "none" where it cannot be asked."""
    listed_since: datetime | None
    listed_until: datetime | None
    complete: bool
    """Whether its list leaves nothing out."""
    unreadable: int
    """Items of its list that could not be read."""
    refused: str | None
    """Why it could not be asked."""


@attrs.frozen(kw_only=True)
class Sum:
    """The refunds of one account, currency and verdict. Amounts are in minor units."""

    account: str | None
    currency: str | None
    verdict: Verdict
    books_count: int
    books_amount: int
    processor_count: int
    processor_amount: int


@attrs.frozen(kw_only=True)
class Settling:
    """How long the refunds of one account took from being made to being done."""

    account: str
    refunds: int
    tenth: timedelta
    """One in ten was done by then."""
    median: timedelta
    nine_tenths: timedelta
    longest: timedelta


@attrs.frozen(kw_only=True)
class Summary:
    """A comparison in numbers."""

    period: Period
    books: tuple[str, ...]
    """What the books were."""
    accounts: tuple[AccountSummary, ...]
    counts: Mapping[Verdict, int]
    """How many refunds ended in each class; a pair counts once."""
    sums: tuple[Sum, ...]
    """By account, currency and class: they add up to all that was compared, to the minor unit."""
    settling: tuple[Settling, ...]
    ages: Mapping[tuple[Verdict, str], int]
    """How many differences there are of each class and age, counted back from the period's end."""
    linked: int
    """Pairs of which one half lies beside the period."""
    outside: tuple[int, int]
    """Rows of the books, and refunds of the processors, that lie in the margin alone and were not compared."""
    left_out: int
    """Rows of the books beyond the margin, which were not read in."""

    @property
    def differences(self) -> int:
        """How many refunds did not match."""
        return sum(count for verdict, count in self.counts.items() if verdict is not Verdict.MATCHED)

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        plain: dict[str, Any] = attrs.asdict(self, value_serializer=_plain)
        plain["period"]["margin"] = self.period.margin.total_seconds()
        plain["counts"] = {verdict.value: count for verdict, count in self.counts.items()}
        plain["ages"] = [
            {"verdict": verdict.value, "age": age, "count": count} for (verdict, age), count in self.ages.items()
        ]
        return {**plain, "differences": self.differences}


def _plain(instance: object, field: object, value: Any) -> Any:
    match value:
        case datetime():
            return to_iso(value)
        case timedelta():
            return value.total_seconds()
        case Verdict():
            return value.value
        case _:
            return value


def summarise(store: Store, period: Period, books: Sequence[str], left_out: int) -> Summary:
    """The numbers of a comparison that has been made. Raises `ArithmeticError` if they do not add up."""
    store.run_file("findings.sql")
    _check(store)
    counts = dict(store.rows("SELECT verdict, count(*) FROM findings GROUP BY verdict"))
    beside = "SELECT count(row), count(seq) FROM verdicts WHERE verdict = 'outside'"
    return Summary(
        period=period,
        books=tuple(books),
        accounts=_accounts(store),
        counts={verdict: counts.get(verdict.value, 0) for verdict in Verdict},
        sums=_sums(store),
        settling=_settling(store),
        ages=_ages(store, period),
        linked=store.one("SELECT count(note) FROM findings WHERE in_books AND at_processor"),
        outside=store.rows(beside)[0],
        left_out=left_out,
    )


def _check(store: Store) -> None:
    for key, table in (("row", "books"), ("seq", "newest")):
        there = store.one(f"SELECT count(*) FROM {table}")  # noqa: S608  our own names
        judged = store.rows(f"SELECT count({key}), count(DISTINCT {key}) FROM verdicts")[0]  # noqa: S608
        if judged != (there, there):
            raise ArithmeticError(f"{judged} verdicts on {there} of {table}: this is a defect, please report it")


def _accounts(store: Store) -> tuple[AccountSummary, ...]:
    query = """
        SELECT account, title, way, listed_since, listed_until, complete, refused, unreadable + (
            SELECT count(DISTINCT question) FROM answers a
            WHERE a.account = c.account AND starts_with(question, 'hint:') AND question NOT IN (
                SELECT question FROM answers b WHERE b.account = c.account AND outcome <> 'failed'))
        FROM covered c ORDER BY account"""
    return tuple(
        AccountSummary(
            account=account,
            title=title,
            way=way,
            listed_since=from_column(since),
            listed_until=from_column(until),
            complete=complete,
            unreadable=unreadable,
            refused=refused,
        )
        for account, title, way, since, until, complete, refused, unreadable in store.rows(query)
    )


def _sums(store: Store) -> tuple[Sum, ...]:
    names = [field.name for field in attrs.fields(Sum)]
    order = {verdict: place for place, verdict in enumerate(Verdict)}
    rows = store.rows(f"SELECT {', '.join(names)} FROM sums")  # noqa: S608
    sums = [Sum(**{**dict(zip(names, row, strict=True)), "verdict": Verdict(row[2])}) for row in rows]
    return tuple(sorted(sums, key=lambda one: (one.account or "", one.currency or "", order[one.verdict])))


def _settling(store: Store) -> tuple[Settling, ...]:
    found = store.rows("SELECT account, refunds, shares, longest FROM settling ORDER BY account")
    return tuple(
        Settling(
            account=account,
            refunds=refunds,
            tenth=timedelta(seconds=shares[0]),
            median=timedelta(seconds=shares[1]),
            nine_tenths=timedelta(seconds=shares[2]),
            longest=timedelta(seconds=longest),
        )
        for account, refunds, shares, longest in found
    )


def _ages(store: Store, period: Period) -> dict[tuple[Verdict, str], int]:
    days = f"date_diff('day', coalesce(books_at, processor_at), TIMESTAMP '{to_column(period.until)}')"
    cases = " ".join(f"WHEN {days} <= {most} THEN '{name}'" for name, most in AGES.items() if most)
    age = f"CASE WHEN coalesce(books_at, processor_at) IS NULL THEN '{NO_AGE}' {cases} ELSE '{list(AGES)[-1]}' END"
    query = f"SELECT verdict, {age} AS age, count(*) FROM findings WHERE verdict <> 'matched' GROUP BY verdict, age"  # noqa: S608
    found = {(verdict, age): count for verdict, age, count in store.rows(query)}
    every = [(verdict, name) for verdict in Verdict for name in (*AGES, NO_AGE)]
    return {(verdict, name): found[verdict.value, name] for verdict, name in every if (verdict.value, name) in found}


DIFFERENCES = "SELECT * FROM differences"
"""The most money first within each currency: amounts of two currencies are not compared."""
EVERYTHING = "SELECT * FROM everything"


def read_findings(store: Store, query: str, limit: int | None = None) -> Iterator[Finding]:
    """The findings that a query gives."""
    names = [name for (name, *_) in store.rows("DESCRIBE findings")]
    for row in store.stream(query if limit is None else f"{query} LIMIT {limit}"):
        yield _finding(dict(zip(names, row, strict=True)))


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(
        verdict=Verdict(row["verdict"]),
        reason=row["reason"],
        account=row["account"] or "",
        matched_by=row["matched_by"],
        at_stake=_money(row["stake"], row["stake_currency"]),
        books=_side(row, "books_") if row["in_books"] else None,
        processor=_side(row, "processor_") if row["at_processor"] else None,
        evidence=_evidence(row) if row["at_processor"] else None,
        note=row["note"],
    )


def _side(row: Mapping[str, Any], prefix: str) -> Side:
    facts = {name: row[prefix + name] for name in _SAME}
    amount = _money(row[f"{prefix}amount"], row[f"{prefix}currency"])
    return Side(**facts, amount=amount, at=from_column(row[f"{prefix}at"]))


_SAME = (
    *("where", "connector_refund_id", "merchant_refund_id", "connector_transaction_id"),
    *("status", "word"),
)


def _evidence(row: Mapping[str, Any]) -> Evidence:
    observed = from_column(row["observed_at"])
    assert observed is not None
    return Evidence(
        observed_at=observed,
        digest=row["digest"],
        processed_at=from_column(row["processed_at"]),
        acquirer_reference_number=row["acquirer_reference_number"],
        error=row["error"],
    )


def _money(amount: int | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money(amount, currency)
