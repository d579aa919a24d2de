"""What is installed stays small."""

from __future__ import annotations

import ast
import io
import tokenize
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


def code_lines(path: Path) -> int:
    """The lines with code: those without it, comments and docstrings do not count."""
    source = path.read_text()
    described = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    said = {
        line
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(said - described)


def lines_of_connectors() -> dict[str, int]:
    """The code of each connector: its own module and those of its plugin that define no other."""
    found = {}
    for plugin in sorted((ROOT / "plugins").iterdir()):
        described = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]["entry-points"]
        modules = [path for path in plugin.glob("src/*/*.py") if path.stem not in ("sandbox", "__init__")]
        classes = {name: target.partition(":")[2] for name, target in described["refundry.connectors"].items()}
        homes = {name: path for name, cls in classes.items() for path in modules if f"class {cls}(" in path.read_text()}
        shared = sum(code_lines(path) for path in modules if path not in homes.values())
        found |= {name: code_lines(path) + shared for name, path in homes.items()}
    return found


def test_the_hardest_connector_has_under_250_lines_of_code_and_the_simplest_under_100() -> None:
    lines = lines_of_connectors()
    assert len(lines) == 36
    assert max(lines.values()) < 250, lines
    assert min(lines.values()) < 100, lines


@pytest.mark.parametrize("plugin", sorted((ROOT / "plugins").iterdir()), ids=lambda path: path.name)
def test_the_sandbox_of_a_plugin_is_smaller_than_what_it_is_the_inverse_of(plugin: Path) -> None:
    (sandbox,) = plugin.glob("src/*/sandbox.py")
    others = [path for path in sandbox.parent.glob("*.py") if path.stem not in ("sandbox", "__init__")]
    assert code_lines(sandbox) < sum(map(code_lines, others))
