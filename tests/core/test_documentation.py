"""Every public name of the core says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import refundry
from refundry import errors
from refundry.hookspecs import ConnectorSpecs, ObserverSpecs, SandboxSpecs
from refundry.model import RefundStatus
from refundry.policy import Clock

CORE = Path(refundry.__file__).parent
# What these say of a method holds for whoever implements it.
DESCRIBED = {name for owner in (ConnectorSpecs, ObserverSpecs, SandboxSpecs, Clock) for name in vars(owner)}


def undocumented(tree: ast.AST, inside: str = "") -> list[str]:
    """The public functions, methods and classes below this node that have no docstring."""
    found: list[str] = []
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        is_test = node.name.startswith(("test_", "pytest_", "vcr_")) or node.name == "default_cassette_name"
        if not ast.get_docstring(node) and node.name not in DESCRIBED and not is_test:
            found.append(f"{inside}{node.name}")
        if isinstance(node, ast.ClassDef):
            found += undocumented(node, f"{node.name}.")
    return found


@pytest.mark.parametrize("module", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE)))
def test_every_public_name_has_a_docstring(module: Path) -> None:
    tree = ast.parse(module.read_text())
    assert ast.get_docstring(tree)
    assert undocumented(tree) == []


@pytest.mark.parametrize("module", sorted(CORE.rglob("*.py")), ids=lambda path: str(path.relative_to(CORE)))
def test_every_module_can_be_read_in_one_sitting(module: Path) -> None:
    assert module.read_text().count("\n") <= 420


def test_what_is_exported_is_there() -> None:
    for name in refundry.__all__:
        assert getattr(refundry, name).__doc__
    with pytest.raises(AttributeError):
        refundry.no_such_name  # noqa: B018


def test_every_error_and_status_is_in_the_readme() -> None:
    readme = (CORE.parents[1] / "README.md").read_text()
    names = [
        name for name, kind in vars(errors).items() if isinstance(kind, type) and kind.__module__ == errors.__name__
    ]
    for name in (*names, *RefundStatus):
        assert f"`{name}`" in readme, f"{name} is not in the core's README"


def test_every_hook_is_in_the_readme() -> None:
    readme = (CORE.parents[1] / "README.md").read_text()
    for owner in (ConnectorSpecs, ObserverSpecs):
        for name in vars(owner):
            if not name.startswith("_"):
                assert f"`{name}`" in readme, f"{name} is not in the core's README"
