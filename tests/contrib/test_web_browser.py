"""The refund desk in a real browser: with scripts and without, on a wide screen and a narrow one, light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from browsers import running_browser
from desks import RunningDesk, running_desk
from observed import observed
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from refundry.model import UNKNOWN, Money
from refundry_ledger import RefundRecord

LONG = "x" * 500
HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>\"'</title>{{7*7}}"
PAGES = ("/", "/search?q=nothing", "/attention", "/overview", "/audit", "/refunds/{}")
CONTRAST = """
const rgb = (text) => {
  const parts = text.match(/[\\d.]+/g).map(Number);
  const [r, g, b, a = 1] = text.startsWith("color(") ? [...parts.slice(0, 3).map((x) => x * 255), parts[3]] : parts;
  return [r, g, b, a];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const light = ([r, g, b]) => [r, g, b].map((x) => x / 255)
  .map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
  .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (node) => {
  if (!node) return [255, 255, 255, 1];
  const own = rgb(getComputedStyle(node).backgroundColor);
  return own[3] === 1 ? own : over(own, behind(node.parentElement));
};
const poor = [];
let seen = 0;
for (const node of document.querySelectorAll("body *")) {
  const text = [...node.childNodes].filter((one) => one.nodeType === 3 && one.textContent.trim());
  const box = node.getBoundingClientRect();
  if (!text.length || !box.width || node.closest(".unseen, .skip, svg")) continue;
  const style = getComputedStyle(node);
  const [front, back] = [light(over(rgb(style.color), behind(node))), light(behind(node))];
  const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  const large = parseFloat(style.fontSize) >= 24;
  seen += 1;
  if (ratio < (large ? 3 : 4.5)) poor.push(`${ratio.toFixed(2)} ${node.className} ${text[0].textContent.trim()}`);
}
return [seen, poor];
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def desk(browser: WebDriver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk"), "stripe", "square") as running:
        yield running


@pytest.fixture
def signed_in(browser: WebDriver, desk: RunningDesk) -> Callable[[str], WebDriver]:
    def enter(role: str) -> WebDriver:
        browser.delete_all_cookies()
        browser.get(f"{desk.url}/sign-in")
        browser.find_element(By.ID, "token").send_keys(desk.tokens[role], Keys.ENTER)
        _wait(browser, lambda: "Where is this refund?" in _text(browser))
        return browser

    return enter


def _text(browser: WebDriver, selector: str = "body") -> str:
    # In one step: the page may replace the element between two.
    text = browser.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
    return " ".join(text.split())


def _wait(browser: WebDriver, condition: Callable[[], Any]) -> None:
    WebDriverWait(browser, 30, poll_frequency=0.05).until(lambda _: condition())


def _errors(browser: WebDriver) -> list[str]:
    """What the browser complained of since it was asked last; an answer of the desk that is no 200 is no complaint."""
    return [one["message"] for one in browser.get_log("browser") if "Failed to load resource" not in one["message"]]  # type: ignore[no-untyped-call]


@contextmanager
def _screen(browser: WebDriver, *, width: int = 1280, scheme: str = "light") -> Iterator[None]:
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@contextmanager
def _without_scripts(browser: WebDriver) -> Iterator[None]:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def _hostile(desk: RunningDesk) -> RefundRecord:
    """A refund that says wicked things wherever it can."""
    record = desk.add(refund_reason=HOSTILE, note=HOSTILE)
    known = {"account": "stripe", "connector_refund_id": record.query.connector_refund_id}
    moment = desk.desk.clock.now() + timedelta(minutes=1)
    wicked = observed(UNKNOWN, moment, source="webhook", connector_status=HOSTILE, **known)
    kept = desk.ledger.observe(wicked)
    assert kept is not None
    return kept


def test_sign_in_by_keyboard_and_out_again(browser: WebDriver, desk: RunningDesk) -> None:
    browser.delete_all_cookies()
    browser.get(f"{desk.url}/overview")
    assert browser.switch_to.active_element.get_attribute("id") == "token"
    browser.switch_to.active_element.send_keys("rfd_wrong_token", Keys.ENTER)
    _wait(browser, lambda: "wrong or revoked" in _text(browser))
    browser.find_element(By.ID, "token").send_keys(desk.tokens["read"], Keys.ENTER)
    _wait(browser, lambda: browser.current_url == f"{desk.url}/overview")
    assert browser.get_cookie("refundry_session")["httpOnly"] is True  # type: ignore[index]
    browser.find_element(By.XPATH, "//button[text()='Sign out']").click()
    _wait(browser, lambda: browser.current_url == f"{desk.url}/sign-in")
    assert _errors(browser) == []


def test_search_leads_to_the_refund_and_its_timeline(signed_in: Any, desk: RunningDesk) -> None:
    record = desk.later(desk.add(amount=Money(2000, "EUR")), days=4)
    browser = signed_in("operate")
    browser.find_element(By.ID, "q").send_keys(record.query.connector_transaction_id, Keys.ENTER)
    _wait(browser, lambda: browser.current_url == f"{desk.url}/refunds/{record.id}")
    assert _text(browser, "h1") == "€20.00 by Stripe"
    assert "Your refund of €20.00 was sent to your bank" in _text(browser, "#sentence")
    entries = [" ".join(one.text.split()) for one in browser.find_elements(By.CSS_SELECTOR, ".timeline > li")]
    assert "Status: Pending is now Succeeded" in entries[0]
    assert "Amount: €20.00" in entries[-1]
    browser.find_element(By.CSS_SELECTOR, ".raws summary").click()
    assert '"object": "refund"' in browser.find_element(By.CSS_SELECTOR, "details[open] [aria-label=Body]").text
    assert _errors(browser) == []


def test_one_button_copies_the_sentence(signed_in: Any, desk: RunningDesk) -> None:
    record = desk.later(desk.add(), days=4)
    browser = signed_in("read")
    given = {"origin": desk.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", given)
    browser.get(f"{desk.url}/refunds/{record.id}?language=de")
    for button, source in (("copy-sentence", "sentence"), ("copy-reference", "reference")):
        browser.find_element(By.ID, button).click()
        _wait(browser, lambda name=button: browser.find_element(By.ID, name).text == "Copied")
        copied = browser.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
        assert copied == _text(browser, f"#{source}")
    assert "Copied" in _text(browser, "#said")


def test_a_webhook_changes_the_page_that_is_open(signed_in: Any, desk: RunningDesk) -> None:
    record = desk.add()
    browser = signed_in("operate")
    browser.get(f"{desk.url}/refunds/{record.id}?language=fr")
    browser.execute_script("window.same = true")
    browser.execute_script("document.getElementById('ask').focus()")
    assert "Pending" in _text(browser, ".title")
    desk.sandbox.clock.move(timedelta(days=4))
    desk.sandbox.deliver("stripe", record.query.connector_refund_id or "", f"{desk.url}/webhooks/stripe")
    _wait(browser, lambda: "Succeeded" in _text(browser, ".title"))
    assert browser.execute_script("return window.same") is True
    assert "Votre remboursement" in _text(browser, "#sentence")
    assert "webhook" in _text(browser, ".timeline > li")
    assert browser.switch_to.active_element.get_attribute("id") == "ask"
    assert browser.find_element(By.ID, "copy-sentence").is_displayed()
    assert "updated" in _text(browser, "#said")
    assert _errors(browser) == []


def test_what_needs_a_person_is_listed_until_somebody_has_looked(signed_in: Any, desk: RunningDesk) -> None:
    record = desk.later(desk.later(desk.add("square", "returned"), days=1), days=4)
    browser = signed_in("operate")
    browser.find_element(By.PARTIAL_LINK_TEXT, "Attention").click()
    browser.find_element(By.PARTIAL_LINK_TEXT, "Failed after success").click()
    link = f"a[href='/refunds/{record.id}']"
    assert len(browser.find_elements(By.CSS_SELECTOR, link)) == 1
    browser.find_element(By.XPATH, f"//li[.//a[@href='/refunds/{record.id}']]//button").click()
    _wait(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, link))
    assert _errors(browser) == []


def test_a_role_that_does_not_suffice_is_told_so(signed_in: Any, desk: RunningDesk) -> None:
    record = desk.add()
    browser = signed_in("read")
    assert not browser.find_elements(By.PARTIAL_LINK_TEXT, "Audit")
    browser.get(f"{desk.url}/audit")
    assert "This takes the role admin" in _text(browser)
    browser.get(f"{desk.url}/refunds/{record.id}")
    assert not browser.find_elements(By.ID, "ask")
    assert "As the processor sent it" not in _text(browser)


def test_what_a_processor_wrote_never_runs(signed_in: Any, desk: RunningDesk) -> None:
    record = _hostile(desk)
    browser = signed_in("admin")
    for path in (f"/refunds/{record.id}", "/attention", "/", f"/search?q={HOSTILE}"):
        browser.get(desk.url + path)
        assert browser.execute_script("return window.hacked === undefined")
        assert not browser.find_elements(By.CSS_SELECTOR, "img[src=x]")
        assert [one.get_attribute("src") for one in browser.find_elements(By.TAG_NAME, "script")] == [
            browser.find_element(By.CSS_SELECTOR, "head script").get_attribute("src")
        ]
        assert _errors(browser) == []
    browser.get(f"{desk.url}/refunds/{record.id}")
    assert _text(browser, ".facts").count(HOSTILE) == 3  # the word, the reason, the note
    assert HOSTILE in _text(browser, ".timeline")


def test_on_a_phone_nothing_is_wider_than_the_screen(signed_in: Any, desk: RunningDesk) -> None:
    record = desk.add(merchant_refund_id=LONG, note=LONG)
    desk.later(desk.later(desk.add("square", "returned"), days=1), days=4)
    browser = signed_in("admin")
    with _screen(browser, width=390):
        for path in PAGES:
            browser.get(desk.url + path.format(record.id))
            browser.execute_script("document.querySelectorAll('details').forEach((one) => (one.open = true))")
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 390, path
            assert browser.find_element(By.CSS_SELECTOR, ".nav").is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(signed_in: Any, desk: RunningDesk, scheme: str) -> None:
    for name, life in (("stripe", "settles"), ("stripe", "held"), ("square", "fails"), ("square", "returned")):
        record = desk.later(desk.later(desk.add(name, life), days=1), days=4)
    browser = signed_in("admin")
    colours = set()
    with _screen(browser, scheme=scheme):
        for path in (*PAGES, "/sign-in", "/refunds/99999"):
            browser.get(desk.url + path.format(record.id))
            seen, poor = browser.execute_script(CONTRAST)
            assert seen > 3
            assert poor == [], path
            colours.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    red = int(re.findall(r"\d+", colours.pop())[0])
    assert (red < 60) == (scheme == "dark")


def test_without_scripts_everything_is_there(signed_in: Any, desk: RunningDesk) -> None:
    record = desk.add()
    browser = signed_in("operate")
    with _without_scripts(browser):
        browser.get(f"{desk.url}/")
        browser.find_element(By.ID, "q").send_keys(record.query.connector_refund_id, Keys.ENTER)
        _wait(browser, lambda: browser.current_url == f"{desk.url}/refunds/{record.id}")
        assert not browser.find_element(By.ID, "copy-sentence").is_displayed()
        browser.find_element(By.ID, "language-es").click()
        _wait(browser, lambda: "Su reembolso" in _text(browser, "#sentence"))
        desk.sandbox.clock.move(timedelta(days=4))
        browser.find_element(By.ID, "ask").click()
        _wait(browser, lambda: "Succeeded" in _text(browser, ".title"))
        browser.find_element(By.CSS_SELECTOR, ".raws summary").click()
        assert browser.find_element(By.CSS_SELECTOR, "details[open] .raw").is_displayed()
    browser.get(f"{desk.url}/refunds/{record.id}")
    assert browser.find_element(By.ID, "copy-sentence").is_displayed()
