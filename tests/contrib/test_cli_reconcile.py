"""``refundry reconcile``, run as a user runs it, with the configuration that its README shows."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from commands import run_command

from refundry_sandbox import Fault, Sandbox

README = Path(__file__).parent.parent.parent / "contrib" / "reconcile" / "README.md"
SINCE = (datetime.now(UTC) - timedelta(days=20)).date().isoformat()
UNTIL = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
SPAN = ("--since", SINCE, "--until", UNTIL)


@attrs.define
class Desk:
    """A folder with the README's refundry.toml, whose account asks the sandbox."""

    folder: Path
    sandbox: Sandbox
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command("reconcile", *arguments, cwd=self.folder, env=self.environment)

    def write_books(self, *lines: str) -> None:
        head = "psp reference,order,amount,currency,state,refunded on"
        (self.folder / "refunds.csv").write_text("\n".join([head, *lines]) + "\n")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Sandbox(["stripe"]) as sandbox:
        (shown,) = re.findall(r"^```toml\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
        url = sandbox.base_urls("stripe")["api"]
        text = shown.replace('connector = "stripe"\n', f'connector = "stripe"\nbase_url = "{url}"\n')
        (tmp_path / "refundry.toml").write_text(text)
        environment = {**os.environ, "STRIPE_KEY": sandbox.settings("stripe")["api_key"], "COLUMNS": "120"}
        yield Desk(tmp_path, sandbox, environment)


def line(refund_id: str | None, amount: str = "10.50") -> str:
    return f"{refund_id},,{amount},EUR,refunded,"


def test_books_that_agree_end_with_0_and_others_with_1(desk: Desk) -> None:
    made = [desk.sandbox.add("stripe", "settles", after=timedelta(0)) for _ in range(2)]
    desk.write_books(*(line(one.connector_refund_id) for one in made))
    ran = desk.run(*SPAN)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.search(r"^matched +2$", ran.stdout, re.MULTILINE)
    (report,) = desk.folder.glob("reconcile-*/report.html")
    assert ran.stdout.endswith(f"The report: {report.relative_to(desk.folder)}\n")

    desk.write_books(line(made[0].connector_refund_id), line(made[1].connector_refund_id, "10.51"), line("re_none"))
    asked = desk.sandbox.requests("stripe")
    again = desk.run(*SPAN, "stripe", "--json")
    told = json.loads(again.stdout)
    assert (again.returncode, told["differences"], told["counts"]["amount differs"]) == (1, 2, 1)
    assert Path(told["report"]).name == "report.html"
    assert desk.sandbox.requests("stripe") == asked + 1, "only the new row is asked for"


def test_everything_can_be_said_by_options(desk: Desk) -> None:
    (desk.folder / "refundry.toml").rename(desk.folder / "other.toml")
    text = (desk.folder / "other.toml").read_text().partition("[reconcile]")[0]
    (desk.folder / "other.toml").write_text(text)
    refund = desk.sandbox.add("stripe", "settles", after=timedelta(0))
    (desk.folder / "b.csv").write_text(f"id,cents\n{refund.connector_refund_id},1050\n")
    options = ["--config", "other.toml", "--books", "b.csv", "--amounts", "minor", "--account", "stripe"]
    options += ["--currency", "EUR", "--column", "connector_refund_id=id", "--column", "amount=cents"]
    ran = desk.run(*SPAN, *options, "--folder", "out")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (desk.folder / "out" / "differences.csv").exists()


def test_what_is_wrong_is_said_with_its_own_code(desk: Desk) -> None:
    missing = desk.run(*SPAN)
    assert (missing.returncode, "refunds.csv cannot be read" in missing.stderr) == (2, True)
    desk.write_books(line("re_1"))
    desk.environment["STRIPE_KEY"] = "sk_test_wrong"
    refused = desk.run(*SPAN)
    assert (refused.returncode, "error: stripe:" in refused.stderr) == (1, True)
    assert re.search(r"^not comparable +1$", refused.stdout, re.MULTILINE)
    assert "sk_test_wrong" not in refused.stdout + refused.stderr


def test_a_ledger_may_be_the_books_and_the_truth(desk: Desk) -> None:
    refund = desk.sandbox.add("stripe", "settles", after=timedelta(0))
    track = ["track", "add", "stripe", "--connector-refund-id", refund.connector_refund_id or ""]
    for arguments in ([*track, "--amount", "10.50", "--currency", "EUR"], ["track", "run"]):
        assert run_command(*arguments, cwd=desk.folder, env=desk.environment).returncode == 0
    ran = desk.run(*SPAN, "--books", "ledger", "--truth", "ledger")
    assert (ran.returncode, ran.stderr) == (0, "")


def stopped(desk: Desk, number: signal.Signals, after: int) -> tuple[int, str]:
    """The exit code and error text of a run that got this signal in the middle of its list, some calls after others."""
    desk.sandbox.inject("stripe", Fault.SLOW, times=1000, seconds=0.15)
    wanted = desk.sandbox.requests("stripe") + after
    command = [sys.executable, "-m", "refundry_cli", "reconcile", *SPAN]
    with subprocess.Popen(  # noqa: S603
        command, cwd=desk.folder, env=desk.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while desk.sandbox.requests("stripe") < wanted:
            assert process.poll() is None, "the run ended before its signal"
            time.sleep(0.01)
        process.send_signal(number)
        return process.wait(30), process.communicate()[1]


def test_a_run_that_is_killed_or_interrupted_goes_on_where_it_was(desk: Desk) -> None:
    made = [desk.sandbox.add("stripe", "settles", after=timedelta(0)).connector_refund_id for _ in range(1000)]
    desk.write_books(*(line(one) for one in made[:-7]), line(made[-7], "10.51"))
    assert stopped(desk, signal.SIGKILL, 3) == (-signal.SIGKILL, "")
    assert stopped(desk, signal.SIGINT, 6) == (130, "interrupted: the same command goes on where it was\n")
    assert not list(desk.folder.glob("reconcile-*/report.html"))
    desk.sandbox.inject("stripe", Fault.SLOW, times=1000, seconds=0)
    before = desk.sandbox.requests("stripe")
    ended = json.loads(desk.run(*SPAN, "--json").stdout)
    asked = desk.sandbox.requests("stripe") - before
    assert asked <= 5, "of ten pages the five that came before Ctrl-C are kept"
    assert (ended["counts"]["matched"], ended["counts"]["amount differs"]) == (993, 1)
    assert (ended["counts"]["missing in the books"], ended["differences"]) == (6, 7)


def test_a_terminal_shows_colours_and_a_bar_and_the_result_stays(desk: Desk) -> None:
    desk.write_books(*(line(desk.sandbox.add("stripe").connector_refund_id) for _ in range(3)))
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "refundry_cli", "reconcile", *SPAN]
    environment = {**desk.environment, "TERM": "xterm-256color"}
    process = subprocess.Popen(command, cwd=desk.folder, env=environment, stdout=slave, stderr=slave)  # noqa: S603
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    assert process.wait() == 1
    assert b"stripe: listing" in shown
    assert b"\x1b[31m" in shown
    assert b"report.html" in shown.splitlines()[-1]
