"""The pages of the refund desk over real HTTP, as a browser without scripts sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import ledgers
import pytest
import requests
from desks import HTML, RunningDesk, Visitor, running_desk, text_of
from fastapi import FastAPI
from webservers import serving_app

from refundry.model import Money
from refundry.testing import FakeClock
from refundry_ledger import Ledger
from refundry_sandbox import Fault
from refundry_web import create_app
from refundry_web.problems import Problem
from refundry_web.sessions import end_session, has_ended
from refundry_web.tables import create_tables

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\"'><img src=x onerror=alert(2)>"
PAGES = ("/", "/search?q=nothing", "/attention", "/overview", "/audit", "/sign-in", "/refunds/1", "/refunds/99")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk"), "stripe", "square", "adyen") as running:
        yield running


@pytest.fixture(scope="module")
def reader(desk: RunningDesk) -> Visitor:
    return desk.visitor("read")


@pytest.fixture(scope="module")
def operator(desk: RunningDesk) -> Visitor:
    return desk.visitor("operate")


# Signing in


def test_whoever_is_not_signed_in_is_sent_to_do_so_and_comes_back(desk: RunningDesk) -> None:
    visitor = desk.visitor()
    asked = visitor.get("/attention?kind=overdue")
    assert asked.url == f"{desk.url}/sign-in?next=/attention%3Fkind%3Doverdue"
    assert "Needs attention" not in text_of(asked)
    done = visitor.sign_in(desk.tokens["read"], next="/attention?kind=overdue")
    assert done.url == f"{desk.url}/attention?kind=overdue"
    assert "the read person" in text_of(done)


@pytest.mark.parametrize("token", ["", "rfd_wrong_token", "rfd_\x00", "x" * 999])
def test_a_wrong_token_is_refused_on_the_same_page(desk: RunningDesk, token: str) -> None:
    visitor = desk.visitor()
    refused = visitor.sign_in(token or " ")
    assert refused.status_code == 401
    assert "This token is wrong or revoked." in text_of(refused)
    assert visitor.get("/").url.startswith(f"{desk.url}/sign-in")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/\nx"])
def test_signing_in_leads_to_no_other_site(desk: RunningDesk, elsewhere: str) -> None:
    assert desk.visitor().sign_in(desk.tokens["read"], next=elsewhere).url == f"{desk.url}/"


def test_signing_out_ends_the_session(desk: RunningDesk) -> None:
    visitor = desk.visitor("read")
    assert visitor.send("/sign-out", seen="/").url == f"{desk.url}/sign-in"
    assert visitor.get("/").url.startswith(f"{desk.url}/sign-in")


def signed_in_with(desk: RunningDesk, cookies: dict[str, str]) -> bool:
    page = requests.get(desk.url + "/", headers=HTML, cookies=cookies, allow_redirects=False, timeout=20)
    return page.status_code == 200


def test_a_copied_cookie_is_worth_nothing_once_somebody_has_signed_out(desk: RunningDesk) -> None:
    visitor, other = desk.visitor("read"), desk.visitor("read")
    copied, others = visitor.cookies(), other.cookies()
    assert signed_in_with(desk, copied)
    visitor.send("/sign-out", seen="/")
    assert not signed_in_with(desk, copied)
    assert signed_in_with(desk, others), "another session with the same token goes on"

    other.sign_in(desk.tokens["operate"])
    assert not signed_in_with(desk, others), "signing in anew ends the session before"
    assert signed_in_with(desk, other.cookies())


@pytest.mark.parametrize("kind", ledgers.DATABASES)
def test_signing_out_is_known_to_every_process_and_forgotten_when_the_session_would_have_ended(
    kind: str, tmp_path: Path
) -> None:
    clock = FakeClock()
    with ledgers.empty_database(kind, tmp_path) as address, Ledger.open(address, clock=clock) as ledger:
        create_tables(ledger.database)
        with Ledger(address, clock=clock) as another:
            until = clock.now() + timedelta(hours=12)
            for _ in range(2):
                end_session(ledger.database, "one", until, now=clock.now())
            assert [has_ended(each.database, "one") for each in (ledger, another)] == [True, True]
            assert not has_ended(another.database, "two")
            clock.advance(timedelta(hours=12))
            end_session(another.database, "two", until + timedelta(hours=12), now=clock.now())
            assert [has_ended(ledger.database, each) for each in ("one", "two")] == [False, True]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/refunds/1/ask", "/refunds/1/acknowledge"])
def test_no_form_is_taken_without_its_token(desk: RunningDesk, path: str) -> None:
    visitor = desk.visitor("admin")
    refused = visitor.send(path, csrf="forged", token=desk.tokens["admin"])
    assert refused.status_code == 403
    assert "This form is too old, or not ours" in text_of(refused)


# Finding a refund


def test_any_identifier_leads_straight_to_the_refund(desk: RunningDesk, reader: Visitor) -> None:
    made = desk.sandbox.add("stripe", "settles", merchant_refund_id="order-77", acquirer_reference_number="7453760")
    record = desk.track("stripe", made)
    record = desk.later(record, days=4)
    query, number = record.query, record.acquirer_reference_number
    assert number
    identifiers = [query.connector_refund_id, query.connector_transaction_id, query.merchant_refund_id, number]
    for identifier in (*identifiers, f"  {number} ", f"{number[:4]} {number[4:]}", f"#{record.id}", str(record.id)):
        found = reader.get("/search", params={"q": identifier})
        assert found.url == f"{desk.url}/refunds/{record.id}", identifier
        assert found.status_code == 200


def test_an_identifier_of_several_refunds_lists_them(desk: RunningDesk, reader: Visitor) -> None:
    for amount in (100, 200):
        made = desk.sandbox.add("stripe", connector_transaction_id="pi_both", amount=Money(amount, "EUR"))
        desk.track("stripe", made)
    page = text_of(reader.get("/search?q=pi_both"))
    assert "2 refunds have the identifier pi_both" in page
    assert "€1.00" in page
    assert "€2.00" in page


@pytest.mark.parametrize("text", ["nothing-like-it", "", " ", "\x00", "9" * 400, "x" * 2000, HOSTILE, "%", "' or 1=1"])
def test_what_no_refund_has_is_said_to_be_unknown(reader: Visitor, text: str) -> None:
    page = reader.get("/search", params={"q": text})
    assert page.status_code == 200
    assert "No refund has the identifier" in text_of(page)


# A refund


def test_a_refund_is_told_to_the_customer_and_to_the_colleague(desk: RunningDesk, reader: Visitor) -> None:
    record = desk.later(desk.add(amount=Money(2000, "EUR")), days=4)
    page = reader.get(f"/refunds/{record.id}")
    sentence = re.search(r'id="sentence" lang="en-001">([^<]+)<', page.text)
    assert sentence
    assert sentence[1].startswith("Your refund of €20.00 was sent to your bank")
    assert record.acquirer_reference_number
    assert record.acquirer_reference_number in sentence[1]
    assert "Next step" in text_of(page)
    assert 'data-copy="reference" hidden' in page.text


@pytest.mark.parametrize(("code", "start"), [("de", "Ihre Erstattung"), ("fr", "Votre"), ("es", "Su reembolso")])
def test_the_sentence_is_in_the_customers_language_and_the_rest_is_not(
    desk: RunningDesk, reader: Visitor, code: str, start: str
) -> None:
    record = desk.add()
    page = reader.get(f"/refunds/{record.id}?language={code}")
    assert re.search(rf'id="sentence" lang="{code}">{start}', page.text)
    assert "Next step" in text_of(page)
    assert "Nothing to do yet" in text_of(page)


def test_a_language_that_is_not_there_is_english(desk: RunningDesk, reader: Visitor) -> None:
    assert "Your refund" in text_of(reader.get(f"/refunds/{desk.add().id}?language=xx"))


def test_the_timeline_has_every_observation_with_its_source_and_what_it_changed(
    desk: RunningDesk, reader: Visitor
) -> None:
    record = desk.later(desk.later(desk.add(amount=Money(1050, "EUR")), hours=5), days=4)
    event = desk.sandbox.event("stripe", record.query.connector_refund_id or "")
    desk.ledger.receive(desk.desk.clients["stripe"], body=event.body, headers=event.headers)
    page = text_of(reader.get(f"/refunds/{record.id}"))
    history = desk.ledger.history("stripe", record.id)
    assert f"{len(history.observations)} observations, newest first" in page
    heard = history.observations[0].observed_at
    first = f"{heard.day} Mar 2026, {heard:%H:%M}"
    for says in ("Amount: €10.50", "Status: Pending is now Succeeded", "asked", "webhook", first):
        assert says in page
    assert page.index("Status: Pending is now Succeeded") < page.index("Amount: €10.50")


def test_what_may_be_personal_is_for_operators_alone(desk: RunningDesk, reader: Visitor, operator: Visitor) -> None:
    record = desk.add(refund_reason="Ms Canary was ill", note="canary@example.org")
    seen, shown = reader.get(f"/refunds/{record.id}"), operator.get(f"/refunds/{record.id}")
    for secret in ("Ms Canary", "canary@example.org", "As the processor sent it", '"object"', "Ask Stripe now"):
        assert secret not in seen.text.replace("&#34;", '"'), secret
        assert secret in shown.text.replace("&#34;", '"'), secret


def test_no_credential_is_on_any_page(desk: RunningDesk, operator: Visitor) -> None:
    settings = desk.sandbox.settings("stripe")
    secrets = [value for name, value in settings.items() if "key" in name or "secret" in name]
    record = desk.add()
    pages = [operator.get(path).text for path in ("/", "/overview", "/attention", f"/refunds/{record.id}")]
    assert secrets
    assert not [secret for secret in [*secrets, *desk.tokens.values()] for page in pages if str(secret) in page]


def test_asking_now_brings_what_the_processor_says_now(desk: RunningDesk, operator: Visitor) -> None:
    record = desk.add()
    desk.sandbox.clock.move(timedelta(days=4))
    page = operator.send(f"/refunds/{record.id}/ask", seen=f"/refunds/{record.id}", language="fr")
    assert page.url == f"{desk.url}/refunds/{record.id}?asked=true&language=fr"
    assert "Votre remboursement" in text_of(page)
    assert "Stripe was asked just now" in text_of(page)
    assert "Status: Pending is now Succeeded" in text_of(page)


def test_a_processor_that_cannot_be_asked_is_told_on_the_refunds_page(desk: RunningDesk, operator: Visitor) -> None:
    record = desk.add()
    desk.sandbox.inject("stripe", Fault.SERVER_ERROR, times=3)
    page = operator.send(f"/refunds/{record.id}/ask", seen=f"/refunds/{record.id}")
    assert page.status_code == 503
    assert "Stripe could not be asked" in text_of(page)
    assert "Pending" in text_of(page)


@pytest.mark.parametrize("action", ["ask", "acknowledge"])
def test_a_reader_may_change_nothing(desk: RunningDesk, reader: Visitor, action: str) -> None:
    record = desk.add()
    before = desk.sandbox.requests("stripe")
    refused = reader.send(f"/refunds/{record.id}/{action}", seen="/")
    assert refused.status_code == 403
    assert "This takes the role operate, and the read person has read" in text_of(refused)
    assert desk.sandbox.requests("stripe") == before


@pytest.mark.parametrize(("role", "status"), [("read", 403), ("operate", 403), ("admin", 200)])
def test_the_audit_trail_is_for_admins(desk: RunningDesk, role: str, status: int) -> None:
    page = desk.visitor(role).get("/audit")
    assert page.status_code == status
    assert ("GET /audit" in text_of(page)) == (status == 200)


def test_a_page_that_is_open_learns_of_a_change_without_reading_the_refund(desk: RunningDesk, reader: Visitor) -> None:
    record = desk.add()
    page = reader.get(f"/refunds/{record.id}").text
    version = reader.get(f"/refunds/{record.id}/version").text
    assert f'data-version="{version}"' in page
    assert reader.get(f"/refunds/{record.id}/version").text == version
    desk.later(record, days=4)
    assert reader.get(f"/refunds/{record.id}/version").text != version
    part = reader.get(f"/refunds/{record.id}/part?language=de").text
    assert "<html" not in part
    assert "Ihre Erstattung" in part
    assert desk.visitor().get(f"/refunds/{record.id}/version").status_code == 401
    trail = text_of(desk.visitor("admin").get("/audit"))
    assert f"/refunds/{record.id}/part" in trail
    assert f"/refunds/{record.id}/version" not in trail


# What needs a person


def test_a_refund_that_failed_after_success_waits_until_somebody_has_looked(
    desk: RunningDesk, operator: Visitor
) -> None:
    record = desk.later(desk.later(desk.add("square", "returned"), days=1), days=4)
    assert record.needs_attention
    link = f'href="/refunds/{record.id}"'
    for path in ("/attention", "/attention?kind=returned", "/"):
        assert link in operator.get(path).text
    assert link not in operator.get("/attention?kind=overdue").text
    assert "Failed after success" in text_of(operator.get(f"/refunds/{record.id}"))
    after = operator.send(f"/refunds/{record.id}/acknowledge", seen="/attention", back="attention")
    assert after.url == f"{desk.url}/attention"
    assert link not in after.text
    assert "This needs a person" not in text_of(operator.get(f"/refunds/{record.id}"))


def test_a_reason_that_came_after_the_page_was_shown_is_shown_first(desk: RunningDesk, operator: Visitor) -> None:
    record = desk.add(
        "square", "returned", amount=Money(500, "EUR"), expected_amount=Money(600, "EUR"), after=timedelta(days=3)
    )
    shown = re.search(r'name="reasons" value="([^"]+)"', operator.get(f"/refunds/{record.id}").text)
    assert shown
    record = desk.later(desk.later(record, days=4), days=4)
    after = operator.send(f"/refunds/{record.id}/acknowledge", back="attention", reasons=shown[1])
    assert after.url == f"{desk.url}/refunds/{record.id}"
    assert "This needs a person" in text_of(after)
    newest = re.search(r'name="reasons" value="([^"]+)"', after.text)
    assert newest
    after = operator.send(f"/refunds/{record.id}/acknowledge", back="attention", reasons=newest[1])
    assert after.url == f"{desk.url}/attention"
    assert "This needs a person" not in text_of(operator.get(f"/refunds/{record.id}"))


def test_every_kind_of_reason_has_its_list(desk: RunningDesk, reader: Visitor) -> None:
    wrong = desk.add(amount=Money(500, "EUR"), expected_amount=Money(600, "EUR"))
    overdue = desk.add(after=timedelta(days=100))
    overdue = desk.later(overdue, days=40)
    assert f'href="/refunds/{wrong.id}"' in reader.get("/attention?kind=contradiction").text
    assert f'href="/refunds/{overdue.id}"' in reader.get("/attention?kind=overdue").text
    assert reader.get("/attention?kind=nonsense").status_code == 200


def test_the_overview_counts_what_the_ledger_counts(desk: RunningDesk, reader: Visitor) -> None:
    desk.later(desk.add(), days=4)
    page = reader.get("/overview")
    total = sum(one.refunds for one in desk.ledger.totals())
    assert f"Refunds {total} Open" in text_of(page)
    for title in ("Refunds by state", "Time to settle", "Age of open refunds", "Webhook lag", "As a table"):
        assert title in text_of(page)
    assert re.search(r'<svg role="img" aria-label="Stripe: [^"]+"', page.text)


# Every page


def test_whatever_a_processor_wrote_is_text(desk: RunningDesk, operator: Visitor) -> None:
    record = desk.add(refund_reason="<script>alert(1)</script>", note="<img src=x onerror=alert(2)>")
    page = operator.get(f"/refunds/{record.id}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;img src=x onerror=alert(2)&gt;" in page
    assert "<script>" not in page
    assert "<img src=x" not in page


def test_no_control_character_reaches_a_page(reader: Visitor) -> None:
    page = reader.get("/search", params={"q": HOSTILE})
    assert "alert(2)" in page.text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page.text)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_nothing_that_its_policy_forbids(desk: RunningDesk, path: str) -> None:
    desk.add()
    page = desk.visitor("admin").get(path)
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"\s(style|on\w+)=|javascript:|<style|<script(?![^>]* src=)", page.text)
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_read_by_a_screen_reader(desk: RunningDesk, path: str) -> None:
    desk.add()
    page = desk.visitor("admin").get(path).text
    assert len(re.findall(r"<h1\b", page)) == 1
    assert '<html lang="en">' in page
    assert len(re.findall(r"<main\b", page)) == 1
    assert 'href="#main"' in page
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', page))
    fields = [tag for tag in re.findall(r"<input\b[^>]*>", page) if "hidden" not in tag]
    assert {re.search(r'id="([^"]+)"', tag)[1] for tag in fields} <= labelled  # type: ignore[index]
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'aria-labelledby="([^"]+)"', page)) <= set(ids)


def test_styles_and_scripts_may_be_kept_by_a_browser(desk: RunningDesk) -> None:
    visitor = desk.visitor()
    links = re.findall(r'(?:href|src)="(/static/[^"]+)"', visitor.get("/sign-in").text)
    assert len(links) >= 3
    for link in links:
        answer = visitor.get(link)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(("status", "says"), [(403, "another role"), (404, "typed"), (429, "Wait"), (503, "lost")])
def test_an_error_is_a_page_that_says_what_to_do(desk: RunningDesk, status: int, says: str) -> None:
    def fail() -> None:
        raise Problem(status, "so it is", {"Retry-After": "7"})

    app = create_app(desk.desk)
    app.add_api_route("/fail", fail)
    with serving_app(app) as url:
        page = Visitor(url).get("/fail")
    assert page.status_code == status
    assert "So it is." in text_of(page)
    assert says in text_of(page)
    assert page.headers["Retry-After"] == "7"


def test_a_failure_is_a_page_that_tells_nothing_of_it(desk: RunningDesk) -> None:
    def fail() -> None:
        raise RuntimeError("canary")

    app = create_app(desk.desk)
    app.add_api_route("/fail", fail)
    with serving_app(app) as url:
        page = Visitor(url).get("/fail")
    assert page.status_code == 500
    assert "The service failed" in text_of(page)
    assert "canary" not in page.text


def test_mounted_in_another_application_every_link_stays_in_it(desk: RunningDesk) -> None:
    outer = FastAPI()
    outer.mount("/desk", create_app(desk.desk))
    record = desk.add()
    with serving_app(outer) as url:
        visitor = Visitor(f"{url}/desk")
        assert visitor.get("/").url == f"{url}/desk/sign-in?next=/desk/"
        assert visitor.sign_in(desk.tokens["operate"], next="/desk/overview").url == f"{url}/desk/overview"
        page = visitor.get(f"/refunds/{record.id}")
        assert visitor.get("/search", params={"q": f"#{record.id}"}).url == f"{url}/desk/refunds/{record.id}"
    links = re.findall(r'(?:href|src|action|data-live|data-watch)="([^"#]+)"', page.text)
    assert len(links) > 10
    assert not [link for link in links if not link.startswith("/desk/")]


def test_a_token_that_comes_too_often_gets_a_page_that_says_so(tmp_path: Path) -> None:
    with running_desk(tmp_path, requests_per_minute=3) as busy:
        visitor = busy.visitor("read")
        answers = [visitor.get("/") for _ in range(4)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert "Too many requests" in text_of(answers[-1])
