"""What stands beside the code: licences, promises and where they are shown, the changelog."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DISTRIBUTIONS = sorted(path.parent for path in (*ROOT.glob("core/pyproject.toml"), *ROOT.glob("*/*/pyproject.toml")))
PATH = re.compile(r"`((?:core|contrib|plugins|tests)/[\w./-]+)`")


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda path: path.name)
def test_a_distribution_has_a_readme_and_its_licence_where_a_build_takes_it_from(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert (project["readme"], project["license"]) == ("README.md", "MIT")
    assert (folder / "README.md").read_text().startswith("# ")
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_every_promise_is_shown_by_something_that_is_there() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 10
    for row in rows:
        shown = PATH.findall(row)
        assert shown, f"nothing shows: {row}"
        for path in shown:
            assert (ROOT / path).exists(), f"{path} is not there"


def test_the_changelog_names_every_battery_and_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    versions = set()
    for folder in DISTRIBUTIONS:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        versions.add(project["version"])
        if folder.parent.name != "plugins":
            assert f"**{project['name']}**" in changelog, f"{project['name']} is not in the changelog"
    assert versions == set(re.findall(r"^## ([\d.]+)", changelog, re.MULTILINE)[:1])
