"""How the command starts, and what it says of plugins that are installed, broken or strange."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from commands import run_command

from refundry.connector import settings_of
from refundry.plugins import connector_names, load_connector
from refundry_cli.exits import ExitCode

SUPPORT = Path(__file__).parents[1] / "support"
STRIPE = entry_points(group="refundry.connectors")["stripe"].value.partition(":")[0]

MISSPELT = """
from acme import Acme
from refundry.hookspecs import hookimpl
class Typo(Acme):
    name = "typo"
    @hookimpl
    def map_refnd(self, response): ...
class Quitter(Acme):
    name = "other"
"""


def run(*arguments: str, cwd: Path, path: Path | None = None, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """The exit code and all output of Python with these arguments, and with the plugins in this path."""
    done = subprocess.run(  # noqa: S603
        (sys.executable, *arguments),
        cwd=cwd,
        env=environment(path, env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    output = done.stdout.decode()
    assert "Traceback" not in output
    return done.returncode, output


def refundry(
    *arguments: str, cwd: Path, path: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """The exit code and all output of the command, which starts with all modules imported but those in this path."""
    done = run_command(*arguments, cwd=cwd, env=environment(path, env))
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    return done.returncode, output


def environment(path: Path | None, env: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "SYSTEMROOT")}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, (path or SUPPORT, SUPPORT))), **(env or {})}


def plant(site: Path, name: str, points: Mapping[str, str], module: str = "", requires: str = "refundry>=0.1") -> Path:
    """Install a distribution with these connectors and a module of its name."""
    folder = site / f"{name.replace('-', '_')}-9.9.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\nRequires-Dist: {requires}\n")
    lines = [f"{one} = {target}" for one, target in points.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[refundry.connectors]", *lines, ""]))
    if module:
        (site / f"{name.replace('-', '_')}.py").write_text(module)
    return site


def imported(output: str) -> set[str]:
    """The top-level names in what ``-X importtime`` wrote."""
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in output.splitlines() if "import time:" in line}


# starting


@pytest.mark.parametrize("command", [(), ("get",), ("demo",)])
def test_help_imports_nothing_that_it_does_not_need(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, output = run("-X", "importtime", "-m", "refundry_cli", *command, "--help", cwd=tmp_path)
    assert code == 0
    plugins = {point.value.partition(":")[0] for point in entry_points(group="refundry.connectors")}
    heavy = {"attrs", "iso4217", "pluggy", "refundry", "refundry_sandbox", "requests", "rich", "urllib3", *plugins}
    assert STRIPE in heavy
    assert not imported(output) & heavy
    assert "refundry_cli" in imported(output)


def test_only_the_connector_that_is_asked_for_is_imported(tmp_path: Path) -> None:
    options = ("--connector-refund-id", "r", "--base-url", "http://127.0.0.1:1")
    variables = {"REFUNDRY_STRIPE_API_KEY": "sk_test_x123"}
    code, output = run("-X", "importtime", "-m", "refundry_cli", "get", "stripe", *options, cwd=tmp_path, env=variables)
    assert code == ExitCode.UNAVAILABLE
    assert {name for name in imported(output) if name.startswith("refundry_")} == {"refundry_cli", STRIPE}
    assert "rich" not in imported(output)


def test_the_installed_command_is_the_module(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("refundry")
    assert run(str(script), "--version", cwd=tmp_path) == run("-m", "refundry_cli", "--version", cwd=tmp_path)


def test_every_command_helps_without_colours(tmp_path: Path) -> None:
    for command in ("get", "wait", "list", "event", "connectors", "doctor", "sandbox", "demo"):
        code, output = refundry(command, "--help", cwd=tmp_path)
        assert code == 0
        assert f"Usage: refundry {command}" in output
        assert "\x1b" not in output


# connectors


def test_connectors_shows_what_each_can_do(tmp_path: Path) -> None:
    site = plant(tmp_path / "site", "refundry-boom", {"boom": "refundry_boom:Boom"}, "raise RuntimeError('no')")
    code, output = refundry("connectors", cwd=tmp_path, path=site)
    lines = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line}
    assert code == 0
    assert lines["stripe"] == ["Stripe", "yes", "yes", "yes"]
    assert lines["adyen"] == ["Adyen", "no", "no", "yes"]
    assert lines["boom"][:2] == ["is", "broken:"]
    assert {*connector_names(), "boom"} < lines.keys()
    assert "pip install refundry-NAME" in output


def test_a_connector_is_shown_with_all_that_it_needs(tmp_path: Path) -> None:
    code, output = refundry("connectors", "stripe", cwd=tmp_path)
    connector = load_connector("stripe")
    assert code == 0
    for one in settings_of(connector):
        assert f"{one.name}: {one.help}" in output
        assert f"REFUNDRY_STRIPE_{one.name.upper()}" in output
        assert (f"--setting {one.name}=" in output) is not one.secret
    for link in (*connector.documentation.values(), "https://api.stripe.com"):
        assert link in output
    assert "--connector-refund-id" in output


def test_a_connector_that_is_not_installed_says_how_to_install_it(tmp_path: Path) -> None:
    code, output = refundry("connectors", "nowhere", cwd=tmp_path)
    assert code == ExitCode.USAGE
    assert "pip install refundry-nowhere" in output


# doctor


def verdicts(output: str) -> dict[str, tuple[str, str]]:
    """What doctor says: "ok" or "wrong", and the text, by what it looked at."""
    found = [line.partition(": ") for line in output.splitlines() if line.startswith(("ok ", "wrong "))]
    return {head.split(maxsplit=1)[1]: (head.split()[0], text) for head, _, text in found}


def test_doctor_names_each_broken_plugin_and_the_rest_work(tmp_path: Path) -> None:
    site = tmp_path / "site"
    plant(site, "refundry-boom", {"boom": "refundry_boom:Boom"}, "raise RuntimeError('\\x1b[31mno\\nway')")
    plant(site, "refundry-quit", {"quit": "refundry_quit:Quit"}, "raise SystemExit('bye')")
    plant(site, "refundry-typo", {"typo": "refundry_typo:Typo", "quitter": "refundry_typo:Quitter"}, MISSPELT)
    plant(site, "refundry-stranger", {"stranger": "pathlib:Path"}, requires="refundry>=99")
    plant(site, "refundry-a", {"twice": "acme:Acme"})
    plant(site, "refundry-b", {"twice": "acme:Acme"}, requires="nowhere-at-all>=1; python_version > '3'")
    code, output = refundry("doctor", cwd=tmp_path, path=site)
    said = verdicts(output)
    assert code == ExitCode.FAULT
    _, healthy = refundry("doctor", cwd=tmp_path)
    wrong = {
        what: text for what, (verdict, text) in said.items() if verdict == "wrong" and what not in verdicts(healthy)
    }
    assert "RuntimeError:  [31mno way" in wrong.pop("connector boom")
    assert "SystemExit: bye" in wrong.pop("connector quit")
    assert "map_refnd" in wrong.pop("connector typo")
    assert "calls itself 'other'" in wrong.pop("connector quitter")
    assert "not a connector" in wrong.pop("connector stranger")
    assert "refundry-a and refundry-b" in wrong.pop("connector twice")
    assert "refundry>=99" in wrong.pop("refundry-stranger")
    assert "nowhere-at-all" in wrong.pop("refundry-b")
    assert wrong == {}
    assert said["connector stripe"] == ("ok", "get, list, webhook")
    assert said["refundry-a"] == ("ok", "9.9")


def test_doctor_is_content_with_what_is_installed(tmp_path: Path) -> None:
    code, output = refundry("doctor", cwd=tmp_path)
    assert code == 0, output
    said = verdicts(output)
    assert {f"connector {name}" for name in connector_names()} < said.keys()
    assert said["Python"][1].startswith("3.")
    assert {"refundry", "refundry-cli", "refundry-stripe"} < said.keys()
    assert "no accounts to check" in said["refundry.toml"][1]


ACCOUNTS = """
[accounts.good]
connector = "stripe"
api_key = { env = "GOOD_KEY" }
[accounts.unset]
connector = "stripe"
api_key = { env = "UNSET_KEY" }
[accounts.open]
connector = "stripe"
api_key = "sk_test_canary"
[accounts.live]
connector = "stripe"
environment = "PRODUCTION"
api_key = { env = "GOOD_KEY" }
[accounts.odd]
connector = "stripe"
colour = "red"
[accounts.list]
connector = "stripe"
api_key = { env = "GOOD_KEY" }
base_url = ["https://api.example"]
[accounts.gone]
connector = "nowhere"
[accounts.none]
environment = "SANDBOX"
"""


def test_doctor_checks_accounts_and_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "refundry.toml").write_text(ACCOUNTS)
    code, output = refundry("doctor", cwd=tmp_path, env={"GOOD_KEY": "sk_test_canary"})
    said = {what: said for what, said in verdicts(output).items() if what.startswith("account ")}
    assert code == ExitCode.FAULT
    assert said.pop("account good") == (
        "ok",
        "stripe, SANDBOX; get ready; list ready; webhook lacks webhook_secret",
    )
    assert {verdict for verdict, _ in said.values()} == {"wrong"}
    texts = {what.removeprefix("account "): text for what, (_, text) in said.items()}
    assert "UNSET_KEY is not set" in texts["unset"]
    assert "is a secret" in texts["open"]
    assert "key for SANDBOX" in texts["live"]
    assert "no setting 'colour'" in texts["odd"]
    assert "base_url must be text" in texts["list"]
    assert "pip install refundry-nowhere" in texts["gone"]
    assert "lacks connector" in texts["none"]
    assert "canary" not in output


@pytest.mark.parametrize("text", ["not toml", "accounts = 1", "\udcff"])
def test_doctor_says_of_a_file_that_it_cannot_be_read(tmp_path: Path, text: str) -> None:
    config = tmp_path / "odd.toml"
    config.write_bytes(text.encode(errors="surrogateescape"))
    code, output = refundry("doctor", "--config", str(config), cwd=tmp_path)
    assert code == ExitCode.FAULT
    assert verdicts(output)["odd.toml"][0] == "wrong"
    code, output = refundry("doctor", "--config", "none.toml", cwd=tmp_path)
    assert verdicts(output)["none.toml"] == ("wrong", "there is no file none.toml")
