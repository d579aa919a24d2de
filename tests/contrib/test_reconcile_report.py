"""The report: files for programs, and a page that is opened in a real browser."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest
from reconciling import a_refund, a_row, compare, days, processor
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from refundry.model import Money
from refundry_reconcile import EXPLANATIONS, Verdict
from refundry_reconcile.charts import age_chart, in_words, settling_chart
from refundry_reconcile.report import MOST_ROWS
from refundry_reconcile.summary import Settling

CANARY = "<script>alert('refund')</script>"
FORMULA = "=1+1"


def write(folder: Path, number: int = 3) -> dict[str, Any]:
    """A report with differences of several kinds, some of them hostile."""
    refunds = [a_refund(f"re_{one}", refund_amount=Money(1000 + one, "EUR")) for one in range(number)]
    refunds += [a_refund("re_yen", refund_amount=Money(900, "JPY")), a_refund("re_same")]
    rows = [a_row("re_same"), a_row("re_gone", reference=CANARY, amount="77.70"), a_row(FORMULA, amount="5")]
    rows += [a_row("re_odd", amount="@odd"), a_row("re_yen", amount="901", currency="JPY")]
    with compare(folder, rows, processor(refunds)[1]) as done:
        page = done.write_report(folder / "report")
        return {"page": page, "summary": done.summary, "findings": list(done.differences())}


def test_the_files_say_the_same_as_the_findings(tmp_path: Path) -> None:
    made = write(tmp_path)
    folder, findings = made["page"].parent, made["findings"]
    objects = [json.loads(line) for line in (folder / "differences.jsonl").read_text().splitlines()]
    assert [one["verdict"] for one in objects] == [one.verdict.value for one in findings]
    assert objects[0]["at_stake"] == {"minor_amount": 7770, "currency": "EUR"}
    with (folder / "differences.csv").open(newline="") as lines:
        cells = list(csv.DictReader(lines))
    assert [one["verdict"] for one in cells] == [one.verdict.value for one in findings]
    assert (cells[0]["at_stake"], cells[0]["at_stake_currency"]) == ("77.70", "EUR")
    read = "SELECT verdict, stake, stake_currency FROM read_parquet(?)"
    parquet = duckdb.execute(read, [str(folder / "differences.parquet")]).fetchall()
    assert parquet == [
        (one.verdict.value, *((one.at_stake.minor_amount, one.at_stake.currency) if one.at_stake else (None, None)))
        for one in findings
    ]
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["differences"], summary["counts"]["matched"]) == (len(findings), 1)


def test_the_most_money_comes_first_within_each_currency(tmp_path: Path) -> None:
    stakes = [one.at_stake for one in write(tmp_path)["findings"]]
    known = [(one.currency, -one.minor_amount) for one in stakes if one]
    assert known == sorted(known)
    assert stakes[-1] is None


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    with (write(tmp_path)["page"].parent / "differences.csv").open(newline="") as lines:
        cells = [cell for row in csv.reader(lines) for cell in row]
    assert f"'{FORMULA}" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


class Reader(HTMLParser):
    """Counts what could run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.links += [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action")]


def test_the_page_holds_all_it_needs_and_nothing_that_it_was_told_runs(tmp_path: Path) -> None:
    page = write(tmp_path)["page"].read_text()
    reader = Reader()
    reader.feed(page)
    assert (reader.scripts, reader.links) == (1, ["data:,"])
    assert not re.search(r"url\(|@import|https?://", page)
    assert CANARY not in page
    for verdict, explanation in EXPLANATIONS.items():
        assert verdict.value in page
        assert explanation.meaning in page
    for heading in ("What was found", "Totals by account and currency", "What was compared", "The differences"):
        assert heading in page


def test_a_page_with_very_many_differences_shows_some_and_says_where_the_rest_is(tmp_path: Path) -> None:
    made = write(tmp_path, MOST_ROWS + 7)
    page = made["page"].read_text()
    assert page.count("<tr data-verdict=") == MOST_ROWS
    assert f"Only the first {MOST_ROWS} of {len(made['findings'])} are shown here" in page
    assert "differences.csv" in page
    with (made["page"].parent / "differences.csv").open(newline="") as lines:
        assert sum(1 for _ in csv.reader(lines)) == len(made["findings"]) + 1


def test_a_report_without_differences_says_so(tmp_path: Path) -> None:
    with compare(tmp_path, [a_row("re_1")], processor([a_refund("re_1")])[1]) as done:
        page = done.write_report().read_text()
    assert "No differences." in page
    assert 'id="differences"' not in page


def test_settling_times_are_drawn_and_told() -> None:
    one = Settling(account="a", refunds=9, tenth=days(1), median=days(2), nine_tenths=days(4), longest=days(31))
    chart = settling_chart([one])
    assert chart
    assert (chart.unit, chart.ticks[0][1], chart.ticks[-1][1]) == ("days", "0", "4")
    assert chart.bars[0].note == "half within 2 days, nine in ten within 4 days, the slowest 31 days (9 refunds)"
    assert chart.bars[0].parts[0].x < (chart.bars[0].mark or 0) < 460
    assert settling_chart([]) is None


def test_differences_are_drawn_by_class_and_age() -> None:
    chart = age_chart({(Verdict.AMBIGUOUS, "up to 2 days"): 3, (Verdict.AMBIGUOUS, "over 30 days"): 1})
    assert chart
    (bar,) = chart.bars
    assert [(part.kind, round(part.width / bar.parts[1].width)) for part in bar.parts] == [(0, 3), (3, 1)]
    assert age_chart({}) is None


@pytest.mark.parametrize(
    ("time", "words"),
    [(timedelta(0), "0 seconds"), (timedelta(minutes=1), "1 minute"), (timedelta(hours=36), "1.5 days")],
)
def test_times_are_told_in_the_unit_of_people(time: timedelta, words: str) -> None:
    assert in_words(time) == words


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium without a window, which asks nobody for anything."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        assert not os.environ.get("CI"), "chromium and chromedriver must be there in CI"
        pytest.skip("there is no chromium with its chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    switches = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
    silent = ("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage")
    for switch in (*switches, *silent, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(switch)
    made = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield made
    made.quit()


def test_the_page_works_in_a_browser(browser: webdriver.Chrome, tmp_path: Path) -> None:
    made = write(tmp_path)
    browser.get(made["page"].as_uri())
    shown = lambda: [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#differences .tag") if one.text]  # noqa: E731
    assert shown() == [one.verdict.value for one in made["findings"]]

    Select(browser.find_element(By.NAME, "verdict")).select_by_visible_text("missing in the books")
    assert shown() == ["missing in the books"] * 3
    assert browser.find_element(By.TAG_NAME, "output").text == f"3 of {len(made['findings'])} shown"
    browser.find_element(By.NAME, "text").send_keys("RE_2")
    assert shown() == ["missing in the books"]
    row = next(one for one in browser.find_elements(By.CSS_SELECTOR, "#differences > tbody > tr") if one.is_displayed())
    row.find_element(By.TAG_NAME, "summary").click()
    assert "Fingerprint of the answer" in row.text

    asked = [json.loads(one["message"])["message"] for one in browser.get_log("performance")]
    sent = [one["params"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    page = made["page"].as_uri()
    assert page in (urls := {one["request"]["url"] for one in sent if one["documentURL"] == page})
    assert urls <= {page, "data:,"}
    assert browser.get_log("browser") == []
