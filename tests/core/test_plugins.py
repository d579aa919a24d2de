"""Plugins: found by entry point, imported one by one, and one that is broken harms no other."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from acme import Acme

from refundry import ConfigurationError, ConnectorError, RefundryError, UnknownConnector
from refundry.hookspecs import hookimpl
from refundry.http import Event, Response
from refundry.plugins import (
    connector_hooks,
    connector_names,
    forget_entry_points,
    load_connector,
    load_sandbox,
)


def install(site: Path, distribution: str, entries: str, **modules: str) -> None:
    """What installing a distribution leaves behind."""
    info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    for name, source in modules.items():
        (site / f"{name}.py").write_text(textwrap.dedent(source))


GOOD = """
    from refundry.connector import Connector
    class Good(Connector):
        name = "good"
        title = "Good"
        documentation = {}
        base_urls = {}
        statuses = {}
"""
HALF = """
    from refundry.connector import Connector
    class Half(Connector):
        name = "half"
        title = "Half"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    entry = "[refundry.connectors]\n"
    install(tmp_path, "refundry-good", f"{entry}good = plugin_good:Good\n", plugin_good=GOOD)
    install(tmp_path, "refundry-broken", f"{entry}broken = plugin_broken:X\n", plugin_broken="import no_such_module")
    install(tmp_path, "refundry-half", f"{entry}half = plugin_half:Half\n", plugin_half=HALF)
    install(tmp_path, "refundry-absent", f"{entry}absent = plugin_absent:X\n")
    install(tmp_path, "refundry-function", f"{entry}function = plugin_function:f\n", plugin_function="def f(): ...")
    for owner in ("refundry-one", "refundry-two"):
        install(tmp_path, owner, f"{entry}twice = plugin_good:Good\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget_entry_points()
    yield tmp_path
    forget_entry_points()


def test_a_hook_may_have_another_name_in_its_plugin() -> None:
    class Renamed(Acme):
        @hookimpl(specname="map_error")
        def objection(self, response: Response) -> RefundryError | None:
            return ConnectorError(f"Acme said {response.status_code}")

    objection = connector_hooks(Renamed()).map_error(Response(418))
    assert isinstance(objection, ConnectorError)
    assert objection.message == "Acme said 418"


def test_a_good_plugin_works_beside_broken_ones(site: Path) -> None:
    assert load_connector("good").title == "Good"
    assert {"good", "broken", "absent", "function", "twice"} <= set(connector_names())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "'broken' cannot be imported: ModuleNotFoundError"),
        ("half", "'half' declares no documentation"),
        ("absent", "'absent' cannot be imported: ModuleNotFoundError"),
        ("function", "'function' is not a connector"),
        ("twice", "two plugins claim the name 'twice': refundry-one and refundry-two"),
    ],
)
def test_a_broken_plugin_is_named(site: Path, name: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        load_connector(name)


def test_what_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(UnknownConnector, match=r"'worldplay'.*installed: .*stripe.*pip install refundry-worldplay"):
        load_connector("worldplay")


def test_a_connector_without_a_sandbox_has_none(site: Path) -> None:
    assert load_sandbox("good") is None


def test_names_are_found_without_importing_a_plugin() -> None:
    code = """
        import sys
        from refundry.plugins import connector_names, load_connector
        assert "stripe" in connector_names()
        assert not any(name.startswith("refundry_") for name in sys.modules)
        load_connector("stripe")
        assert {name.partition(".")[0] for name in sys.modules if name.startswith("refundry_")} == {"refundry_stripe"}
        assert "requests" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)  # noqa: S603


def test_a_misspelt_hook_is_named() -> None:
    class Misspelt(Acme):
        name = "misspelt"

        @hookimpl
        def map_refnud(self) -> None: ...

    with pytest.raises(ConfigurationError, match="Misspelt.*map_refnud"):
        connector_hooks(Misspelt(key="k"))


def test_a_hook_with_an_argument_that_no_contract_has_is_named() -> None:
    class Newer(Acme):
        name = "newer"

        @hookimpl
        def map_error(self, response: object, tenant: str) -> None: ...

    with pytest.raises(ConfigurationError, match="Newer.*tenant"):
        connector_hooks(Newer(key="k"))


def test_a_hook_gets_the_arguments_that_it_names_in_its_own_order() -> None:
    class Sparing(Acme):
        name = "sparing"

        @hookimpl
        def map_refund(self, previous: object, query: object) -> object:
            return "map_refund", previous, query

        @hookimpl
        def map_refunds(self, window: object, cursor: object, response: object) -> object:
            return "map_refunds", window, cursor, response

        @hookimpl
        def map_error(self, response: object = "its own") -> object:
            return "map_error", response

    hooks: Any = connector_hooks(Sparing(key="k"))
    assert hooks.map_refund("q", "r", "p") == ("map_refund", "p", "q")
    assert hooks.map_refund.__name__ == "map_refund", "errors name the hook"
    assert hooks.map_refunds("w", "c", "r") == ("map_refunds", "w", "c", "r")
    assert hooks.map_error("r") == ("map_error", "its own"), "as pluggy: what has a default is left out"


def test_a_hook_that_is_not_implemented_answers_none() -> None:
    hooks = connector_hooks(Acme(key="k"))
    assert not hooks.can("acknowledge_event")
    assert hooks.can("fetch_refund", "map_refund")
    assert hooks.acknowledge_event(Event(received_at=datetime.now(UTC)), True) is None
