"""The API over real HTTP: what it finds, lists and asks; roles, limits, problems, headers, and the audit trail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import ledgers
import pytest
import requests
import webservers
from desks import Visitor
from fastapi import FastAPI
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from refundry.errors import InvalidQuery
from refundry.model import Money
from refundry.testing import FakeClock
from refundry_ledger import Ledger, RefundRecord
from refundry_sandbox import Sandbox
from refundry_web import Desk, Settings, create_app
from refundry_web.audit import prune_entries, read_entries
from refundry_web.entering import entry_path
from refundry_web.guarding import HEADERS
from refundry_web.tables import audit, create_tables, prunings
from refundry_web.tokens import Role, add_token, holder_of, id_of, list_tokens, revoke

CANARY = "canary-7f3a9"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["stripe", "adyen"], speed=0) as made:
        yield made


@pytest.fixture(scope="module")
def served(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webservers.Served]:
    path = tmp_path_factory.mktemp("desk") / "ledger.db"
    clients = {name: sandbox.client(name, account_name=f"{name}-eu") for name in sandbox.names}
    by_name = {client.account.name: client for client in clients.values()}
    with Ledger.open(str(path), clock=sandbox.clock) as ledger:
        with webservers.serving_desk(ledger, by_name, failures_per_minute=1000) as made:
            yield made


def known(served: webservers.Served, sandbox: Sandbox, life: str = "settles", **fields: Any) -> RefundRecord:
    """A refund of Stripe that the ledger has asked for."""
    refund = sandbox.add("stripe", life, **fields)
    client = served.desk.clients["stripe-eu"]
    record = served.desk.ledger.track("stripe-eu", refund.query())
    return served.desk.ledger.ask_now(client, record.id)


def test_a_refund_is_found_by_each_of_its_identifiers(served: webservers.Served, sandbox: Sandbox) -> None:
    record = known(served, sandbox, "returned")
    assert record.acquirer_reference_number
    query = record.query
    for one in (
        query.connector_refund_id,
        query.connector_transaction_id,
        record.acquirer_reference_number,
    ):
        found = served.get("/v1/refunds/find", "read", params={"identifier": one}).json()["refunds"]
        assert [refund["id"] for refund in found] == [record.id]
        assert found[0]["amount"] == {"minor_amount": 1050, "currency": "EUR"}
    assert served.get("/v1/refunds/find", "read", params={"identifier": "nobody"}).json() == {"refunds": []}


def test_pages_hold_every_refund_once_while_others_are_added(served: webservers.Served, sandbox: Sandbox) -> None:
    wanted = {known(served, sandbox).id for _ in range(5)}
    seen: list[int] = []
    cursor = None
    while True:
        asked = {"limit": 2, "account": "stripe-eu", **({"cursor": cursor} if cursor else {})}
        page = served.get("/v1/refunds", "read", params=asked).json()
        seen += [one["id"] for one in page["refunds"]]
        known(served, sandbox)
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert wanted <= set(seen)
    assert seen == sorted(seen, reverse=True)


def test_filters_choose_and_the_processor_is_asked_only_by_force(served: webservers.Served, sandbox: Sandbox) -> None:
    record = known(served, sandbox, "returned", after=timedelta(days=1))
    sandbox.clock.move(timedelta(days=2))
    calls = sandbox.requests("stripe")
    before = served.get(f"/v1/refunds/{record.id}", "read").json()
    assert (before["refund"]["status"], sandbox.requests("stripe")) == ("SUCCEEDED", calls)

    after = served.get(f"/v1/refunds/{record.id}", "operate", params={"force": "true"}).json()
    assert (after["refund"]["status"], after["refund"]["flags"]) == ("FAILED", ["regressed"])
    assert [one["status"] for one in after["observations"]] == ["SUCCEEDED", "FAILED"]
    assert {one["source"] for one in after["observations"]} == {"get"}

    odd = served.get("/v1/refunds", "read", params={"needs_attention": "true", "status": "FAILED"}).json()["refunds"]
    assert record.id in [one["id"] for one in odd]
    opened = served.get("/v1/refunds", "read", params={"open": "true"}).json()["refunds"]
    assert record.id not in [one["id"] for one in opened]
    future = served.get("/v1/refunds", "read", params={"since": "2100-01-01T00:00:00Z"}).json()
    assert future == {"refunds": [], "cursor": None}

    seen = served.call("POST", f"/v1/refunds/{record.id}/acknowledge", "operate").json()
    assert (seen["needs_attention"], seen["flags"]) == (False, ["regressed"])


def test_what_came_after_somebody_looked_is_not_acknowledged_with_it(
    served: webservers.Served, sandbox: Sandbox
) -> None:
    record = known(served, sandbox, "returned", after=timedelta(days=1))
    sandbox.clock.move(timedelta(days=2))
    shown = served.get(f"/v1/refunds/{record.id}?force=true", "operate").json()["refund"]
    assert shown["attention"] == "regressed"
    path = f"/v1/refunds/{record.id}/acknowledge"

    refused = served.call("POST", path, "operate", json={"seen": "disputed"})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert refused.json()["attention"] == "regressed"
    assert served.get(f"/v1/refunds/{record.id}", "read").json()["refund"]["needs_attention"] is True
    assert served.call("POST", path, "operate", json={"sean": "regressed"}).status_code == 422

    for seen in ("regressed", "regressed", "disputed", None):
        done = served.call("POST", path, "operate", json={"seen": seen})
        assert (done.status_code, done.json()["needs_attention"]) == (200, False), "once nothing is left, all is seen"
    served.desk.ledger.track("stripe-eu", record.query, expected_amount=Money(1, "EUR"))
    assert served.call("POST", path, "operate", json={}).json()["needs_attention"] is False, "whatever was seen"


def test_a_new_refund_is_tracked_and_what_it_should_be_is_compared(served: webservers.Served, sandbox: Sandbox) -> None:
    made = sandbox.add("stripe", amount=Money(2000, "EUR"))
    body = {
        "account": "stripe-eu",
        "connector_refund_id": made.connector_refund_id,
        "expected": {"minor_amount": 2100, "currency": "EUR"},
    }
    answer = served.call("POST", "/v1/refunds", "operate", json=body)
    assert answer.status_code == 201
    number = answer.json()["id"]
    asked = served.get(f"/v1/refunds/{number}", "operate", params={"force": "true"}).json()["refund"]
    assert (asked["amount"]["minor_amount"], asked["attention"]) == (2000, "amount differs")
    again = served.call("POST", "/v1/refunds", "operate", json=body)
    assert again.json()["id"] == number
    assert served.call("POST", "/v1/refunds", "operate", json={**body, "account": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"account": "stripe-eu"},
        {"account": "stripe-eu", "connector_refund_id": ""},
        {"account": "stripe-eu", "connector_refund_id": "a\nb"},
        {"account": "stripe-eu", "connector_refund_id": "x", "expected": {"minor_amount": 10.5, "currency": "EUR"}},
        {"account": "stripe-eu", "connector_refund_id": "x", "expected": {"minor_amount": 10, "currency": "eur"}},
        {"account": "stripe-eu", "connector_refund_id": "x", "password": CANARY},
    ],
)
def test_what_is_not_understood_is_said_without_repeating_it(served: webservers.Served, body: dict[str, Any]) -> None:
    answer = served.call("POST", "/v1/refunds", "operate", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert CANARY not in answer.text


def test_totals_add_up(served: webservers.Served, sandbox: Sandbox) -> None:
    record = known(served, sandbox, "held")
    totals = served.get("/v1/totals", "read").json()["totals"]
    counted = sum(one["refunds"] for one in totals)
    assert counted == len(served.desk.ledger.page(limit=500).refunds)
    held = next(one for one in totals if one["status"] == "MANUAL_REVIEW")
    assert held["account"] == record.account
    assert held["minor_amount"] == held["refunds"] * 1050


def test_raw_bodies_are_for_operators_and_the_trail_for_admins(served: webservers.Served, sandbox: Sandbox) -> None:
    record = known(served, sandbox)
    event = sandbox.event("stripe", record.query.connector_refund_id or "")
    served.desk.ledger.receive(served.desk.clients["stripe-eu"], body=event.body, headers=event.headers)
    path = f"/v1/refunds/{record.id}/raw"
    assert served.get(path, "read").status_code == 403
    raw = served.get(path, "operate").json()
    said = served.desk.ledger.history(record.account, record.id).observations
    assert set(raw["answers"]) == {one.digest for one in said if one.source == "get"}
    assert [one["body"].encode() for one in raw["events"]] == [event.body]

    assert served.get("/v1/audit", "operate").status_code == 403
    name = "Ann Operator"
    token = served.token("read", name)
    for target in (path, "/v1/totals"):
        requests.get(served.url + target, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    entries = [one for one in served.get("/v1/audit").json()["entries"] if one["person"] == name]
    assert [(one["target"], one["allowed"]) for one in entries] == [("/v1/totals", True), (path, False)]
    assert {one["token_id"] for one in entries} == {id_of(token)}

    served.get("/v1/refunds/find", "read", params={"identifier": token})  # pasted into the wrong field
    newest = served.get("/v1/audit").json()["entries"][1]
    assert newest["target"] == "/v1/refunds/find?identifier=rfd_***"


def test_what_was_looked_for_stands_in_the_audit_trail_however_long_the_address(served: webservers.Served) -> None:
    assert served.get(f"/v1/refunds/find?identifier={'y' * 505}re_last").status_code == 200
    targets = [one["target"] for one in served.get("/v1/audit").json()["entries"]]
    assert any(one.endswith("re_last") for one in targets)
    assert served.get(f"/v1/refunds/find?identifier={'y' * 9000}").status_code == 414


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_calendar_holds_in_utc_is_not_understood(served: webservers.Served, moment: str) -> None:
    for name in ("since", "until"):
        assert served.get(f"/v1/refunds?{name}={moment}").status_code == 422


def test_the_audit_trail_cannot_be_changed(served: webservers.Served) -> None:
    served.get("/v1/totals")
    file = served.desk.ledger.database.engine.url.database or ""
    with closing(sqlite3.connect(file)) as connection:
        for statement in ("DELETE FROM web_audit", "UPDATE web_audit SET person = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


@pytest.mark.parametrize("kind", ledgers.DATABASES)
def test_only_what_is_old_can_leave_the_audit_trail_and_that_it_did_stays(kind: str, tmp_path: Path) -> None:
    clock = FakeClock()
    with ledgers.empty_database(kind, tmp_path) as address, Ledger.open(address, clock=clock) as ledger:
        database = ledger.database
        create_tables(database)
        row = {"token_id": "t", "person": "Ann", "method": "GET", "target": "/", "allowed": True}
        for _ in range(6):
            with database.writing() as connection:
                connection.execute(insert(audit).values(**row, at=clock.now()))
            clock.advance(timedelta(days=1))
        before = clock.now() - timedelta(days=3)
        assert prune_entries(database, clock, before, dry_run=True) == 3
        with pytest.raises(DBAPIError, match="append-only"), database.writing() as connection:
            connection.execute(delete(audit))
        assert prune_entries(database, clock, before, batch=2) == 3
        assert prune_entries(database, clock, before) == 0
        assert len(read_entries(database)) == 3
        newer = {"at": clock.now()}
        for change in (delete(audit), update(audit).values(newer), delete(prunings), update(prunings).values(newer)):
            with pytest.raises(DBAPIError, match="append-only"), database.writing() as connection:
                connection.execute(change)
        for wrong in (clock.now() + timedelta(days=1), clock.now().replace(tzinfo=None)):
            with pytest.raises(InvalidQuery):
                prune_entries(database, clock, wrong)
        with database.reading() as connection:
            assert [one.pruned_before for one in connection.execute(select(prunings))] == [before, before]


@pytest.mark.parametrize("kind", ledgers.DATABASES)
def test_an_audit_trail_from_before_it_could_be_pruned_can_be(kind: str, tmp_path: Path) -> None:
    clock = FakeClock()
    with ledgers.empty_database(kind, tmp_path) as address, Ledger.open(address, clock=clock) as ledger:
        with ledger.database.writing() as connection:
            for statement in TRIGGERS_BEFORE[kind]:
                connection.execute(text(statement))
        create_tables(ledger.database)
        create_tables(ledger.database)
        row = {"token_id": "t", "person": "Ann", "method": "GET", "target": "/", "allowed": True}
        with ledger.database.writing() as connection:
            connection.execute(insert(audit).values(**row, at=clock.now()))
        clock.advance(timedelta(days=1))
        assert prune_entries(ledger.database, clock, clock.now()) == 1


_REFUSE = "'the audit trail is append-only'"
_TABLE = (
    "CREATE TABLE web_audit (id {0} PRIMARY KEY, at {1} NOT NULL, token_id VARCHAR(16) NOT NULL, person TEXT NOT NULL, "
    "method VARCHAR(10) NOT NULL, target TEXT NOT NULL, allowed BOOLEAN NOT NULL)"
)
TRIGGERS_BEFORE = {
    "sqlite": [
        _TABLE.format("INTEGER", "DATETIME"),
        *(
            f"CREATE TRIGGER web_audit_{what} BEFORE {what} ON web_audit BEGIN SELECT RAISE(ABORT, {_REFUSE}); END"
            for what in ("delete", "update")
        ),
    ],
    "postgresql": [
        _TABLE.format("BIGSERIAL", "TIMESTAMP WITH TIME ZONE"),
        (
            "CREATE FUNCTION refundry_audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN RAISE EXCEPTION {_REFUSE}; END $$"
        ),
        (
            "CREATE TRIGGER web_audit_stays BEFORE DELETE OR UPDATE ON web_audit "
            "FOR EACH ROW EXECUTE FUNCTION refundry_audit_stays()"
        ),
    ],
}
"""The table and its triggers as the first desks made them."""


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("GET", "/v1/totals", None, 401),
        ("GET", "/metrics", None, 401),
        ("GET", "/v1/refunds/1?force=true", "read", 403),
        ("POST", "/v1/refunds", "read", 403),
        ("POST", "/v1/refunds/1/acknowledge", "read", 403),
        ("GET", "/v1/refunds/999999", "read", 404),
        ("GET", "/v1/refunds/0", "read", 422),
        ("GET", "/v1/refunds?cursor=x", "read", 422),
        ("GET", "/v1/refunds/find", "read", 422),
        ("GET", "/v1/refunds?acount=stripe-eu", "read", 422),
        ("GET", "/v1/nothing", "read", 404),
        ("DELETE", "/v1/refunds", "admin", 405),
    ],
)
def test_every_refusal_is_a_problem_document(
    served: webservers.Served, method: str, path: str, role: str | None, status: int
) -> None:
    body = {"json": {"account": "x", "connector_refund_id": "y"}} if method == "POST" else {}
    answer = served.call(method, path, role, **body)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["title"]
    assert problem["detail"]
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    if status == 405:
        assert answer.headers["allow"]


def test_what_a_processor_cannot_do_and_an_answer_that_did_not_come(
    served: webservers.Served, sandbox: Sandbox
) -> None:
    never = served.desk.ledger.track("adyen-eu", connector_refund_id="8835", connector_transaction_id="p")
    answer = served.get(f"/v1/refunds/{never.id}", params={"force": "true"})
    assert (answer.status_code, answer.json()["error"]) == (409, "UnsupportedOperation")
    gone = served.desk.ledger.track("stripe-eu", connector_refund_id="re_nowhere")
    answer = served.get(f"/v1/refunds/{gone.id}", params={"force": "true"})
    assert (answer.status_code, answer.json()["connector"]) == (404, "stripe")


def test_every_answer_has_the_strict_headers(served: webservers.Served) -> None:
    for path in ("/v1/totals", "/health", "/nothing", "/v1/openapi.json"):
        answer = requests.get(served.url + path, timeout=30)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert "server" not in answer.headers


def test_a_cookie_that_came_through_a_proxy_with_tls_travels_over_tls_alone(served: webservers.Served) -> None:
    for scheme in ("https", "http"):
        answer = requests.get(f"{served.url}/sign-in", headers={"X-Forwarded-Proto": scheme}, timeout=30)
        flags = answer.headers["set-cookie"].lower().split("; ")
        assert ("secure" in flags) == (scheme == "https")
        assert {"httponly", "samesite=lax"} <= set(flags)


def test_prometheus_reads_numbers(served: webservers.Served, sandbox: Sandbox) -> None:
    known(served, sandbox)
    text = served.get("/metrics", "read").text
    assert 'refundry_refunds{account="stripe-eu",status="PENDING"}' in text
    waiting = len(served.desk.ledger.needing_attention())
    assert f"refundry_attention {float(waiting)}" in text
    assert "refundry_requests_total{" in text


def test_a_token_that_comes_too_often_and_an_address_that_guesses_are_told_when_to_come_again(tmp_path: Path) -> None:
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        with webservers.serving_desk(ledger, {}, requests_per_minute=3, failures_per_minute=2) as served:
            token = {"Authorization": f"Bearer {served.token()}"}
            answers = [requests.get(f"{served.url}/v1/totals", headers=token, timeout=30) for _ in range(4)]
            assert [one.status_code for one in answers] == [200, 200, 200, 429]
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
            assert answers[-1].headers["content-type"] == "application/problem+json"
            wrong = {"Authorization": "Bearer rfd_aaaaaaaaaaaa_x"}
            guesses = [requests.get(f"{served.url}/v1/totals", headers=wrong, timeout=30) for _ in range(3)]
            assert [one.status_code for one in guesses] == [401, 401, 429]
            assert 1 <= int(guesses[-1].headers["retry-after"]) <= 60


def test_wrong_tokens_from_an_address_lock_out_nobody_with_a_right_one(tmp_path: Path) -> None:
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        with webservers.serving_desk(ledger, {}, failures_per_minute=2) as served:
            token = served.token()
            wrong = {"Authorization": f"Bearer {token[:-1]}{'A' if token[-1] != 'A' else 'B'}"}
            for _ in range(4):
                last = requests.get(f"{served.url}/v1/totals", headers=wrong, timeout=30)
            assert last.status_code == 429
            right = {"Authorization": f"Bearer {token}"}
            assert requests.get(f"{served.url}/v1/totals", headers=right, timeout=30).status_code == 200
            assert Visitor(served.url).sign_in(token).status_code == 200
            refused = Visitor(served.url).sign_in(wrong["Authorization"].removeprefix("Bearer "))
            assert refused.status_code == 429
            assert requests.get(f"{served.url}/v1/totals", headers=wrong, timeout=30).status_code == 429


@pytest.mark.parametrize("kind", ledgers.DATABASES)
@pytest.mark.parametrize("text", ["rfd_\x00_x", "rfd_000000000000_\x00", "rfd_0000\ud8000000_x", "", "\x00"])
def test_what_is_no_token_is_nobodys_in_every_database(tmp_path: Path, kind: str, text: str) -> None:
    with ledgers.database(kind, tmp_path) as url, Ledger(url) as ledger:
        create_tables(ledger.database)
        assert holder_of(ledger.database, text) is None


def test_a_log_tells_of_a_fault_by_its_route_alone(
    served: webservers.Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*arguments: object) -> None:
        raise OperationalError("SELECT", {}, Exception())

    token = {"Authorization": f"Bearer {served.token()}"}
    monkeypatch.setattr("refundry_web.access.holder_of", away)
    answer = requests.get(f"{served.url}/v1/refunds/1%0Aforged", headers=token, timeout=30)
    assert answer.status_code == 503
    assert caplog.messages == ["GET /v1/refunds/{number}: OperationalError"]


def test_tokens_are_kept_as_digests_and_a_revoked_one_is_worth_nothing(
    served: webservers.Served, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = served.desk.ledger
    token = served.token("read", "Short Visit")
    secret = token.split("_", 2)[2]
    file = Path(ledger.database.engine.url.database or "")
    assert all(secret.encode() not in part.read_bytes() for part in file.parent.iterdir())
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{served.url}/v1/totals", headers=headers, timeout=30).status_code == 200
    for wrong in (token[:-1], token + "x", token.replace(id_of(token), "0" * 12), secret, "", "rfd__"):
        answer = requests.get(f"{served.url}/v1/totals", headers={"Authorization": f"Bearer {wrong}"}, timeout=30)
        assert answer.status_code == 401
        assert not secret or secret not in answer.text
    assert revoke(ledger.database, ledger.clock, "Short Visit") == 1
    assert requests.get(f"{served.url}/v1/totals", headers=headers, timeout=30).status_code == 401
    assert next(one for one in list_tokens(ledger.database) if one.name == "Short Visit").revoked_at is not None
    assert secret not in "".join(capfd.readouterr())
    with pytest.raises(InvalidQuery):
        add_token(ledger.database, ledger.clock, " ", Role.READ)


def test_a_link_signs_in_once_into_a_session_that_ends_with_its_token(served: webservers.Served) -> None:
    token_id = id_of(served.token("read", "Guest"))
    path = entry_path(served.desk, token_id)
    with requests.Session() as browser:
        first = browser.get(served.url + path, allow_redirects=False, timeout=30)
        assert (first.status_code, first.headers["location"]) == (303, "/")
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie  # the desk of this test says so
        page = browser.get(f"{served.url}/", headers={"Accept": "text/html"}, allow_redirects=False, timeout=30)
        assert page.status_code == 200
        again = requests.get(served.url + path, allow_redirects=False, timeout=30)
        assert again.status_code == 403
        revoke(served.desk.ledger.database, served.desk.clock, token_id)
        page = browser.get(f"{served.url}/", headers={"Accept": "text/html"}, allow_redirects=False, timeout=30)
        assert page.status_code == 303
    assert requests.get(f"{served.url}/enter?code=forged", timeout=30).status_code == 403


def test_cookies_travel_over_tls_alone_unless_told(tmp_path: Path) -> None:
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        with webservers.serving_desk(ledger, {}, secure_cookies=True) as served:
            path = entry_path(served.desk, id_of(served.token()))
            answer = requests.get(served.url + path, allow_redirects=False, timeout=30)
            assert "secure" in answer.headers["set-cookie"].lower()


def test_the_desk_can_be_mounted_in_another_application(tmp_path: Path) -> None:
    outer = FastAPI()
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        desk = Desk(ledger=ledger, clients={}, settings=Settings())
        outer.mount("/refunds", create_app(desk))
        token = add_token(ledger.database, ledger.clock, "shop", Role.READ)
        with webservers.serving_app(outer) as url:
            headers = {"Authorization": f"Bearer {token}"}
            assert requests.get(f"{url}/refunds/v1/totals", headers=headers, timeout=30).json() == {"totals": []}
            assert requests.get(f"{url}/refunds/v1/nothing", timeout=30).json()["status"] == 404
            entered = requests.get(url + "/refunds" + entry_path(desk, id_of(token)), allow_redirects=False, timeout=30)
            assert entered.headers["location"] == "/refunds/"
