"""The cassettes of a new project, recorded with its own sandbox in a process in which it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from refundry.errors import ConfigurationError

_TIMEOUT = 120.0


def record_cassettes(project: Path, name: str) -> None:
    """Write ``cassettes/<name>`` of a project. Raises `ConfigurationError`, which says how to do it by hand."""
    command = ("-m", "refundry_sandbox.recording", name)
    with TemporaryDirectory() as site:
        _install(project, Path(site))
        paths = (site, str(project / "src"), os.environ.get("PYTHONPATH", ""))
        variables = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(  # noqa: S603
                (sys.executable, *command),
                cwd=project,
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_recorded(project, name, type(error).__name__) from None
    if done.returncode != 0:
        raise _not_recorded(project, name, (done.stderr.strip().splitlines() or ["no reason was given"])[-1])


def _install(project: Path, site: Path) -> None:
    """Let a process that has this directory on its path find the project's entry points."""
    described = tomllib.loads((project / "pyproject.toml").read_bytes().decode())["project"]
    folder = site / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {described['name']}", f"Version: {described['version']}", ""]
    (folder / "METADATA").write_text("\n".join(lines))
    groups = [
        "\n".join([f"[{group}]", *(f"{point} = {target}" for point, target in points.items()), ""])
        for group, points in described["entry-points"].items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(groups))


def _not_recorded(project: Path, name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"the project is in {project}, but its cassettes could not be recorded ({reason}): "
        f"install it, and run there: python -m refundry_sandbox.recording {name}"
    )
