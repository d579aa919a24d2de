"""How the processors are asked, what is left of an interrupted run, and accounts that cannot be asked."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from reconciling import NOON, PERIOD, a_refund, a_row, by_place, compare, days, processor, write_books

from refundry.client import RefundClient
from refundry.errors import ConfigurationError
from refundry.http import Response
from refundry.model import SUCCEEDED, Money, RefundPage
from refundry.plugins import load_connector
from refundry.testing import Wiring
from refundry_ledger import Ledger
from refundry_reconcile import LedgerBooks, Progress, Verdict, reconcile
from refundry_reconcile.noting import Listed
from refundry_reconcile.paging import Leaf
from refundry_reconcile.store import Store
from refundry_sandbox import Sandbox

MANY = [a_refund(f"re_{number:03}") for number in range(250)]
ROWS = [a_row(f"re_{number:03}") for number in range(250)]


class Stopped(Exception):
    """What ends a run."""


def verdicts(folder: Path, rows: list[dict[str, str]], *clients: object, **options: object) -> dict[str, str]:
    """The verdict by place."""
    with compare(folder, rows, *clients, **options) as done:  # type: ignore[arg-type]
        return {place: verdict for place, (verdict, _) in by_place(done).items()}


def test_an_interrupted_run_goes_on_where_it_was_and_a_run_that_ended_asks_nothing(tmp_path: Path) -> None:
    wiring, client = processor(MANY)

    def stop(progress: Progress) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        compare(tmp_path, ROWS, client, tell=stop)
    assert len(wiring.sent) == 1
    with compare(tmp_path, ROWS, client) as done:
        assert (len(wiring.sent), done.summary.counts[Verdict.MATCHED], done.summary.differences) == (3, 250, 0)
    compare(tmp_path, ROWS, client).close()
    assert len(wiring.sent) == 3


def test_what_a_slow_processor_said_is_written_after_ten_seconds(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.run("INSERT INTO coverage VALUES ('acme', 'Acme', 'list', NULL, NULL, true, NULL, false, 0, 0, NULL)")
        listed = Listed(store, "acme", 0)
        for number, second in enumerate((0, 9, 10, 11)):
            listed.add(
                Leaf(page=RefundPage(refunds=[MANY[number]]), position=f"after {number}"),
                NOON + timedelta(seconds=second),
            )
        assert store.one("SELECT position FROM coverage") == "after 2"
        assert store.one("SELECT count(*) FROM said") == 3


def test_a_list_that_breaks_off_keeps_what_came_and_says_why_the_rest_is_not_comparable(tmp_path: Path) -> None:
    wiring, client = processor(MANY)
    wiring.tamper = lambda good: good if len(wiring.sent) == 1 else attrs.evolve(good, status_code=500)
    with compare(tmp_path, ROWS, client) as done:
        assert done.summary.counts[Verdict.MATCHED] == 100
        assert done.summary.counts[Verdict.NOT_COMPARABLE] == 150
        reasons = {one.reason for one in done.differences()}
        assert reasons == {"the account could not be asked: the processor is not available: try again later"}
    wiring.tamper = lambda good: good
    with compare(tmp_path, ROWS, client) as done:
        assert done.summary.differences == 0


def test_an_account_that_an_earlier_run_asked_is_left_out_when_it_is_not_named(tmp_path: Path) -> None:
    one, other = processor([a_refund("re_1")])[1], processor([a_refund("re_2")], name="other")[1]
    assert verdicts(tmp_path, [a_row("re_1")], one, other)["re_2"] == "missing in the books"
    assert verdicts(tmp_path, [a_row("re_1")], one) == {"line 2": "matched", "re_1": "matched"}


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    rows = [*ROWS[:-9], a_row("re_x"), a_row("re_001", amount="3"), a_row("re_002", currency="JPY", amount="7")]
    files = []
    for _ in range(2):
        with compare(tmp_path, rows, processor(MANY)[1]) as done:
            done.write_report(tmp_path / "report")
        files.append({path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()})
    assert set(files[0]) == {f"differences.{kind}" for kind in ("csv", "jsonl", "parquet")} | {
        "report.html",
        "summary.json",
    }
    assert files[0] == files[1]
    other = tmp_path / "other"
    other.mkdir()
    with compare(other, list(rows), processor(reversed(MANY))[1]) as done:
        done.write_report(other / "report")
    again = {path.name: path.read_bytes() for path in (other / "report").iterdir()}
    digests = [line.split(b'"digest"')[0] for line in files[0]["differences.jsonl"].splitlines()]
    assert [line.split(b'"digest"')[0] for line in again["differences.jsonl"].splitlines()] == digests


def test_an_account_that_refuses_harms_no_other(tmp_path: Path) -> None:
    good, bad = processor([a_refund("re_1")]), processor([a_refund("re_2")], name="bad")
    bad[0].tamper = lambda answer: attrs.evolve(answer, status_code=401, body=b"{}")
    with compare(tmp_path, [a_row("re_1"), a_row("re_2", account="bad")], good[1], bad[1]) as done:
        assert by_place(done)["line 2"][0] == "matched"
        (left,) = done.differences()
        assert left.verdict is Verdict.NOT_COMPARABLE
        assert "could not be asked" in left.reason
        assert [bool(one.refused) for one in done.summary.accounts] == [True, False]


def test_an_account_of_the_books_that_nobody_asks_is_not_comparable(tmp_path: Path) -> None:
    found = verdicts(tmp_path, [a_row("re_1", account="elsewhere"), a_row("re_1", account="")], processor()[1])
    assert found == {"line 2": "not comparable", "line 3": "not comparable"}


@pytest.fixture
def get_only() -> tuple[Wiring, object]:
    """A processor without a list."""
    refunds = [a_refund(f"REF-{number}", connector_status=None) for number in range(60)]
    connector = load_connector("dlocal")
    word = next(word for word, status in connector.statuses.items() if status is SUCCEEDED)
    refunds = [attrs.evolve(one, connector_status=word, refund_amount=Money(1050, "BRL")) for one in refunds]
    return processor(refunds, connector=connector)


def test_where_there_is_no_list_each_refund_is_asked_for_once(tmp_path: Path, get_only: tuple[Wiring, object]) -> None:
    wiring, client = get_only
    rows = [a_row(f"REF-{number}", account="dlocal", currency="BRL") for number in range(50)]
    rows += [a_row("REF-none", account="dlocal", currency="BRL"), a_row("", account="dlocal", reference="mine")]
    found = verdicts(tmp_path, rows, client)
    assert {found[f"line {number}"] for number in range(2, 52)} == {"matched"}
    assert (found["line 52"], found["line 53"]) == ("missing at the processor", "not comparable")
    assert len(wiring.sent) == 51
    verdicts(tmp_path, rows, client)
    assert len(wiring.sent) == 51, "what was answered is not asked again"
    assert "missing in the books" not in found.values()


def test_many_questions_go_out_at_a_time_over_real_connections(tmp_path: Path) -> None:
    """With refundry-aio, where it is there; the other tests bring a session of their own, which means threads."""
    with Sandbox(["dlocal"], speed=0) as sandbox:
        refunds = [sandbox.add("dlocal", "settles", after=days(0)) for _ in range(40)]
        settings = {**sandbox.settings("dlocal"), "base_url": sandbox.base_urls("dlocal")}
        rows = [
            a_row(one.connector_refund_id or "", account="dlocal", currency=one.refund_amount.currency, on="")
            for one in refunds
            if one.refund_amount
        ]
        with RefundClient("dlocal", clock=sandbox.clock, rate_limit=math.inf, **settings) as client:
            found = verdicts(tmp_path, [*rows, a_row("REF-none", account="dlocal", currency="BRL")], client)
        assert Counter(found[f"line {number}"] for number in range(2, 43)) == {
            "matched": 40,
            "missing at the processor": 1,
        }
        assert sandbox.requests("dlocal") == 41


def test_an_account_that_is_down_is_not_asked_for_every_refund(tmp_path: Path, get_only: tuple[Wiring, object]) -> None:
    wiring, client = get_only
    wiring.tamper = lambda good: Response(503, {}, b"")
    rows = [a_row(f"REF-{number}", account="dlocal", currency="BRL") for number in range(60)]
    assert set(verdicts(tmp_path, rows, client).values()) == {"not comparable"}
    assert len({one.url for one in wiring.sent}) < 60
    wiring.tamper = lambda good: good
    found = verdicts(tmp_path, rows, client)
    assert {found[f"line {number}"] for number in range(2, 62)} == {"matched"}, "a failed question is asked again"


def test_one_question_that_fails_harms_no_other(tmp_path: Path, get_only: tuple[Wiring, object]) -> None:
    wiring, client = get_only
    wiring.tamper = lambda good: Response(200, {}, b"<html>") if b'"REF-1"' in good.body else good
    rows = [a_row(f"REF-{number}", account="dlocal", currency="BRL") for number in range(3)]
    found = verdicts(tmp_path, rows, client)
    assert [found[f"line {number}"] for number in (2, 3, 4)] == ["matched", "not comparable", "matched"]


def test_a_processor_that_lists_by_payment_is_asked_by_payment(tmp_path: Path) -> None:
    connector = load_connector("checkout")
    word = next(word for word, status in connector.statuses.items() if status is SUCCEEDED)
    refunds = [a_refund(f"act_{name}", connector_transaction_id=f"pay_{name}", connector_status=word) for name in "abc"]
    refunds.append(attrs.evolve(refunds[0], connector_refund_id="act_more", refund_amount=Money(300, "EUR")))
    client = processor(refunds, connector=connector)[1]
    rows = [a_row(f"act_{name}", account="checkout", payment=f"pay_{name}") for name in "ab"]
    rows += [
        a_row("", account="checkout", payment="pay_c"),
        a_row("act_x", account="checkout", payment="pay_b"),
        a_row("", account="checkout", payment="pay_a", amount="9"),
    ]
    found = verdicts(tmp_path, rows, client)
    assert [found[f"line {number}"] for number in (2, 3, 4)] == ["matched"] * 3
    assert [found[f"line {number}"] for number in (5, 6)] == ["missing at the processor"] * 2
    assert found["act_more"] == "missing in the books"


def test_a_processor_that_only_sends_webhooks_is_not_comparable(tmp_path: Path) -> None:
    connector = load_connector("adyen")
    with compare(tmp_path, [a_row("X", account="adyen")], processor(connector=connector)[1]) as done:
        (found,) = done.findings()
    assert found.verdict is Verdict.NOT_COMPARABLE
    assert "ledger" in found.reason


def test_what_a_list_only_names_is_asked_for(tmp_path: Path) -> None:
    connector = load_connector("cybersource")
    word = next(word for word, status in connector.statuses.items() if status is SUCCEEDED)
    refunds = [a_refund(f"7000000{number}", connector_status=word) for number in range(3)]
    wiring, client = processor(refunds, connector=connector)
    rows = [a_row(f"7000000{number}", account="cybersource") for number in range(2)]
    found = verdicts(tmp_path, rows, client)
    assert [found[f"7000000{number}"] for number in range(3)] == ["matched", "matched", "missing in the books"]
    asked = len(wiring.sent)
    verdicts(tmp_path, rows, client)
    assert len(wiring.sent) == asked


def test_an_item_that_cannot_be_read_leaves_open_what_is_missing(tmp_path: Path) -> None:
    wiring, client = processor([a_refund("re_1"), a_refund("re_2")])
    wiring.tamper = lambda good: attrs.evolve(good, body=good.body.replace(b'"re_2"', b"null"))
    with compare(tmp_path, [a_row("re_1"), a_row("", reference="lost", amount="7")], client) as done:
        assert by_place(done)["line 3"][0] == "not comparable"
        assert done.summary.accounts[0].unreadable == 1


def test_a_ledger_says_what_it_has_heard(tmp_path: Path) -> None:
    wiring, client = processor([a_refund("re_1"), a_refund("re_2")])
    with Ledger.open(f"{tmp_path}/refunds.db", clock=wiring.clock) as ledger:
        ledger.track("stripe", refund_id="re_1", expected_amount=Money(1051, "EUR"))
        ledger.track("stripe", refund_id="re_2", expected_amount=Money(1050, "EUR"))
        ledger.run_once([client])
        ledger.track("stripe", refund_id="re_3", expected_amount=Money(1, "EUR"))
        ledger.track("stripe", refund_id="re_4")
        asked = len(wiring.sent)
        period = {"since": wiring.clock.now() - days(1), "until": wiring.clock.now() + days(1)}
        expected = ["amount differs", "matched", "not comparable", "not comparable"]
        with reconcile(LedgerBooks(ledger), ledger, **period, folder=tmp_path / "a", clock=wiring.clock) as done:
            assert [by_place(done)[f"ledger #{number}"][0] for number in (1, 2, 3, 4)] == expected
            assert {one.evidence.digest for one in done.findings() if one.evidence} != {""}
        assert len(wiring.sent) == asked
        books = write_books(tmp_path / "b.csv", [a_row("re_2", on=""), a_row("re_9", on="")])
        with reconcile(books, ledger, **period, folder=tmp_path / "b", clock=wiring.clock) as done:
            found = {place: verdict for place, (verdict, _) in by_place(done).items()}
        assert found == {
            "line 2": "matched",
            "re_2": "matched",
            "line 3": "not comparable",
            "re_1": "missing in the books",
        }
        period = {"since": NOON - days(1), "until": NOON + days(1)}
        with reconcile(LedgerBooks(ledger), [client], **period, folder=tmp_path / "c", clock=wiring.clock) as done:
            assert done.summary.left_out == 4


def test_a_folder_is_for_one_period_and_one_run_at_a_time(tmp_path: Path) -> None:
    client = processor()[1]
    with compare(tmp_path, [], client) as done:
        with pytest.raises(ConfigurationError, match="is another run in it"):
            compare(tmp_path, [], client)
        assert done.summary.differences == 0
    with pytest.raises(ConfigurationError, match="holds the comparison of"):
        compare(tmp_path, [], client, until=PERIOD["until"] + days(1))
    with pytest.raises(ConfigurationError, match="two clients"):
        compare(tmp_path, [], client, client)
    for wrong in ({"since": PERIOD["until"]}, {"since": PERIOD["since"].replace(tzinfo=None)}, {"margin": days(-1)}):
        with pytest.raises(ConfigurationError):
            compare(tmp_path, [], client, **wrong)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "work").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        compare(tmp_path / "other", [], client)
