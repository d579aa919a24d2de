"""``refundry track`` and ``refundry events``, run as a user runs them, against the sandbox."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import pytest
from commands import run_command
from standardwebhooks import Webhook

from refundry.signing import hmac_hex
from refundry_ledger import Ledger
from refundry_ledger.inbox import Inbox
from refundry_ledger.watching import LONGEST_REST, rest, tried
from refundry_sandbox import Sandbox

HOOK_SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"


@attrs.define
class Desk:
    """A folder with a refundry.toml whose one account asks the sandbox."""

    folder: Path
    sandbox: Sandbox
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command(*arguments, cwd=self.folder, env=self.environment)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "refundry_cli", *arguments]
        return subprocess.Popen(  # noqa: S603
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def write(self, more: str = "") -> None:
        url = self.sandbox.base_urls("stripe")["api"]
        (self.folder / "refundry.toml").write_text(
            f"""ledger = "books.db"
[accounts.stripe-eu]
connector = "stripe"
base_url = "{url}"
api_key = {{ env = "STRIPE_KEY" }}
webhook_secret = {{ env = "STRIPE_HOOK" }}
{more}"""
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Sandbox(["stripe"]) as sandbox:
        settings = sandbox.settings("stripe")
        environment = {
            **os.environ,
            "STRIPE_KEY": settings["api_key"],
            "STRIPE_HOOK": settings["webhook_secret"],
            "HOOK": HOOK_SECRET,
        }
        made = Desk(tmp_path, sandbox, environment)
        made.write()
        yield made


def add(desk: Desk, life: str = "settles", after: timedelta = timedelta(hours=1)) -> str:
    return desk.sandbox.add("stripe", life, after=after).connector_refund_id or ""


def test_a_refund_is_tracked_asked_for_and_shown(desk: Desk) -> None:
    open_id, returned_id = add(desk), add(desk, "returned", timedelta(0))
    for refund_id in (open_id, returned_id):
        tracked = desk.run(
            *("track", "add", "stripe-eu", "--connector-refund-id", refund_id, "--amount", "10.50", "--currency", "EUR")
        )
        assert (tracked.returncode, tracked.stderr) == (0, "")
        assert "not asked" in tracked.stdout
    ran = desk.run("track", "run")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "2 refunds asked" in ran.stdout
    shown = [json.loads(line) for line in desk.run("track", "show", open_id, "--json").stdout.splitlines()]
    assert [(one["status"], one["amount"], one["account"]) for one in shown] == [("PENDING", "10.50 EUR", "stripe-eu")]
    assert [one["source"] for one in shown[0]["history"]] == ["get"]
    plain = desk.run("track", "show", returned_id).stdout
    assert "FAILED" in plain
    assert "get" in plain
    assert desk.run("track", "run").stdout == "", "nothing is due again at once"


def test_what_differs_from_the_books_needs_attention(desk: Desk) -> None:
    refund_id = add(desk)
    desk.run("track", "add", "stripe-eu", "--connector-refund-id", refund_id, "--amount", "10.51", "--currency", "EUR")
    assert desk.run("track", "attention").returncode == 0
    desk.run("track", "run", "stripe-eu")
    found = desk.run("track", "attention", "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["flags"] == ["amount differs"]


def test_a_file_is_imported_and_a_bad_line_costs_one_line(desk: Desk) -> None:
    ids = [add(desk), add(desk)]
    lines = [f"{one},10.50,EUR,order {number}" for number, one in enumerate(ids)]
    odd = ["re_x,10.505,EUR,", ",10.50,EUR,", "re_y,10.50,,", "re_z\x00,1,EUR,"]
    (desk.folder / "in.csv").write_text(
        "\n".join(["connector_refund_id,amount,currency,merchant_refund_id", *lines, *odd])
    )
    done = desk.run("track", "import", "in.csv", "--account", "stripe-eu")
    assert done.returncode == 9
    assert "2 refunds are in the ledger; 4 lines could not be read." in done.stdout
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [f"line {n}" for n in (4, 5, 6, 7)]
    assert desk.run("track", "show", "order 1").returncode == 0


def test_a_long_file_goes_in_by_parts_and_a_refused_part_is_named(desk: Desk) -> None:
    lines = [f"re_{number},{'one' if number % 2 else 'two'}" for number in range(1100)]
    (desk.folder / "in.csv").write_text("\n".join(["connector_refund_id,account", *lines]))
    with closing(sqlite3.connect(desk.folder / "books.db")) as database:
        Ledger.open(str(desk.folder / "books.db")).close()
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON refunds WHEN NEW.connector_refund_id = 're_1050' "
            "BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        refused = desk.run("track", "import", "in.csv")
        kept = database.execute("SELECT count(*) FROM refunds").fetchone()
        assert (refused.returncode, kept) == (2, (1000,)), "the last hundred are of parts that were not whole"
        assert "those before line 1002 are kept" in refused.stderr
        database.execute("DROP TRIGGER full")
        assert desk.run("track", "import", "in.csv").stdout.startswith("1100 refunds are in the ledger; 0 lines")
        assert database.execute("SELECT count(*) FROM refunds").fetchone() == (1100,)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("track", "show", "nobody"), 5, "does not know this refund"),
        (("track", "add", "stripe-eu"), 2, "connector_refund_id"),
        (("track", "add", "stripe-eu", "--connector-refund-id", "r", "--amount", "5"), 2, "needs a currency"),
        (("track", "import", "absent.csv"), 2, "cannot be read"),
        (("track", "import", "odd.csv"), 2, "unknown: colour"),
        (("track", "run", "nobody"), 2, "nobody"),
        (("track", "run", "--ledger", "mysql://x/y"), 2, "SQLite or PostgreSQL"),
    ],
)
def test_what_cannot_be_says_why(desk: Desk, arguments: tuple[str, ...], code: int, says: str) -> None:
    (desk.folder / "odd.csv").write_text("connector_refund_id,colour\nre_1,red\n")
    done = desk.run(*arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_key_is_said_and_nothing_is_lost(desk: Desk) -> None:
    refund_id = add(desk)
    desk.run("track", "add", "stripe-eu", "--connector-refund-id", refund_id)
    key = desk.environment["STRIPE_KEY"]
    desk.environment["STRIPE_KEY"] = "sk_test_wrong"
    refused = desk.run("track", "run")
    assert refused.returncode == 6
    assert "error: stripe-eu" in refused.stderr
    assert "sk_test_wrong" not in refused.stderr
    desk.environment["STRIPE_KEY"] = key
    assert "1 refunds asked" in desk.run("track", "run").stdout


def until(condition: object, seconds: float = 30) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def status_of(desk: Desk, refund_id: str) -> str | None:
    with Ledger.open(str(desk.folder / "books.db")) as ledger:
        found = ledger.find(refund_id)
        return found[0].status.value if found and found[0].status else None


def test_watching_ends_cleanly_on_sigterm_and_goes_on_after_kill(desk: Desk) -> None:
    first = add(desk)
    desk.run("track", "add", "stripe-eu", "--connector-refund-id", first)
    killed = desk.start("track", "run", "--watch")
    # Killed a moment earlier, it would hold the account until its lease ends.
    assert killed.stdout
    assert killed.stdout.readline().startswith("1 refunds asked")
    assert status_of(desk, first) == "PENDING"
    killed.kill()
    killed.communicate()
    second = add(desk)
    desk.run("track", "add", "stripe-eu", "--connector-refund-id", second)
    watching = desk.start("track", "run", "--watch")
    until(lambda: status_of(desk, second) == "PENDING")
    watching.send_signal(signal.SIGTERM)
    out, err = watching.communicate(timeout=30)
    assert watching.returncode == 0
    assert "refunds asked" in out
    assert err == ""


def test_changes_are_told_to_the_outbox(desk: Desk) -> None:
    told: list[dict[str, object]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append(Webhook(HOOK_SECRET).verify(body, dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        desk.write(f'[outbox]\nurl = "http://127.0.0.1:{server.server_port}/"\nsecret = {{ env = "HOOK" }}\n')
        desk.run("track", "add", "stripe-eu", "--connector-refund-id", add(desk))
        ran = desk.run("track", "run")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert "1 changes told" in ran.stdout, ran.stderr
    assert len(told) == 1
    desk.write('[outbox]\nurl = "https://x.example"\nsecret = "inline"\n')
    assert desk.run("track", "run").returncode == 2


def test_replaying_says_how_many_were_mapped(desk: Desk) -> None:
    refund_id = add(desk)
    event = desk.sandbox.event("stripe", refund_id)
    with (
        Ledger.open(str(desk.folder / "books.db")) as ledger,
        desk.sandbox.client("stripe", account_name="stripe-eu") as client,
    ):
        ledger.receive(client, body=event.body, headers=event.headers, received_at=event.received_at)
    done = desk.run("events", "replay", "stripe-eu")
    assert (done.returncode, done.stdout) == (0, "0 webhooks mapped, 0 still not\n")
    assert status_of(desk, refund_id) == "PENDING"


def test_replaying_reads_what_a_desk_stored_and_did_not_read(desk: Desk) -> None:
    refund_id = add(desk)
    with (
        Ledger.open(str(desk.folder / "books.db")) as ledger,
        desk.sandbox.client("stripe", account_name="stripe-eu") as client,
    ):
        Inbox(ledger).keep(client, [desk.sandbox.event("stripe", refund_id)])
    assert status_of(desk, refund_id) is None
    done = desk.run("events", "replay", "stripe-eu")
    assert (done.returncode, done.stdout) == (0, "1 webhooks mapped, 0 still not\n")
    assert status_of(desk, refund_id) == "PENDING"


def test_an_event_that_cannot_be_mapped_is_kept_and_said(desk: Desk) -> None:
    event = desk.sandbox.event("stripe", add(desk))
    body = re.sub(rb'"id":"re_[^"]*"', b'"id":null', event.body)
    sent = event.headers["stripe-signature"].partition(",")[0].removeprefix("t=")
    signature = hmac_hex(desk.environment["STRIPE_HOOK"].encode(), f"{sent}.".encode() + body)
    headers = {"Stripe-Signature": f"t={sent},v1={signature}"}
    with Ledger.open(str(desk.folder / "books.db")) as ledger:
        with desk.sandbox.client("stripe", account_name="stripe-eu") as client:
            receipt = ledger.receive(client, body=body, headers=headers, received_at=event.received_at)
    assert receipt.reply.status_code == 200, "it is stored, so it is acknowledged"
    done = desk.run("events", "replay", "stripe-eu")
    assert (done.returncode, done.stdout) == (9, "0 webhooks mapped, 1 still not\n")
    assert "id is missing" in done.stderr


def test_a_terminal_is_left_with_the_result(desk: Desk) -> None:
    desk.run("track", "add", "stripe-eu", "--connector-refund-id", add(desk))
    shown, terminal = pty.openpty()
    command = [sys.executable, "-m", "refundry_cli", "track", "run"]
    options = {"cwd": desk.folder, "env": {**desk.environment, "TERM": "xterm"}, "timeout": 60}
    subprocess.run(command, check=True, stdout=terminal, stderr=terminal, **options)  # type: ignore[call-overload]  # noqa: S603
    os.close(terminal)
    assert "1 refunds asked" in os.read(shown, 65536).decode()
    os.close(shown)


def test_a_database_that_is_away_is_told_in_two_lines_and_is_no_finding(desk: Desk) -> None:
    for command in (("track", "attention"), ("track", "run")):
        result = desk.run(*command, "--ledger", "postgresql://u:hunter2@127.0.0.1:9/x")
        assert result.returncode == 6
        assert result.stderr.splitlines()[0] == (
            "error: the database of the ledger does not answer as it should (OperationalError)"
        )
        assert "Traceback" not in result.stderr
        assert "hunter2" not in result.stderr


def test_whoever_watches_outlives_a_database_that_is_away() -> None:
    with Ledger("postgresql://127.0.0.1:9/x") as ledger:
        assert rest(ledger) == LONGEST_REST
        away = tried(lambda: ledger.deliver_outbox("https://shop.example/", HOOK_SECRET))
        assert away.errors == {"the ledger": "OperationalError"}


def test_old_bodies_are_pruned_and_said(desk: Desk) -> None:
    refund_id = add(desk)
    desk.run("track", "add", "stripe-eu", "--connector-refund-id", refund_id)
    desk.run("track", "run")
    tried = desk.run("prune", "--older-than", "400d", "--audit-older-than", "120w", "--dry-run")
    assert (tried.returncode, tried.stdout.splitlines()[1]) == (0, "0 entries of the audit trail would be deleted")
    with closing(sqlite3.connect(desk.folder / "books.db")) as database:
        made = database.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'web_%'").fetchone()
    assert made == (0,), "only saying what would be done makes no table of a desk that is not used"
    fresh = desk.run("prune", "--older-than", "400d", "--audit-older-than", "120w")
    assert (fresh.returncode, fresh.stderr) == (0, "")
    assert fresh.stdout.splitlines() == [
        "bodies of 0 answers and 0 webhooks deleted",
        "0 entries of the audit trail deleted",
    ]
    with closing(sqlite3.connect(desk.folder / "books.db")) as database, database:
        database.execute("UPDATE answers SET heard_at = '2020-01-01 00:00:00.000000'")
    for said in ("would be deleted", "deleted"):
        done = desk.run("prune", "--older-than", "400d", *(["--dry-run"] if "would" in said else []))
        assert (done.returncode, done.stdout) == (0, f"bodies of 1 answers and 0 webhooks {said}\n")
    assert desk.run("track", "show", refund_id).returncode == 0


@pytest.mark.parametrize(
    ("ages", "says"),
    [
        (("--older-than", "400"), "days or weeks"),
        (("--older-than", "0d"), "days or weeks"),
        (("--older-than", "400d", "--audit-older-than", "30d"), "must be longer"),
    ],
)
def test_an_age_that_is_none_deletes_nothing(desk: Desk, ages: tuple[str, ...], says: str) -> None:
    refused = desk.run("prune", *ages)
    assert refused.returncode == 2
    assert says in " ".join(refused.stderr.replace("│", " ").split())
