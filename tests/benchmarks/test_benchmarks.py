"""The benchmarks run and print what they are for; what they measure is for people to read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("script", "options", "shows"),
    [
        ("get.py", ["--rounds", "1", "--calls", "3"], "ratio"),
        ("mapping.py", ["--calls", "3"], "stripe"),
        ("aio.py", ["--rounds", "1", "--calls", "3"], "ratio"),
        ("ledger_schedule.py", ["--refunds", "20"], "adaptive"),
        ("plugins.py", ["--rounds", "1"], "and find 60 more"),
        ("reconcile_million.py", ["--sizes", "300"], "by getting"),
    ],
)
def test_a_benchmark_runs(script: str, options: list[str], shows: str) -> None:
    ran = subprocess.run(  # noqa: S603
        [sys.executable, str(HERE / script), *options], capture_output=True, text=True, timeout=100, check=True
    )
    assert shows in ran.stdout
