"""The ledger's README draws the table as it is, and every public name says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import refundry_ledger
from refundry.state import Flag, diagram
from refundry_ledger.schema import metadata

PACKAGE = Path(refundry_ledger.__file__).parent
README = (PACKAGE.parents[1] / "README.md").read_text()


def test_the_readme_holds_the_drawing_of_the_table() -> None:
    assert f"```mermaid\n{diagram()}```\n" in README


def test_the_readme_names_every_flag_and_table() -> None:
    for name in (*Flag, *metadata.tables):
        assert f"`{name}`" in README


@pytest.mark.parametrize("module", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.name)
def test_every_module_is_short_and_every_public_name_in_it_described(module: Path) -> None:
    tree = ast.parse(module.read_text())
    assert ast.get_docstring(tree)
    assert module.read_text().count("\n") <= 300
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith(("_", "process_")):
            assert ast.get_docstring(node), f"{module.name}: {node.name}"
            assert (node.end_lineno or 0) - node.lineno <= 60 or isinstance(node, ast.ClassDef)
