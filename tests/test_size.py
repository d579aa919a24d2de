"""What is installed stays small."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def packed(source: Path) -> int:
    """The bytes of a zip of these files; a wheel adds its metadata and its README."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(source))
    return buffer.tell()


def test_the_code_of_the_core_is_under_80_kb() -> None:
    assert 20_000 < packed(ROOT / "core" / "src") < 80_000


@pytest.mark.parametrize("plugin", sorted((ROOT / "plugins").iterdir()), ids=lambda path: path.name)
def test_the_code_of_a_plugin_is_under_20_kb(plugin: Path) -> None:
    assert 1_000 < packed(plugin / "src") < 20_000
