"""What is installed stays small."""

from __future__ import annotations

import io
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def packed(source: Path, without: Path | None = None) -> int:
    """The bytes of a zip of these files; a wheel adds its metadata and its README."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and without not in path.parents:
                archive.write(path, path.relative_to(source))
    return buffer.tell()


def wheel(project: str) -> dict[str, Any]:
    """What a project's wheel is made of."""
    described = tomllib.loads((ROOT / project / "pyproject.toml").read_text())
    made: dict[str, Any] = described["tool"]["hatch"]["build"]["targets"]["wheel"]
    return made


def test_the_code_of_the_core_is_under_80_kb() -> None:
    source = ROOT / "core" / "src"
    assert wheel("core") == {"packages": ["src/refundry"], "exclude": ["src/refundry/testing"]}
    assert 20_000 < packed(source, without=source / "refundry" / "testing") < 80_000


def test_the_contract_has_a_small_wheel_of_its_own() -> None:
    # It takes its code from the core's folder by its build hook.
    assert wheel("contrib/testing") == {"bypass-selection": True}
    assert 10_000 < packed(ROOT / "core" / "src" / "refundry" / "testing") < 40_000


@pytest.mark.parametrize("plugin", sorted((ROOT / "plugins").iterdir()), ids=lambda path: path.name)
def test_the_code_of_a_plugin_is_under_20_kb(plugin: Path) -> None:
    assert 1_000 < packed(plugin / "src") < 20_000
