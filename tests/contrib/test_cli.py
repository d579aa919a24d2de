"""The command ``refundry`` as a process of its own, against processors on loopback."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import DONE, json_answer, serving
from commands import run_command

from refundry import Money, errors
from refundry.model import RefundStatus
from refundry_cli.exits import MEANINGS, ExitCode, code_of_error, code_of_status
from refundry_sandbox import Fault, Sandbox

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
COMMAND = (sys.executable, "-m", "refundry_cli")
STRIPE = {
    "REFUNDRY_STRIPE_API_KEY": "sk_test_refundry_sandbox",
    "REFUNDRY_STRIPE_WEBHOOK_SECRET": "whsec_refundry_sandbox",
}
SECRETS = tuple(STRIPE.values())
HOSTILE = "\x1b]0;owned\x07\x1b[31m[bold red]x[/]\u202e\r\nsecond line"
HARMLESS = " ]0;owned  [31m[bold red]x[/]   second line"

Result = subprocess.CompletedProcess[str]


def run(*arguments: str, cwd: Path, env: Mapping[str, str] = STRIPE, stdin: bytes | None = None) -> Result:
    """The command's end, its output as text. It sees no variables but these and those that Python needs."""
    result = run_command(*arguments, cwd=cwd, env=environment(env), stdin=stdin or b"")
    assert "Traceback" not in result.stderr, result.stderr
    assert not [secret for secret in SECRETS if secret in result.stdout + result.stderr]
    return result


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "SYSTEMROOT")}
    return {**kept, "PYTHONPATH": str(SUPPORT), "COLUMNS": "100", **extra}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["adyen", "stripe"], speed=0) as running:
        yield running


@pytest.fixture
def stripe(sandbox: Sandbox) -> tuple[str, ...]:
    return ("stripe", "--base-url", sandbox.base_urls("stripe")["api"])


@pytest.fixture
def acme(tmp_path: Path) -> dict[str, str]:
    """The variables with which the command finds the connector Acme, installed for this test alone."""
    plant(tmp_path / "site", "refundry-acme", connectors={"acme": "acme:Acme"})
    return {"PYTHONPATH": f"{SUPPORT}{os.pathsep}{tmp_path / 'site'}", "REFUNDRY_ACME_KEY": "k-123456"}


def plant(site: Path, name: str, *, connectors: Mapping[str, str], requires: str = "refundry>=0.1") -> None:
    """Metadata of a distribution that brings these connectors."""
    folder = site / f"{name.replace('-', '_')}-9.9.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\nRequires-Dist: {requires}\n")
    lines = [f"{one} = {target}" for one, target in connectors.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[refundry.connectors]", *lines, ""]))


# get


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("succeeded", ExitCode.SUCCEEDED),
        ("failed", ExitCode.FAILED),
        ("pending", ExitCode.OPEN),
        ("requires_action", ExitCode.OPEN),
    ],
)
def test_get_tells_by_its_exit_code_how_the_refund_stands(
    sandbox: Sandbox, stripe: tuple[str, ...], tmp_path: Path, word: str, code: ExitCode
) -> None:
    refund = sandbox.add("stripe", words=(word,), amount=Money(123456, "EUR"))
    result = run("get", *stripe, "--connector-refund-id", refund.connector_refund_id or "", cwd=tmp_path)
    assert result.returncode == code
    facts = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert facts["status"] == refund.status.value
    assert facts["connector_status"] == word
    assert facts["refund_amount"] == "1234.56 EUR"
    assert facts.get("acquirer_reference_number") == refund.acquirer_reference_number
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_get_tells_the_refund_in_a_sentence_where_that_can_be_made(
    sandbox: Sandbox, stripe: tuple[str, ...], tmp_path: Path
) -> None:
    refund = sandbox.add("stripe", words=("succeeded",), amount=Money(123456, "EUR"))
    asked = ("get", *stripe, "--connector-refund-id", refund.connector_refund_id or "")
    told = run(*asked, cwd=tmp_path)
    assert re.search(r"^sentence +Your refund of €1,234\.56 was sent to ", told.stdout, re.MULTILINE)
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['refundry_explain'] = None\n")
    variables = environment({**STRIPE, "PYTHONPATH": str(tmp_path)})
    command = (*COMMAND, *asked)
    without = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60)  # noqa: S603
    assert without.stderr == ""
    assert without.returncode == ExitCode.SUCCEEDED
    assert without.stdout.splitlines() == [line for line in told.stdout.splitlines() if not line.startswith("sentence")]


def test_json_is_the_refund_on_one_line(sandbox: Sandbox, stripe: tuple[str, ...], tmp_path: Path) -> None:
    made = sandbox.add("stripe", words=("failed",))
    result = run("get", *stripe, "--connector-refund-id", made.connector_refund_id or "", "--json", cwd=tmp_path)
    with sandbox.client("stripe") as client:
        expected = client.get(made.query()).to_dict()
    shown = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert {**shown, "response_headers": None} == {**expected, "response_headers": None}


def test_a_state_that_is_not_known_is_open(acme: dict[str, str], tmp_path: Path) -> None:
    with serving(lambda _: json_answer({**DONE, "status": "strange"})) as server:
        result = run("get", "acme", "--base-url", server.url, "--connector-refund-id", "r1", cwd=tmp_path, env=acme)
    assert result.returncode == ExitCode.OPEN
    assert re.search(r"^status +UNKNOWN$", result.stdout, re.MULTILINE)
    assert re.search(r"^connector_status +strange$", result.stdout, re.MULTILINE)


def test_the_query_reaches_the_processor(acme: dict[str, str], tmp_path: Path) -> None:
    body = {**DONE, "id": "r 1/2", "currency": None, "payment": None}
    with serving(lambda _: json_answer(body)) as server:
        base = ("get", "acme", "--base-url", server.url, "--connector-refund-id", "r 1/2", "--json")
        without = run(*base, cwd=tmp_path, env=acme)
        given = run(
            *base, "--currency", "JPY", "--merchant-refund-id", "m1", "--metadata", "a=b=c", cwd=tmp_path, env=acme
        )
        assert server.asked[0].path == "/refunds/r%201%2F2"
    assert "refund_amount" not in json.loads(without.stdout)
    assert json.loads(given.stdout)["refund_amount"] == {"minor_amount": 1050, "currency": "JPY"}
    assert json.loads(given.stdout)["merchant_refund_id"] == "m1"


# errors


@pytest.mark.parametrize(
    ("options", "variables", "code", "says"),
    [
        (("--connector-refund-id", "nobody"), {}, ExitCode.NOT_FOUND, "never means that the refund failed"),
        (
            ("--connector-refund-id", "r"),
            {"REFUNDRY_STRIPE_API_KEY": "sk_test_wrong"},
            ExitCode.AUTHENTICATION,
            "refused",
        ),
        (("--connector-refund-id", "r"), {"REFUNDRY_STRIPE_API_KEY": " "}, ExitCode.USAGE, "api_key is missing"),
        ((), {}, ExitCode.USAGE, "a get needs connector_refund_id"),
        (("--connector-refund-id", ""), {}, ExitCode.USAGE, "connector_refund_id is empty"),
        (("--connector-refund-id", "r", "--metadata", "key"), {}, ExitCode.USAGE, "--metadata takes KEY=VALUE"),
        (("--connector-refund-id", "r", "--environment", "production"), {}, ExitCode.USAGE, "key for SANDBOX"),
        (("--connector-refund-id", "r", "--environment", "test"), {}, ExitCode.USAGE, "use SANDBOX or PRODUCTION"),
        (("--connector-refund-id", "r", "--base-url", "api=http://127.0.0.1:1"), {}, ExitCode.USAGE, "every base once"),
        (("--connector-refund-id", "r", "--config", "none.toml"), {}, ExitCode.USAGE, "there is no file none.toml"),
        (("--connector-refund-id", "r", "--setting", "colour=red"), {}, ExitCode.USAGE, "there is no setting 'colour'"),
        (("--connector-refund-id", "r", "--colour"), {}, ExitCode.USAGE, "No such option"),
    ],
)
def test_an_error_is_one_line_with_its_own_exit_code(
    stripe: tuple[str, ...],
    tmp_path: Path,
    options: tuple[str, ...],
    variables: dict[str, str],
    code: ExitCode,
    says: str,
) -> None:
    result = run("get", *stripe, *options, cwd=tmp_path, env=STRIPE | variables)
    assert result.returncode == code
    assert says in result.stderr
    assert result.stdout == ""
    assert len([line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]) == 1


@pytest.mark.parametrize(
    ("url", "says"), [("http://[::1", "base_url is no URL"), ("http://192.0.2.1", "must begin with https")]
)
def test_an_address_that_is_none_is_wrong_usage(tmp_path: Path, url: str, says: str) -> None:
    result = run("get", "stripe", "--base-url", url, "--connector-refund-id", "r", cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert says in result.stderr


def test_a_processor_out_of_reach_is_unavailable(tmp_path: Path) -> None:
    options = ("--base-url", "http://127.0.0.1:1", "--connector-refund-id", "r")
    result = run("get", "stripe", *options, cwd=tmp_path)
    assert result.returncode == ExitCode.UNAVAILABLE
    assert "nothing is known about the refund" in result.stderr


def test_a_page_for_people_is_not_understood(sandbox: Sandbox, stripe: tuple[str, ...], tmp_path: Path) -> None:
    refund = sandbox.add("stripe")
    sandbox.inject("stripe", Fault.HTML)
    result = run("get", *stripe, "--connector-refund-id", refund.connector_refund_id or "", cwd=tmp_path)
    assert result.returncode == ExitCode.NOT_UNDERSTOOD


def test_a_processor_without_get_says_what_to_do_instead(sandbox: Sandbox, tmp_path: Path) -> None:
    settings = {f"REFUNDRY_ADYEN_{name.upper()}": value for name, value in sandbox.settings("adyen").items()}
    result = run("get", "adyen", "--connector-refund-id", "r", cwd=tmp_path, env=settings)
    assert result.returncode == ExitCode.USAGE
    assert "webhooks" in result.stderr


@pytest.mark.parametrize("config", ["", "[accounts.shop]\nconnector = 'stripe'\n"])
def test_an_unknown_name_says_what_there_is(tmp_path: Path, config: str) -> None:
    (tmp_path / "refundry.toml").write_text(config)
    result = run("get", "strype", "--connector-refund-id", "r", cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert "pip install refundry-strype" in result.stderr
    assert ("accounts in refundry.toml: shop" in result.stderr) is bool(config)


def test_a_secret_on_the_command_line_is_refused(stripe: tuple[str, ...], tmp_path: Path) -> None:
    options = ("--connector-refund-id", "r", "--setting", "api_key=sk_test_canary")
    result = run("get", *stripe, *options, cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert "set the variable REFUNDRY_STRIPE_API_KEY instead" in result.stderr
    assert "canary" not in result.stdout + result.stderr


def test_every_error_and_status_has_an_exit_code() -> None:
    def kinds(error: type[errors.RefundryError]) -> Iterator[type[errors.RefundryError]]:
        yield error
        for kind in error.__subclasses__():
            yield from kinds(kind)

    codes = {kind.__name__: code_of_error(kind("x")) for kind in kinds(errors.RefundryError)}
    assert ExitCode.SUCCEEDED not in codes.values()
    assert not {ExitCode.FAILED, ExitCode.OPEN} & set(codes.values())
    assert [name for name, code in codes.items() if code is ExitCode.NOT_FOUND] == [
        "RefundNotFound",
        "NotARefund",
        "AmbiguousRefund",
    ]
    assert {code_of_status(status) for status in RefundStatus} == {ExitCode.SUCCEEDED, ExitCode.FAILED, ExitCode.OPEN}


def test_the_readme_and_the_help_list_every_exit_code(tmp_path: Path) -> None:
    shown = run("--help", cwd=tmp_path).stdout
    readme = (ROOT / "contrib" / "cli" / "README.md").read_text()
    assert set(MEANINGS) == set(ExitCode)
    for code, meaning in MEANINGS.items():
        assert f"{code:<4}{meaning}" in shown
        assert f"| {code} | {meaning} |" in readme


# hostile text


def hostile_refund(identifier: str = HOSTILE) -> dict[str, Any]:
    return {**DONE, "id": identifier, "payment": HOSTILE, "status": HOSTILE}


def test_what_a_processor_wrote_cannot_steer_the_terminal(acme: dict[str, str], tmp_path: Path) -> None:
    answers = iter([hostile_refund("r1"), hostile_refund()])
    with serving(lambda _: json_answer(next(answers))) as server:
        get = ("get", "acme", "--base-url", server.url, "--connector-refund-id", "r1")
        result, of_another = (run(*get, cwd=tmp_path, env=acme) for _ in range(2))
    assert f"connector_status          {HARMLESS}\n" in result.stdout
    assert of_another.returncode == ExitCode.NOT_UNDERSTOOD
    for shown in (result.stdout, of_another.stdout, of_another.stderr):
        assert all(letter.isprintable() or letter == "\n" for letter in shown)


@pytest.mark.parametrize("command", ["get", "list"])
def test_a_terminal_shows_markup_as_it_is(acme: dict[str, str], tmp_path: Path, command: str) -> None:
    items = {"items": [hostile_refund()]}
    with serving(lambda asked: json_answer(hostile_refund("r1") if "r1" in asked.path else items)) as server:
        identifiers = ("--connector-refund-id", "r1") if command == "get" else ("--since", "2026-03-01")
        shown = on_terminal((command, "acme", "--base-url", server.url, *identifiers), cwd=tmp_path, env=acme)
    assert "[bold red]x[/]" in shown
    assert "\x1b[" in shown, "a terminal gets colours"
    assert not [part for part in ("\x1b]0;", "\x07", "\x1b[31m[bold", "\u202e") if part in shown]


def test_a_narrow_terminal_shows_one_line_for_each_refund(acme: dict[str, str], tmp_path: Path) -> None:
    with serving(lambda _: json_answer({"items": [DONE, {**DONE, "id": "r2"}]})) as server:
        span = ("--since", "2026-03-01", "--until", "2026-03-03")
        shown = on_terminal(("list", "acme", "--base-url", server.url, *span), cwd=tmp_path, env=acme, columns=60)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    lines = [line for line in re.split(r"[\r\n]+", plain) if line.strip() and "pages" not in line]
    assert [line.split()[:2] for line in lines] == [["refund", "status"], ["r1", "SUCCEEDED"], ["r2", "SUCCEEDED"]]


def on_terminal(arguments: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], columns: int = 300) -> str:
    """What a terminal gets to see."""
    ours, theirs = pty.openpty()
    variables = environment({**env, "TERM": "xterm", "COLUMNS": str(columns)})
    process = subprocess.Popen(  # noqa: S603
        (*COMMAND, *arguments), cwd=cwd, env=variables, stdout=theirs, stderr=subprocess.DEVNULL
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # Linux says so that the other side is closed
        pass
    finally:
        os.close(ours)
        process.wait(timeout=30)
    return shown.decode()


# wait


def test_wait_sees_the_change_and_says_why_it_stopped(
    sandbox: Sandbox, stripe: tuple[str, ...], tmp_path: Path
) -> None:
    refund = sandbox.add("stripe", "settles")
    arguments = ("wait", *stripe, "--connector-refund-id", refund.connector_refund_id or "", "--timeout", "3", "--json")
    with subprocess.Popen(  # noqa: S603
        (*COMMAND, *arguments), cwd=tmp_path, env=environment(STRIPE), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stderr.readline() == b"PENDING (pending)\n"
        sandbox.clock.move(timedelta(days=4))
        rest, shown = process.stderr.read().decode(), json.loads(process.stdout.read())
    assert process.returncode == ExitCode.SUCCEEDED
    assert rest.splitlines()[0] == "SUCCEEDED (succeeded)"
    assert "The refund is settled: SUCCEEDED" in rest
    assert shown["status"] == "SUCCEEDED"


def test_wait_ends_open_when_time_is_up(sandbox: Sandbox, stripe: tuple[str, ...], tmp_path: Path) -> None:
    refund = sandbox.add("stripe", "held")
    identifier = refund.connector_refund_id or ""
    result = run("wait", *stripe, "--connector-refund-id", identifier, "--timeout", "1.5", cwd=tmp_path)
    assert result.returncode == ExitCode.OPEN
    assert result.stderr.count("MANUAL_REVIEW (requires_action)\n") == 1
    assert "asked 2 times" in result.stderr
    assert "Time is up and the refund is still MANUAL_REVIEW" in result.stderr


def test_ctrl_c_ends_a_wait_without_a_word_of_python(sandbox: Sandbox, stripe: tuple[str, ...], tmp_path: Path) -> None:
    refund = sandbox.add("stripe", "held")
    arguments = ("wait", *stripe, "--connector-refund-id", refund.connector_refund_id or "")
    with subprocess.Popen(  # noqa: S603
        (*COMMAND, *arguments), cwd=tmp_path, env=environment(STRIPE), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == b"MANUAL_REVIEW (requires_action)\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == ExitCode.INTERRUPTED
        assert process.stderr.read() == b""


@pytest.mark.parametrize("timeout", ["nan", "inf", "-1", "soon"])
def test_a_timeout_that_is_none_is_wrong_usage(stripe: tuple[str, ...], tmp_path: Path, timeout: str) -> None:
    result = run("wait", *stripe, "--connector-refund-id", "r", "--timeout", timeout, cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert "--timeout" in result.stderr


def test_wait_ends_unavailable_when_nobody_answers(tmp_path: Path) -> None:
    options = ("--base-url", "http://127.0.0.1:1", "--connector-refund-id", "r", "--timeout", "0")
    result = run("wait", "stripe", *options, cwd=tmp_path)
    assert result.returncode == ExitCode.UNAVAILABLE
    assert "could not be asked" in result.stderr


# list


def test_list_shows_the_same_refunds_in_every_form(tmp_path: Path) -> None:
    with Sandbox(["stripe"], speed=0) as sandbox:
        refunds = [refund for _, _, refund in sandbox.add_all()]
        made = {refund.connector_refund_id for refund in refunds}
        payment = refunds[1].connector_transaction_id or ""
        sandbox.clock.move(timedelta(days=4))
        stripe = ("list", "stripe", "--base-url", sandbox.base_urls("stripe")["api"], "--until", "2999-01-01")
        span = ("--since", "2026-01-01T00:00:00Z")
        plain = run(*stripe, *span, "--page-size", "1", cwd=tmp_path)
        lines = run(*stripe, *span, "--page-size", "2", "--json", cwd=tmp_path)
        table = run(*stripe, *span, "--csv", cwd=tmp_path)
        one = run(*stripe, *span, "--connector-transaction-id", payment, "--json", cwd=tmp_path)
        assert sandbox.requests("stripe") == 5 + 3 + 1 + 1
    assert [result.returncode for result in (plain, lines, table, one)] == [0, 0, 0, 0]
    assert {line.split()[0] for line in plain.stdout.splitlines()[1:]} == made
    assert {json.loads(line)["connector_refund_id"] for line in lines.stdout.splitlines()} == made
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert {row["connector_refund_id"] for row in rows} == made
    assert {(row["minor_amount"], row["amount"], row["currency"]) for row in rows} == {("1050", "10.50", "EUR")}
    assert json.loads(one.stdout)["connector_transaction_id"] == payment
    assert "\x1b" not in plain.stdout + plain.stderr


FORMULAS = ("=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "\uff1d")


def test_no_cell_of_a_csv_is_a_formula(acme: dict[str, str], tmp_path: Path) -> None:
    items = [{**DONE, "id": f'{start}cmd|"x"!A1', "payment": "a,b"} for start in FORMULAS]
    with serving(lambda _: json_answer({"items": items})) as server:
        span = ("--since", "2026-03-01", "--until", "2026-03-03")
        result = run("list", "acme", "--base-url", server.url, *span, "--csv", cwd=tmp_path, env=acme)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == len(FORMULAS)
    assert {row["connector_refund_id"][0] for row in rows} == {"'"}
    assert {row["connector_transaction_id"] for row in rows} == {"a,b"}
    assert {row["refund_reason"] for row in rows} == {""}


def test_a_list_tells_of_items_that_it_could_not_read(acme: dict[str, str], tmp_path: Path) -> None:
    with serving(lambda _: json_answer({"items": [DONE, {"status": "done"}]})) as server:
        arguments = (
            "list",
            "acme",
            "--base-url",
            server.url,
            "--since",
            "2026-03-01",
            "--until",
            "2026-03-03",
            "--json",
        )
        result = run(*arguments, cwd=tmp_path, env=acme)
    assert result.returncode == ExitCode.NOT_UNDERSTOOD
    assert json.loads(result.stdout)["connector_refund_id"] == "r1"
    assert result.stderr.count("could not be read") == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--json", "--csv"), "not both"),
        (("--since", "yesterday"), "--since"),
        (("--until", "0001-01-01T00:00:00+23:59"), "--until"),
        (("--since", "2026-03-02", "--until", "2026-03-01"), "since must be before until"),
        (("--page-size", "101"), "page_size must be from 1 to 100"),
    ],
)
def test_a_window_that_is_none_is_wrong_usage(
    stripe: tuple[str, ...], tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    result = run("list", *stripe, *options, cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert says in result.stderr


# event


def write_event(sandbox: Sandbox, folder: Path, word: str = "failed") -> tuple[str, ...]:
    """A webhook in two files, and the options that hand it over."""
    refund = sandbox.add("stripe", words=(word,))
    event = sandbox.event("stripe", refund.connector_refund_id or "")
    (folder / "body").write_bytes(event.body)
    (folder / "headers").write_text("\n".join(f"{name}: {value}" for name, value in event.headers.items()))
    return ("--headers-file", "headers", "--received-at", event.received_at.isoformat())


def test_an_event_is_verified_and_shown(sandbox: Sandbox, tmp_path: Path) -> None:
    options = write_event(sandbox, tmp_path)
    plain = run("event", "stripe", "body", *options, cwd=tmp_path)
    assert plain.returncode == 0
    assert re.search(r"^status +FAILED$", plain.stdout, re.MULTILINE)
    assert "speaks of 1 refund" in plain.stderr
    piped = run("event", "stripe", "-", *options, "--json", cwd=tmp_path, stdin=(tmp_path / "body").read_bytes())
    shown = json.loads(piped.stdout)
    assert shown["refund"]["status"] == "FAILED"
    assert shown["event_id"].startswith("evt_")
    assert shown["query"]["connector_refund_id"] == shown["refund"]["connector_refund_id"]


def test_headers_can_be_given_one_by_one(sandbox: Sandbox, tmp_path: Path) -> None:
    _, _, *received = write_event(sandbox, tmp_path)
    headers = [part for line in (tmp_path / "headers").read_text().splitlines() for part in ("--header", line)]
    assert run("event", "stripe", "body", *headers, *received, cwd=tmp_path).returncode == 0


def test_an_event_that_is_not_authentic_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    options = write_event(sandbox, tmp_path)
    wrong = run(
        "event", "stripe", "body", *options, cwd=tmp_path, env={"REFUNDRY_STRIPE_WEBHOOK_SECRET": "whsec_other"}
    )
    body = tmp_path / "body"
    body.write_bytes(body.read_bytes() + b" ")
    changed = run("event", "stripe", "body", *options, cwd=tmp_path)
    late = run("event", "stripe", "body", "--headers-file", "headers", "--received-at", "2999-01-01", cwd=tmp_path)
    for result in (wrong, changed, late):
        assert result.returncode == ExitCode.SIGNATURE
        assert result.stdout == ""
        assert result.stderr.startswith("error: stripe: ")


@pytest.mark.parametrize(
    ("options", "says"),
    [(("nowhere",), "nowhere cannot be read"), (("body", "--header", "no colon"), "a header is 'Name: value'")],
)
def test_an_event_that_cannot_be_read_is_wrong_usage(
    sandbox: Sandbox, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    write_event(sandbox, tmp_path)
    result = run("event", "stripe", *options, cwd=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert says in result.stderr


# accounts


def test_an_account_gives_the_settings_and_the_command_line_overrides_them(sandbox: Sandbox, tmp_path: Path) -> None:
    refund = sandbox.add("stripe", words=("succeeded",))
    config = tmp_path / "other.toml"
    config.write_text(
        '[accounts.shop]\nconnector = "stripe"\nbase_url = "http://127.0.0.1:1"\napi_key = { env = "SHOP_KEY" }\n'
    )
    options = ("--config", str(config), "--connector-refund-id", refund.connector_refund_id or "")
    url = ("--base-url", sandbox.base_urls("stripe")["api"])
    key = {"SHOP_KEY": STRIPE["REFUNDRY_STRIPE_API_KEY"]}
    assert run("get", "shop", *options, *url, cwd=tmp_path, env=key).returncode == ExitCode.SUCCEEDED
    assert run("get", "shop", *options, cwd=tmp_path, env=key).returncode == ExitCode.UNAVAILABLE
    unset = run("get", "shop", *options, *url, cwd=tmp_path, env={})
    assert unset.returncode == ExitCode.USAGE
    assert "SHOP_KEY is not set" in unset.stderr
    secret = run("get", "shop", *options, "--setting", "api_key=canary", cwd=tmp_path, env=key)
    assert secret.returncode == ExitCode.USAGE
    assert "canary" not in secret.stderr


def test_a_connector_with_several_bases_takes_each_by_name(acme: dict[str, str], tmp_path: Path) -> None:
    oauth = {"REFUNDRY_ACME_CLIENT_SECRET": "s-123456", "PYTHONPATH": acme["PYTHONPATH"]}
    with (
        serving(lambda _: json_answer({"access_token": "t-1", "expires_in": 60})) as auth,
        serving(lambda _: json_answer(DONE)) as api,
    ):
        urls = ("--base-url", f"api={api.url}", "--base-url", f"auth={auth.url}")
        arguments = ("get", "acme", *urls, "--setting", "client_id=c1", "--connector-refund-id", "r1")
        assert run(*arguments, cwd=tmp_path, env=oauth).returncode == ExitCode.SUCCEEDED
        assert api.asked[0].headers["authorization"] == "Bearer t-1"
