"""What is matched with what, and the class that every refund ends in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reconciling import PERIOD, a_refund, a_row, by_place, compare, days, processor, write_books

from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN, Money, Refund
from refundry_reconcile import Verdict, reconcile
from refundry_reconcile.saying import COLUMNS
from refundry_reconcile.store import Store

ID, OURS, OURS_MONEY = "the processor's refund id", "your reference", "your reference and amount"
OURS_PAID, PAID = "your reference, payment and amount", "payment and amount"
FIVE = Money(500, "EUR")


def ref(refund_id: str, reference: str | None = None, payment: str | None = None, **more: Any) -> Refund:
    return a_refund(refund_id, merchant_refund_id=reference, connector_transaction_id=payment, **more)


# Each: the rows of the books, the refunds of the processor, and the verdict on each row and refund.
CASES: dict[str, tuple[list[dict[str, str]], list[Refund], list[Any]]] = {
    "the same": ([a_row("re_a1")], [ref("re_a1")], [("matched", ID)]),
    "amount": ([a_row("re_b1", amount="10.51")], [ref("re_b1")], [("amount differs", ID)]),
    "currency": ([a_row("re_c1", currency="USD")], [ref("re_c1")], [("currency differs", ID)]),
    "currency and amount": ([a_row("re_c2", currency="USD", amount="1")], [ref("re_c2")], [("currency differs", ID)]),
    "failed": (
        [a_row("re_d1")],
        [ref("re_d1", status=FAILED, connector_status="failed")],
        [("status differs", ID)],
    ),
    "not yet": (
        [a_row("re_d2")],
        [ref("re_d2", status=PENDING, connector_status="pending")],
        [("status differs", ID)],
    ),
    "both open": (
        [a_row("re_d3", state="open")],
        [ref("re_d3", status=PENDING, connector_status="pending")],
        [("matched", ID)],
    ),
    "in review": (
        [a_row("re_d4", state="open")],
        [ref("re_d4", status=MANUAL_REVIEW, connector_status="requires_action")],
        [("status differs", ID)],
    ),
    "a word nobody knows": (
        [a_row("re_d5")],
        [ref("re_d5", status=UNKNOWN, connector_status="novel")],
        [("not comparable", ID)],
    ),
    "books that do not say": ([a_row("re_d6", state="?")], [ref("re_d6")], [("not comparable", ID)]),
    "amount that cannot be read": ([a_row("re_e1", amount="ten")], [ref("re_e1")], [("not comparable", ID)]),
    "not there": ([a_row("re_f1")], [], [("missing at the processor", None)]),
    "not booked": ([], [ref("re_f2")], [("missing in the books", None)]),
    "amount alone": (
        [a_row("", payment="pi_f3a")],
        [ref("re_f3", payment="pi_f3b")],
        [("missing at the processor", None), ("missing in the books", None)],
    ),
    "no identifier": ([a_row("")], [], [("not comparable", None)]),
    "booked twice": (
        [a_row("re_g1"), a_row("re_g1")],
        [ref("re_g1")],
        [("matched", ID), ("duplicate", None), ("matched", ID)],
    ),
    "booked twice, once rightly": (
        [a_row("re_g2", amount="11"), a_row("re_g2")],
        [ref("re_g2")],
        [("duplicate", None), ("matched", ID), ("matched", ID)],
    ),
    "booked twice and never made": (
        [a_row("re_g3"), a_row("re_g3")],
        [],
        [("missing at the processor", None), ("duplicate", None)],
    ),
    "reference": ([a_row("", reference="h1")], [ref("re_h1", "h1")], [("matched", OURS)]),
    "reference, other amount": (
        [a_row("", reference="h2", amount="9")],
        [ref("re_h2", "h2")],
        [("amount differs", OURS)],
    ),
    "one reference, two amounts": (
        [a_row("", reference="h3"), a_row("", reference="h3", amount="5")],
        [ref("re_h3a", "h3", refund_amount=FIVE), ref("re_h3b", "h3")],
        [("matched", OURS_MONEY), ("matched", OURS_MONEY), ("matched", OURS_MONEY), ("matched", OURS_MONEY)],
    ),
    "made twice": (
        [a_row("", reference="h4", payment="pi_h4")],
        [ref("re_h4a", "h4", "pi_h4"), ref("re_h4b", "h4", "pi_h4")],
        [("matched", OURS_PAID), ("matched", OURS_PAID), ("duplicate", None)],
    ),
    "failed, then made": (
        [a_row("", reference="h5", payment="pi_h5")],
        [ref("re_h5a", "h5", "pi_h5", status=FAILED, connector_status="failed"), ref("re_h5b", "h5", "pi_h5")],
        [("matched", OURS_PAID), ("duplicate", None), ("matched", OURS_PAID)],
    ),
    "made twice, one booked by id": (
        [a_row("re_h6a", reference="h6")],
        [ref("re_h6a", "h6"), ref("re_h6b", "h6")],
        [("matched", ID), ("matched", ID), ("duplicate", None)],
    ),
    "two of two with one reference": (
        [a_row("", reference="i1"), a_row("", reference="i1")],
        [ref("re_i1a", "i1"), ref("re_i1b", "i1")],
        [("ambiguous", None)] * 4,
    ),
    "one reference, two payments": (
        [a_row("", reference="i2")],
        [ref("re_i2a", "i2", "pi_i2a"), ref("re_i2b", "i2", "pi_i2b")],
        [("ambiguous", None)] * 3,
    ),
    "the payment tells them apart": (
        [a_row("", reference="i3", payment="pi_i3b")],
        [ref("re_i3a", "i3", "pi_i3a"), ref("re_i3b", "i3", "pi_i3b")],
        [("matched", OURS_PAID), ("missing in the books", None), ("matched", OURS_PAID)],
    ),
    "the reference under another id": (
        [a_row("re_i4x", reference="i4")],
        [ref("re_i4", "i4")],
        [("ambiguous", None)] * 2,
    ),
    "payment and amount": ([a_row("", payment="pi_j1")], [ref("re_j1", payment="pi_j1")], [("matched", PAID)]),
    "payment, other amount": (
        [a_row("", payment="pi_j2", amount="9")],
        [ref("re_j2", payment="pi_j2")],
        [("missing at the processor", None), ("missing in the books", None)],
    ),
    "payment and amount, twice there": (
        [a_row("", payment="pi_j3")],
        [ref("re_j3a", payment="pi_j3"), ref("re_j3b", payment="pi_j3")],
        [("ambiguous", None)] * 3,
    ),
    "payment and amount, other reference": (
        [a_row("", reference="j4", payment="pi_j4")],
        [ref("re_j4", "another", "pi_j4")],
        [("ambiguous", None)] * 2,
    ),
    "payment and amount, other id": (
        [a_row("re_j5x", payment="pi_j5")],
        [ref("re_j5", payment="pi_j5")],
        [("missing at the processor", None), ("missing in the books", None)],
    ),
    "one of two by id, the other by payment": (
        [a_row("re_j6a", payment="pi_j6"), a_row("", payment="pi_j6")],
        [ref("re_j6a", payment="pi_j6"), ref("re_j6b", payment="pi_j6")],
        [("matched", ID), ("matched", PAID), ("matched", ID), ("matched", PAID)],
    ),
}


@pytest.fixture(scope="module")
def verdicts() -> dict[str, tuple[str, str | None]]:
    """All cases in one comparison: they share no identifier."""
    rows = [row for case in CASES.values() for row in case[0]]
    _, client = processor(refund for case in CASES.values() for refund in case[1])
    with TemporaryDirectory() as folder, compare(Path(folder), rows, client) as done:
        return by_place(done)


@pytest.mark.parametrize("name", CASES)
def test_a_case(name: str, verdicts: dict[str, tuple[str, str | None]]) -> None:
    before = [row for known in list(CASES)[: list(CASES).index(name)] for row in CASES[known][0]]
    rows, refunds, expected = CASES[name]
    places = [f"line {len(before) + number}" for number in range(2, len(rows) + 2)]
    places += [refund.connector_refund_id or "" for refund in refunds]
    found = [verdicts[place] for place in places]
    assert found == (expected * len(found) if len(expected) == 1 else expected)


def test_other_halves_beside_the_period_are_linked_and_what_is_wholly_beside_it_is_left_alone(tmp_path: Path) -> None:
    since, until = PERIOD["since"], PERIOD["until"]
    rows = [
        a_row("re_late", on="2026-02-28"),
        a_row("re_early", on="2026-02-01"),
        a_row("re_next", on="2026-03-01"),
        a_row("re_beside", on="2026-03-02"),
        a_row("re_far", on="2026-03-20"),
    ]
    refunds = [
        a_refund("re_late", created_at=until + days(2)),
        a_refund("re_early", created_at=since - days(1)),
        a_refund("re_next", created_at=until - days(1)),
        a_refund("re_beside", created_at=until + days(1)),
        a_refund("re_only_there", created_at=since - days(2)),
    ]
    with compare(tmp_path, rows, processor(refunds)[1]) as done:
        assert {place: verdict for place, (verdict, _) in by_place(done).items()} == dict.fromkeys(
            ("line 2", "line 3", "line 4", "re_late", "re_early", "re_next"), "matched"
        )
        assert (done.summary.linked, done.summary.outside, done.summary.left_out) == (3, (1, 2), 1)
        notes = {one.books.where: one.note for one in done.findings() if one.books}
        assert notes["line 2"] == "the processor made it on 2026-03-03, outside the period"
        assert notes["line 4"] == "the books have it on 2026-03-01, outside the period"


def test_a_refund_that_was_made_long_after_it_was_booked_is_found_by_asking(tmp_path: Path) -> None:
    refunds = [a_refund("re_late", created_at=PERIOD["since"] - days(40))]
    with compare(tmp_path, [a_row("re_late")], processor(refunds)[1]) as done:
        (found,) = done.findings()
        assert (found.verdict, found.processor and found.processor.where) == (Verdict.MATCHED, "get")
        assert "outside the period" in (found.note or "")


def test_books_without_statuses_are_contradicted_by_a_failure_alone(tmp_path: Path) -> None:
    words = {"succeeded": SUCCEEDED, "pending": PENDING, "failed": FAILED, "novel": UNKNOWN}
    refunds = [a_refund(f"re_{word}", status=status, connector_status=word) for word, status in words.items()]
    rows = [a_row(f"re_{word}", state="") for word in words]
    with_status = write_books(tmp_path / "b.csv", rows)
    books = attrs.evolve(with_status, columns=attrs.evolve(with_status.columns, status=None))
    wiring, client = processor(refunds)
    with reconcile(books, [client], **PERIOD, folder=tmp_path / "work", clock=wiring.clock) as done:
        found = {one.processor.word: one.verdict.value for one in done.findings() if one.processor}
    assert found == {
        "succeeded": "matched",
        "pending": "matched",
        "failed": "status differs",
        "novel": "not comparable",
    }


few = st.sampled_from
_SOME = {
    "connector_refund_id": few([None, "re_1", "re_2", "re_3"]),
    "merchant_refund_id": few([None, "m1", "m2"]),
    "connector_transaction_id": few([None, "p1", "p2"]),
    "amount": few([None, 1, 2]),
    "currency": few(["EUR", "JPY"]),
    "status": few(["SUCCEEDED", "FAILED", "PENDING", "UNKNOWN"]),
}
ROWS = st.lists(st.fixed_dictionaries({**_SOME, "day": few([None, -40, -2, 5, 30])}), max_size=12)
SAID = st.lists(st.fixed_dictionaries({**_SOME, "day": few([None, -2, 5, 30])}), max_size=12)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, said=SAID)
def test_every_row_and_refund_ends_in_one_class_and_all_of_it_adds_up(rows: list[Any], said: list[Any]) -> None:
    """Whatever identifiers are shared, repeated or missing."""
    books = [
        a_row(
            one["connector_refund_id"] or "",
            reference=one["merchant_refund_id"] or "",
            payment=one["connector_transaction_id"] or "",
            amount=str(one["amount"] or "odd"),
            currency=one["currency"],
            state={"SUCCEEDED": "done", "FAILED": "rejected", "PENDING": "open", "UNKNOWN": "?"}[one["status"]],
            on="" if one["day"] is None else (PERIOD["since"] + days(one["day"])).date().isoformat(),
        )
        for one in rows
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder)
        _fill(path / "work", said)
        with compare(path, books, processor()[1]) as done:
            findings = list(done.findings())
            summary = done.summary
    ours = [one for one in rows if one["day"] != -40]
    assert summary.left_out == len(rows) - len(ours)
    assert sum(one.books is not None for one in findings) + summary.outside[0] == len(ours)
    assert sum(summary.counts.values()) == len(findings)
    shown = Counter(one.processor.connector_refund_id for one in findings if one.processor)
    assert all(count == 1 for refund_id, count in shown.items() if refund_id is not None)
    for one in findings:
        if one.books and one.processor:
            assert one.matched_by
            shared = ("connector_refund_id", "merchant_refund_id", "connector_transaction_id")
            both = [(getattr(one.books, name), getattr(one.processor, name)) for name in shared]
            assert any(ours is not None and ours == theirs for ours, theirs in both), "matched by an amount alone"
            assert None in both[0] or both[0][0] == both[0][1], "two of the processor's ids are two refunds"
    _check_totals(findings, summary.sums)


def _check_totals(findings: list[Any], sums: Any) -> None:
    expected: Counter[Any] = Counter()
    for one in findings:
        for side, name in ((one.books, "books"), (one.processor, "processor")):
            if side and side.amount:
                expected[name, one.verdict, side.amount.currency] += side.amount.minor_amount
    found: Counter[Any] = Counter()
    for one in sums:
        found["books", one.verdict, one.currency] += one.books_amount
        found["processor", one.verdict, one.currency] += one.processor_amount
    assert +found == expected


def _fill(folder: Path, said: list[Any]) -> None:
    """What a processor said, as an earlier run would have written it down."""
    at = PERIOD["since"]
    with Store(folder) as store:
        store.run("INSERT INTO coverage VALUES ('stripe', 'Stripe', 'list', NULL, NULL, true, NULL, true, 0, 0, NULL)")
        rows = []
        for number, one in enumerate(said):
            time = None if one["day"] is None else (at + days(one["day"])).replace(tzinfo=None).isoformat(" ")
            facts = {**one, "account": "stripe", "created_at": time, "source": "list", "digest": f"{number}"}
            facts |= {"observed_at": at.replace(tzinfo=None).isoformat(" ")}
            facts |= {"problem": None if one["amount"] else "no amount"}
            rows.append([facts.get(name) for name in COLUMNS])
        store.copy("said", COLUMNS, rows)
