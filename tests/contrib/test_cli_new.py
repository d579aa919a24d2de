"""``refundry new``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from commands import run_command


def refundry(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return run_command(*arguments, cwd=folder, env=os.environ, timeout=100)


def test_a_project_is_written_once(tmp_path: Path) -> None:
    made = refundry("new", "acme-pay", "here", "--defaults", "--amounts", "decimal", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "here" / "src" / "refundry_acme_pay" / "connector.py").exists()
    assert list((tmp_path / "here" / "cassettes" / "acme-pay").glob("*.yaml"))
    again = refundry("new", "acme-pay", "here", "--defaults", folder=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    for name, reason in (("Bad Name", "no name for a connector"), ("stripe", "installed")):
        made = refundry("new", name, "--defaults", folder=tmp_path)
        assert made.returncode == 2
        assert reason in made.stderr
    assert list(tmp_path.iterdir()) == []
