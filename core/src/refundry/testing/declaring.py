"""What a connector declares is complete and true."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import attrs

from refundry.account import HOOKS
from refundry.connector import ENVIRONMENTS, settings_of
from refundry.model import RefundQuery
from refundry.plugins import connector_hooks, connector_names, load_connector
from refundry.testing.cases import Cases
from refundry.testing.wiring import sandbox_of

LONGEST_CONNECTOR = 250
_COSTLY = {"asyncio", "cryptography", "hypothesis", "pytest", "requests", "ssl", "unittest", "urllib3"}
_IMPURE_MODULES = {"asyncio", "io", "os", "pathlib", "random", "requests", "secrets", "socket", "subprocess", "time"}
_IMPURE_CALLS = {"open", "print", "now", "utcnow", "today", "uuid4", "uuid1"}


class DeclarationContract(Cases):
    """The class data of the connector and of its sandbox."""

    documented: ClassVar[set[str]]
    """Every status condition that the processor's documents name, written down from them and not from the table."""

    def test_it_is_installed_under_its_name(self) -> None:
        assert self.connector.name in connector_names()
        assert load_connector(self.connector.name) is self.connector

    def test_its_declarations_are_complete(self) -> None:
        connector = self.connector
        assert connector.title
        assert connector.documentation
        assert all(link.startswith("https://") for link in connector.documentation.values())
        for hosts in connector.base_urls.values():
            assert set(hosts) == set(ENVIRONMENTS)
        for one in settings_of(connector):
            assert one.help, f"{one.name} has no help"

    def test_its_capabilities_are_what_it_implements(self) -> None:
        hooks = connector_hooks(self.connector(**sandbox_of(self.connector).settings))
        assert hooks.implemented, "a connector implements something"
        for operation in HOOKS.values():
            assert hooks.can(*operation) or not hooks.implemented.intersection(operation)
        assert hooks.can("fetch_refunds") == (self.connector.listing is not None)
        assert hooks.can("fetch_token") == hooks.can("map_token")
        if hooks.can("fetch_refund"):
            known = {field.name for field in attrs.fields(RefundQuery)}
            names = {name for names in self.connector.identifiers for name in names}
            assert all(name in known or name.startswith("metadata.") for name in names)

    def test_every_documented_status_has_its_place(self) -> None:
        assert self.documented
        placed = set(self.connector.statuses) | set(self.connector.unmapped)
        assert self.documented - placed == set()
        assert all(self.connector.unmapped.values()), "an unmapped word needs a reason"
        assert set(self.connector.statuses).isdisjoint(self.connector.unmapped)

    def test_the_lives_of_its_sandbox_are_in_the_table(self) -> None:
        sandbox = sandbox_of(self.connector)
        words = {word for life in sandbox.lives.values() for word in life}
        assert words
        assert words <= set(self.connector.statuses)
        assert sandbox.event_words <= set(self.connector.statuses)

    def test_it_is_small(self) -> None:
        for module in self.modules():
            lines = module.read_text().count("\n")
            assert lines <= LONGEST_CONNECTOR, f"{module.name} has {lines} lines"

    def test_its_import_costs_little(self) -> None:
        code = f"import sys, {self.connector.__module__}; print(*{{name.partition('.')[0] for name in sys.modules}})"
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
        assert _COSTLY.isdisjoint(shown.stdout.split()), "import it where it is needed, within a function"

    def test_its_hooks_are_pure(self) -> None:
        tree = ast.parse(Path(inspect.getfile(self.connector)).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert _IMPURE_MODULES.isdisjoint(alias.name.split(".")[0] for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in _IMPURE_MODULES
            if isinstance(node, ast.Call):
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                assert name not in _IMPURE_CALLS, f"line {node.lineno} calls {name}"
