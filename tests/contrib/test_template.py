"""A new project passes its own tests as it comes; what cannot be used is refused; the guide is true."""

from __future__ import annotations

import ast
import functools
import itertools
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import copier
import pytest
import requests

import refundry
import refundry_template
from refundry.errors import ConfigurationError
from refundry.hookspecs import ConnectorSpecs
from refundry.model import SUCCEEDED, Money, Refund
from refundry.plugins import forget_entry_points, load_connector
from refundry.sandbox import Call
from refundry.testing import Wiring
from refundry.testing.cassettes import read_cassette
from refundry.testing.declaring import LONGEST_CONNECTOR
from refundry_template.__main__ import main
from refundry_template.generating import PROJECT, questions
from refundry_template.names import class_name, module_name

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "contrib" / "template" / "GUIDE.md"
README = ROOT / "contrib" / "template" / "README.md"

# Every answer to every question at least once.
ANSWERS: dict[str, dict[str, Any]] = {
    "acme-pay": {"title": "Acme Pay"},
    "zahlbar": {
        "title": "Zahlbär & Söhne (Europe)",
        "sandbox_url": "https://test.zahlbar.example:8443/api/v2",
        "production_url": "https://zahlbar.example/api/v2",
        "authentication": "basic",
        "amounts": "decimal",
        "listing": False,
        "webhook": False,
    },
    "pay-2-go": {"authentication": "oauth", "amounts": "decimal", "webhook": False},
}
OPTIONS = {"list": "listing", "webhook": "webhook"}
MODULES = ("connector", "sandbox")
# How `Fields` is asked for something in an answer.
READERS = {"text", "word", "required", "required_items", "at", "iso_time", "minor_money", "decimal_money"}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A project for each set of answers."""
    folder = tmp_path_factory.mktemp("new")
    return {name: refundry_template.new(name, folder / name, **answers) for name, answers in ANSWERS.items()}


@pytest.fixture
def unrecorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Projects come without cassettes, which takes less time."""
    monkeypatch.setattr("refundry_template.generating.record_cassettes", lambda project, name: None)


def planted(project: Path, site: Path) -> list[str]:
    """Install a project as an editable one is: what to put on the path."""
    described = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    folder = site / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {described['name']}\nVersion: 0.1.0\n")
    lines: list[str] = []
    for group, points in described["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (folder / "entry_points.txt").write_text("\n".join([*lines, ""]))
    return [str(site), str(project / "src")]


def run(*arguments: str, cwd: Path, path: list[str]) -> str:
    """The output of Python with these arguments, which must end well."""
    done = subprocess.run(  # noqa: S603
        (sys.executable, *arguments),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def source(project: Path, name: str, module: str = "connector") -> Path:
    return project / "src" / module_name(name) / f"{module}.py"


# What is generated


def test_new_plugins_pass_their_own_tests(projects: dict[str, Path], tmp_path: Path) -> None:
    def own_tests(name: str) -> str:
        path = planted(projects[name], tmp_path / name)
        # Of the plugins of pytest that are installed here, this one takes long to import, and a new project needs none.
        without = ("-p", "no:cacheprovider", "-p", "no:schemathesis")
        return run("-m", "pytest", *without, "-rs", cwd=projects[name], path=path)

    with ThreadPoolExecutor() as pool:
        outputs = dict(zip(ANSWERS, pool.map(own_tests, ANSWERS), strict=True))
    for name, output in outputs.items():
        reasons = [line for line in output.splitlines() if line.startswith("SKIPPED")]
        # Without webhooks there is no webhook cassette either, which pytest words in its own way.
        lacking = {line.partition(f"{name} declares ")[2] for line in reasons if "empty parameter set" not in line}
        assert lacking == {f"no {what}" for what in ("list", "webhook") if not has(name, OPTIONS[what])}
        assert int(re.findall(r"(\d+) passed", output)[-1]) > 50


def has(name: str, key: str) -> bool:
    """Whether the processor of this project has a list, or webhooks."""
    return bool(ANSWERS[name].get(key, questions()[key]["default"]))


def test_every_answer_gives_code_in_the_style_of_the_house(tmp_path: Path) -> None:
    choices = [
        [True, False] if details["type"] == "bool" else list(details["choices"].values())
        for key, details in questions().items()
        if key in ("authentication", "amounts", "listing", "webhook")
    ]
    for number, answers in enumerate(itertools.product(*choices)):
        given = dict(zip(("authentication", "amounts", "listing", "webhook"), answers, strict=True))
        name = f"p{number}-{'a' * 26}"[:30]
        data = {"name": name, "title": f"{number:b}".rjust(40, "T"), **given}
        copier.run_copy(str(PROJECT), tmp_path / name, data=data, defaults=True, quiet=True)
    for options in ((), ("--config", str(ROOT / "pyproject.toml"))):
        run("-m", "ruff", "check", "--no-cache", *options, ".", cwd=tmp_path, path=[])
        run("-m", "ruff", "format", "--no-cache", "--check", *options, ".", cwd=tmp_path, path=[])


def test_the_types_are_right(projects: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPYPATH", os.pathsep.join(str(project / "src") for project in projects.values()))
    packages = [part for name in projects for part in ("-p", module_name(name))]
    options = ("--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache"))
    assert "no issues found in 9 source files" in run("-m", "mypy", *options, *packages, cwd=tmp_path, path=[])


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_made_up_says_so(name: str, projects: dict[str, Path]) -> None:
    tree = ast.parse(source(projects[name], name).read_text())
    read = [
        argument.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in READERS
        for argument in node.args
        if isinstance(argument, ast.Constant)
    ]
    tables = [
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign | ast.Assign) and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant) and key.value not in ("api", "refunds")
    ]
    assert len(read) >= 9
    assert len(tables) >= 6
    assert all(text.startswith("placeholder_") for text in (*read, *tables))
    readme = (projects[name] / "README.md").read_text()
    assert f"No document of {ANSWERS[name].get('title', 'Pay 2 Go')} has been followed yet" in readme
    for cassette in (projects[name] / "cassettes" / name).iterdir():
        assert read_cassette(cassette)["provenance"]["documents"] == ["https://placeholder.example/refunds"]


@pytest.mark.parametrize("name", ANSWERS)
def test_the_answers_are_in_the_code(name: str, projects: dict[str, Path]) -> None:
    answers, text = ANSWERS[name], source(projects[name], name).read_text()
    urls = [answers.get(key, questions()[key]["default"]) for key in ("sandbox_url", "production_url")]
    assert re.findall(r'"(?:SANDBOX|PRODUCTION)": "(.*)"', text) == urls
    assert ("def fetch_refunds" in text) is has(name, "listing")
    assert ("def map_event" in text) is has(name, "webhook")
    assert ("decimal_money" in text) is (answers.get("amounts") == "decimal")
    assert ("def fetch_token" in text) is (answers.get("authentication") == "oauth")
    assert ("basic_auth(self.username" in text) is (answers.get("authentication") == "basic")
    assert f"class {class_name(name)}(Connector)" in text


@pytest.mark.parametrize("name", ANSWERS)
def test_a_new_connector_is_as_small_as_a_simple_one(name: str, projects: dict[str, Path]) -> None:
    connector, sandbox = (source(projects[name], name, module).read_text().count("\n") for module in MODULES)
    assert sandbox <= connector + 5
    assert connector < LONGEST_CONNECTOR / 2


@pytest.fixture
def installed(
    request: pytest.FixtureRequest, projects: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Path]]:
    """A project that is installed in this process."""
    name, project = request.param, projects[request.param]
    for place in planted(project, tmp_path / "site"):
        monkeypatch.syspath_prepend(place)
    forget_entry_points()
    yield name, project
    monkeypatch.undo()
    for module in [module for module in sys.modules if module.partition(".")[0] == module_name(name)]:
        del sys.modules[module]
    forget_entry_points()


@pytest.mark.parametrize("installed", ANSWERS, indirect=True)
def test_the_snippet_of_its_readme_runs(
    installed: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, project = installed
    refund = Refund(
        connector_refund_id="placeholder",
        status=SUCCEEDED,
        connector_status="placeholder_done",
        refund_amount=Money(1205, "EUR"),
    )
    wiring = Wiring(load_connector(name), [refund])

    def accepting(call: Call) -> Any:
        return wiring.hooks.answer_call(call, wiring.book)

    wiring.reply = accepting  # type: ignore[method-assign]
    session = requests.Session()
    session.mount("https://", wiring)
    client = functools.partial(refundry.RefundClient, session=session)
    monkeypatch.setattr(refundry, "RefundClient", client, raising=False)
    (snippet,) = re.findall(r"^```python\n(.*?)^```", (project / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    exec(compile(snippet, "README.md", "exec"), {"__name__": "snippet"})  # noqa: S102
    assert capsys.readouterr().out == "SUCCEEDED 12.05 EUR\n"


@pytest.mark.parametrize("installed", ["zahlbar"], indirect=True)
def test_a_name_is_refused_once_it_is_installed(installed: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'zahlbar' is installed already"):
        refundry_template.new("zahlbar", tmp_path / "again")
    assert not (tmp_path / "again").exists()


# What is refused


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Acme",
        "acme_pay",
        "acme.pay",
        "-acme",
        "acme-",
        "acme--pay",
        "4acme",
        "ac me",
        "äcme",
        "../acme",
        "a\n",
        "a" * 31,
    ],
)
def test_a_name_that_nothing_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no name for a connector"):
        refundry_template.new(name, tmp_path / "project")


@pytest.mark.parametrize(
    "name", ["none", "true", "exception", "refund", "connector", "event", "any", "sequence", "call"]
)
def test_a_name_whose_class_would_hide_another_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"class {name.capitalize()}"):
        refundry_template.new(name, tmp_path / "project")


@pytest.mark.parametrize("folder", sorted((ROOT / "contrib").iterdir()), ids=lambda path: path.name)
def test_the_name_of_a_part_of_refundry_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="part of Refundry itself"):
        refundry_template.new(folder.name, tmp_path / "project")


def test_the_name_of_an_installed_connector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a connector named 'stripe' is installed already"):
        refundry_template.new("stripe", tmp_path / "project")


def test_the_distribution_and_the_module_must_be_free_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "refundry_ghost-1.0.dist-info").mkdir()
    (tmp_path / "refundry_ghost-1.0.dist-info" / "METADATA").write_text("Name: refundry-ghost\nVersion: 1.0\n")
    (tmp_path / "refundry_shadow.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("ghost", "shadow"):
        with pytest.raises(ConfigurationError, match=f"refundry-{name} is installed already"):
            refundry_template.new(name, tmp_path / "project")


def test_a_directory_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for path in tmp_path.iterdir():
        with pytest.raises(ConfigurationError, match="exists already"):
            refundry_template.new("acme-pay", path)
    assert list((tmp_path / "empty").iterdir()) == []
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"titel": "Acme"}, "did you mean title"),
        ({"module": "other"}, "there is no question 'module': the questions are title, sandbox_url"),
        ({"webhook": "no"}, "must be bool"),
        ({"title": True}, "must be str"),
        ({"authentication": "magic"}, "authentication"),
        ({"amounts": ""}, "amounts"),
        ({"title": ""}, "title"),
        ({"title": 'Acme "Pay"'}, "title"),
        ({"title": "Acme\\"}, "title"),
        ({"title": "Acme\n"}, "title"),
        ({"title": " Acme"}, "title"),
        ({"title": "{{ 7 * 7 }}"}, "title"),
        ({"title": "A" * 41}, "title"),
        ({"sandbox_url": "http://acme.example"}, "sandbox_url"),
        ({"sandbox_url": "https://acme.example/"}, "sandbox_url"),
        ({"production_url": "https://acme.example?a=b"}, "production_url"),
        ({"production_url": 'https://acme.example"'}, "production_url"),
        ({"production_url": "https://{tenant}.acme.example"}, "production_url"),
        ({"production_url": "https://acme.example/" + "a" * 80}, "production_url"),
        ({"production_url": "https://acme.example\n"}, "production_url"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(answers: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        refundry_template.new("acme-pay", tmp_path / "project", **answers)
    assert not (tmp_path / "project").exists()


@pytest.mark.parametrize(
    ("script", "reason"),
    [("echo gone >&2; echo no sandbox >&2; exit 1", "no sandbox"), ("exit 1", "no reason"), (None, "FileNotFound")],
)
def test_cassettes_that_cannot_be_recorded_are_asked_for(
    script: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    if script:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(ConfigurationError, match=reason) as caught:
        refundry_template.new("acme-pay", tmp_path / "project")
    assert "run there: python -m refundry_sandbox.recording acme-pay" in str(caught.value)
    assert (tmp_path / "project" / "pyproject.toml").exists()


# The command line


@pytest.mark.usefixtures("unrecorded")
def test_the_command_makes_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["acme-pay", "--defaults", "--authentication", "basic", "--no-webhook", "--title", "Acme"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'refundry-acme-pay'}\n")
    text = source(tmp_path / "refundry-acme-pay", "acme-pay").read_text()
    assert "password: str" in text
    assert "webhook_secret" not in text
    assert main(["acme-pay", "--defaults"]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "is_terminal", "made_by"),
    [([], True, "ask"), ([], False, "new"), (["--defaults"], True, "new")],
)
def test_the_command_asks_in_a_terminal_alone(
    options: list[str], is_terminal: bool, made_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    for way in ("ask", "new"):
        monkeypatch.setattr(f"refundry_template.__main__.{way}", lambda *_, way=way, **__: called.append(way))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: is_terminal, raising=False)
    assert main(["acme-pay", *options]) == 0
    assert called == [made_by]


def test_a_question_left_unanswered_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("refundry_template.__main__.new", interrupted)
    assert main(["acme-pay", "--defaults"]) == 130


def test_help_lists_every_question(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for key in questions():
        assert f"--{key.replace('_', '-')}" in text
    assert "{bearer,basic,oauth}" in text


@pytest.mark.usefixtures("unrecorded")
def test_nothing_is_asked_that_was_answered(tmp_path: Path) -> None:
    given = {key: ANSWERS["zahlbar"][key] for key in questions()}
    project = refundry_template.ask("zahlbar", tmp_path / "project", **given)
    assert "Zahlbär & Söhne (Europe)" in source(project, "zahlbar").read_text()


# What is written about it


def quotes(text: str) -> list[str]:
    return re.findall(r"^```py\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_what_the_guide_quotes_still_stands_there() -> None:
    files = [*sorted(ROOT.glob("plugins/razorpay/src/*/*.py")), ROOT / "tests" / "plugins" / "test_razorpay.py"]
    originals = [path.read_text() for path in files]
    found = quotes(GUIDE.read_text())
    assert len(found) > 10
    for quote in found:
        assert any(quote in original for original in originals), f"no longer in the razorpay plugin:\n{quote}"


def test_the_guide_speaks_of_every_hook_and_its_links_lead_somewhere() -> None:
    text = GUIDE.read_text()
    for hook in vars(ConnectorSpecs):
        assert hook.startswith("_") or hook in text, f"{hook} is not in the guide"
    links = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r"\]\(([^)]+)\)", README.read_text())
    assert links
    for link in links:
        assert link.startswith("https://") or (GUIDE.parent / link).exists(), link


@pytest.mark.usefixtures("unrecorded")
def test_the_snippet_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (snippet,) = quotes(README.read_text())
    exec(compile(snippet, str(README), "exec"), {"__name__": "snippet"})  # noqa: S102
    assert "basic_auth" in source(tmp_path / "plugins" / "acme-pay", "acme-pay").read_text()
