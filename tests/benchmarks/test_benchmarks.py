"""The benchmarks run and print what they are for; what they measure is for people to read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("script", "options", "shows"),
    [
        ("get.py", ["--rounds", "1", "--calls", "3"], "RefundClient.get"),
        ("mapping.py", ["--calls", "1"], "stripe"),
        ("aio.py", ["--rounds", "1", "--calls", "3"], "AsyncRefundClient.get_many"),
        ("webhooks.py", ["--rounds", "1", "--calls", "3"], "RefundClient.handle_event"),
        ("tracking.py", ["--rounds", "1", "--refunds", "5"], "Ledger.run_once, 16 at a time"),
        ("ledger_schedule.py", ["--refunds", "20"], "adaptive"),
        ("plugins.py", ["--rounds", "1"], "and find 60 more"),
        ("startup.py", ["--rounds", "1"], "refundry --help"),
        ("web_load.py", ["--rate", "50", "--seconds", "2"], "0 acknowledged and missing"),
        ("reconcile_million.py", ["--sizes", "300"], "by getting"),
    ],
)
def test_a_benchmark_runs(script: str, options: list[str], shows: str, tmp_path: Path) -> None:
    keeps = "from measuring import" in (HERE / script).read_text(encoding="utf-8")
    command = [sys.executable, str(HERE / script), *options, *(["--results", str(tmp_path)] if keeps else [])]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "support")}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True, env=environment)  # noqa: S603
    assert shows in ran.stdout
    if keeps:
        kept = {path.suffix for path in tmp_path.iterdir() if path.stat().st_size}
        assert kept == {".csv", ".md", ".png"}
        assert shows in "".join(path.read_text(encoding="utf-8") for path in tmp_path.glob("*.md"))
