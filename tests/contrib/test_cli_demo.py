"""``refundry demo`` and ``refundry sandbox`` as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from commands import run_command

from refundry.errors import ConfigurationError
from refundry.model import RefundStatus
from refundry.plugins import connector_names, load_connector, load_sandbox
from refundry.sandbox import ConnectorSandbox
from refundry_cli.catalogue import operations
from refundry_cli.exits import ExitCode, code_of_status
from refundry_cli.pace import PacedClock
from refundry_sandbox import SandboxClock

COMMAND = (sys.executable, "-m", "refundry_cli")
SUPPORT = Path(__file__).parents[1] / "support"

# A processor that never answers anything that its connector understands, and one whose refunds stay as they are.
BROKEN = """
from refundry.errors import MappingError
from refundry.hookspecs import hookimpl
from refundry_stripe import Stripe
from refundry_stripe.sandbox import StripeSandbox
class Broken(Stripe):
    name = "broken"
    @hookimpl
    def map_refund(self, response):
        raise MappingError("\\x1b[31mnot understood")
class BrokenSandbox(StripeSandbox):
    lives = {"settles": ("pending", "succeeded")}
class Stuck(Stripe):
    name = "stuck"
class StuckSandbox(StripeSandbox):
    lives = {"settles": ("pending", "requires_action")}
    @hookimpl
    def answer_call(self, call, book):
        refund = book.refund(call.segments[-1])
        return self.render_refund(__import__("attrs").evolve(refund, connector_status="pending"))
"""


def environment(*path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "SYSTEMROOT")}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, (*path, SUPPORT)))}


def sandboxes() -> dict[str, type[ConnectorSandbox[Any]]]:
    """The sandboxes of the installed connectors that can be imported."""
    found = {}
    for name in connector_names():
        with suppress(ConfigurationError):
            sandbox = load_sandbox(name)
            if sandbox and load_connector(name):
                found[name] = sandbox
    return found


def expected_ends() -> dict[tuple[str, str], RefundStatus]:
    """How every life at every processor should end."""
    return {
        (name, life): load_connector(name).statuses[words[-1]]
        for name, sandbox in sandboxes().items()
        for life, words in sandbox.lives.items()
    }


def test_demo_follows_every_refund_to_its_end(tmp_path: Path) -> None:
    done = subprocess.run((*COMMAND, "demo"), cwd=tmp_path, env=environment(), capture_output=True, timeout=60)  # noqa: S603
    output, complaints = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, complaints
    assert complaints == ""
    assert "\x1b" not in output
    heading, *rest = output.splitlines()
    assert heading.split()[:4] == ["day", "connector", "life", "status"]
    rows = [line.split() for line in rest[: rest.index("")]]
    assert {(row[1], row[2]): row[3] for row in rows} == expected_ends()
    ways = {row[1]: {"get", "webhook"} & set(row) for row in rows}
    assert ways["adyen"] == {"webhook"}
    assert ways["stripe"] == {"get"}
    returned = [line for line in rest if "returned by the bank" in line]
    assert {line.split()[2] for line in returned} == {"returned"}
    assert {line.split()[3] for line in returned} == {"FAILED"}
    assert "10.50 EUR" in output
    assert "from refundry import RefundClient" in output


def test_demo_says_which_refund_did_not_end_as_it_should(tmp_path: Path) -> None:
    folder = tmp_path / "refundry_broken-9.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: refundry-broken\nVersion: 9.9\n")
    (folder / "entry_points.txt").write_text(
        "[refundry.connectors]\nbroken = broken:Broken\nstuck = broken:Stuck\nabsent = broken:Absent\n"
        "[refundry.sandboxes]\nbroken = broken:BrokenSandbox\nstuck = broken:StuckSandbox\n"
    )
    (tmp_path / "broken.py").write_text(BROKEN)
    done = subprocess.run(  # noqa: S603
        (*COMMAND, "demo", "--json"), cwd=tmp_path, env=environment(tmp_path), capture_output=True, timeout=60
    )
    changes = [json.loads(line) for line in done.stdout.splitlines()]
    complaints = done.stderr.decode().splitlines()
    assert done.returncode == ExitCode.FAULT
    assert len(complaints) == 2
    assert complaints[0].startswith("error: broken: the refund that settles should end as 'succeeded'")
    assert complaints[0].endswith("[31mnot understood (operation get, HTTP 200)")
    assert (
        complaints[1] == "error: stuck: the refund that settles should end as 'requires_action' and ended as 'pending'"
    )
    stripe = [
        change["refund"]["status"]
        for change in changes
        if (change["connector"], change["life"]) == ("stripe", "returned")
    ]
    assert stripe == ["SUCCEEDED", "FAILED"]
    assert all(change["source"] == "webhook" for change in changes if change["connector"] == "adyen")


def test_time_stands_still_while_anybody_is_at_work() -> None:
    clock = PacedClock(SandboxClock(speed=0), workers=2, pace=1e9)
    times: list[float] = []
    go_on = threading.Event()

    def sleeper() -> None:
        clock.sleep(3600)
        times.append(clock.monotonic())
        clock.leave()

    def worker() -> None:
        go_on.wait()
        times.append(clock.monotonic())
        clock.sleep(7200)
        times.append(clock.monotonic())
        clock.leave()

    threads = [threading.Thread(target=target, daemon=True) for target in (sleeper, worker)]
    for thread in threads:
        thread.start()
    threads[0].join(0.2)
    assert threads[0].is_alive()
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert times == pytest.approx([0, 3600, 7200])


def test_many_may_wake_at_one_moment() -> None:
    clock = PacedClock(SandboxClock(speed=0), workers=8, pace=1e9)
    woken: list[float] = []

    def sleeper() -> None:
        for seconds in (60, 0, 60):
            clock.sleep(seconds)
            woken.append(clock.monotonic())
        clock.leave()

    threads = [threading.Thread(target=sleeper, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)
    assert sorted(woken) == pytest.approx([60] * 16 + [120] * 8)


@contextmanager
def running_sandbox(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """``refundry sandbox``, and what it has printed once it is ready."""
    with subprocess.Popen(  # noqa: S603
        (*COMMAND, "sandbox", *arguments), cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                break
        try:
            yield process, lines
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with running_sandbox(tmp_path, "stripe") as (process, lines):
        assert any("whsec_refundry_sandbox" in line for line in lines)
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stdout
        assert process.stdout.read() == "The sandbox has stopped.\n"


def understood(command: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The arguments and the variables with which a shell would start ``refundry`` for this command."""
    script = folder / "refundry"
    script.write_text('#!/bin/sh\nfor one in "$@"; do printf "%s\\0" "$one"; done\nprintf "\\0"\nenv -0\n')
    script.chmod(0o755)
    variables = {**environment(), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, cwd=folder, env=variables, capture_output=True, check=True, text=True)  # noqa: S602
    arguments, _, told = done.stdout.partition("\0\0")
    return arguments.split("\0"), dict(one.split("=", 1) for one in told.split("\0") if one)


def test_the_commands_that_the_sandbox_prints_work(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "--speed", "1") as (_, lines):
        commands = [line.partition("try: ")[2] for line in lines if "try: " in line]
        names = [command.partition("refundry get ")[2].split()[0] for command in commands]
        assert names == [name for name in sandboxes() if "get" in operations(load_connector(name))]
        for name, command in zip(names, commands, strict=True):
            arguments, variables = understood(command, tmp_path)
            done = run_command(*arguments, cwd=tmp_path, env=variables)
            first = next(iter(sandboxes()[name].lives.values()))[0]
            assert done.returncode == code_of_status(load_connector(name).statuses[first]), (command, done.stderr)


def test_a_list_up_to_now_holds_the_refunds_of_the_sandbox(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "stripe") as (_, lines):
        url = next(line.split()[-1] for line in lines if line.strip().startswith("base_url"))
        variables = {**environment(), "REFUNDRY_STRIPE_API_KEY": "sk_test_refundry_sandbox"}
        done = run_command("list", "stripe", "--base-url", url, "--json", cwd=tmp_path, env=variables)
    refunds = [json.loads(line) for line in done.stdout.splitlines()]
    sandbox = load_sandbox("stripe")
    assert sandbox
    assert len(refunds) == len(sandbox.lives)
    assert all(datetime.fromtimestamp(refund["created_at"], UTC) < datetime.now(UTC) for refund in refunds)


def test_a_port_that_is_taken_is_said_so(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "stripe") as (_, lines):
        port = lines[0].partition("127.0.0.1:")[2].partition(";")[0]
        done = run_command("sandbox", "stripe", "--port", port, cwd=tmp_path, env=environment())
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith(f"error: port {port} cannot be used")
