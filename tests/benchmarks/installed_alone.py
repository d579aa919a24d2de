"""Each plugin alone, as a wheel, in an empty environment: it is the only connector there, and its contract passes.

python tests/benchmarks/installed_alone.py [PLUGIN]...
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
UV = [sys.executable, "-m", "uv"]
# The working tree must not be found: what is tested is what was installed.
ALONE = ("-q", "-p", "no:cacheprovider", "-W", "error", "--import-mode=importlib", "--no-header")


def run(*command: str, cwd: Path) -> str:
    """What a command prints. Raises ``SystemExit`` with all that it said when it fails."""
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True)  # noqa: S603
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def pins(folder: Path) -> Path:
    """The workspace's constraints as a file."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = folder / "constraints.txt"
    found.write_text("\n".join(workspace["tool"]["uv"]["constraint-dependencies"]))
    return found


def declared(plugin: str) -> list[str]:
    """The names of a plugin's connectors, sorted."""
    project = tomllib.loads((ROOT / "plugins" / plugin / "pyproject.toml").read_text())["project"]
    return sorted(project["entry-points"]["refundry.connectors"])


def copied_tests(plugin: str, folder: Path) -> Path:
    """The plugin's tests and cassettes as they lie in the repository, and nothing else of it."""
    place = folder / plugin
    (place / "tests" / "plugins").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "plugins" / f"test_{plugin}.py", place / "tests" / "plugins")
    for cassettes in (ROOT / "cassettes").glob(f"{plugin}*"):
        shutil.copytree(cassettes, place / "cassettes" / cassettes.name)
    return place


def try_alone(plugin: str, wheels: Path, constraints: Path, folder: Path) -> str:
    """Install one plugin into an empty environment and run its tests there: its connectors, and pytest's verdict."""
    place = copied_tests(plugin, folder)
    python = str(place / ".venv" / "bin" / "python")
    run(*UV, "venv", "-q", "--python", sys.executable, ".venv", cwd=place)
    wanted = ["refundry[testing]", f"refundry-{plugin}"]
    offered = ("--find-links", str(wheels), "--constraints", str(constraints), "--python", python)
    run(*UV, "pip", "install", "-q", *offered, *wanted, cwd=place)
    names = run(python, "-c", "from refundry.plugins import connector_names as n; print(*n())", cwd=place).strip()
    if names.split() != declared(plugin):
        raise SystemExit(f"{plugin} alone should bring {declared(plugin)}, and these are found: {names}")
    verdict = run(python, "-m", "pytest", *ALONE, "tests", cwd=place).strip().splitlines()[-1]
    return f"{names:<36} {verdict}"


def main(arguments: Sequence[str] | None = None) -> None:
    """One line for each plugin; the first that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plugins", nargs="*", help="which; all if none")
    chosen = parser.parse_args(arguments).plugins
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheels = folder / "wheels"
        run(*UV, "build", "-q", "--all-packages", "--wheel", "--out-dir", str(wheels), cwd=ROOT)
        for plugin in chosen or sorted(path.name for path in (ROOT / "plugins").iterdir()):
            print(try_alone(plugin, wheels, pins(folder), folder), flush=True)


if __name__ == "__main__":
    main()
