"""``refundry serve`` and ``refundry token``, run as a user runs them, and the demo."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
import requests
import webservers
from commands import run_command
from typer.testing import CliRunner

import refundry_web
from refundry.errors import ConfigurationError
from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN
from refundry_cli.app import app
from refundry_cli.books import open_ledger
from refundry_ledger import Filters, Ledger
from refundry_sandbox import Sandbox
from refundry_stripe import Stripe
from refundry_web import Settings, api
from refundry_web.demo import playing
from refundry_web.entering import entry_path
from refundry_web.serving import listen
from refundry_web.settings import read_settings
from refundry_web.tokens import Role, id_of

SECRET = "canary_session_key_0123456789abcdef"


@attrs.define
class Shop:
    """A folder with a refundry.toml whose one account asks the sandbox."""

    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "refundry_cli", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command(*arguments, cwd=self.folder, env=self.environment)

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
        """The running service and what it has printed, up to how to stop it."""
        out = (self.folder / "out.txt").open("w+")
        with (
            out,
            subprocess.Popen(  # noqa: S603
                self.command("serve", "--port", "0", *arguments),
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            try:
                printed = self._printed(process)
                yield process, printed
            finally:
                process.kill()

    def _printed(self, process: subprocess.Popen[str]) -> list[str]:
        until = time.monotonic() + 90
        while time.monotonic() < until and process.poll() is None:
            text = (self.folder / "out.txt").read_text()
            if "Stop it with Ctrl-C." in text:
                return text.splitlines()
            time.sleep(0.05)
        pytest.fail((self.folder / "out.txt").read_text())


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["stripe"]) as made:
        yield made


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox) -> Shop:
    settings = sandbox.settings("stripe")
    (tmp_path / "refundry.toml").write_text(
        f"""ledger = "books.db"
[web]
session_key = {{ env = "SESSION_KEY" }}
requests_per_minute = 50
[accounts.stripe-eu]
connector = "stripe"
base_url = "{sandbox.base_urls("stripe")["api"]}"
api_key = {{ env = "STRIPE_KEY" }}
webhook_secret = {{ env = "STRIPE_HOOK" }}
"""
    )
    secrets = {"STRIPE_KEY": settings["api_key"], "STRIPE_HOOK": settings["webhook_secret"], "SESSION_KEY": SECRET}
    return Shop(tmp_path, {**os.environ, **secrets})


def address(printed: list[str]) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", "\n".join(printed))
    assert found
    return found[0]


def test_a_token_is_made_used_listed_and_revoked_and_the_service_ends_well(shop: Shop, sandbox: Sandbox) -> None:
    made = shop.run("token", "add", "Ann", "--role", "operate")
    token = made.stdout.strip()
    assert made.returncode == 0
    assert re.fullmatch(r"rfd_[0-9a-f]{12}_[\w-]{43}", token)
    headers = {"Authorization": f"Bearer {token}"}
    with shop.serving() as (process, printed):
        url = address(printed)
        refund = sandbox.add("stripe", after=timedelta(days=9)).connector_refund_id or ""
        body = {"account": "stripe-eu", "connector_refund_id": refund}
        assert requests.post(f"{url}/v1/refunds", json=body, headers=headers, timeout=30).status_code == 201
        assert sandbox.deliver("stripe", refund, f"{url}/webhooks/stripe-eu") == [200]
        assert requests.get(f"{url}/v1/audit", headers=headers, timeout=30).status_code == 403

        books = ["--ledger", str(shop.folder / "books.db")]
        listed = CliRunner().invoke(app, ["token", "list", *books]).output
        assert "Ann" in listed
        assert token.split("_", 2)[2] not in listed
        assert [CliRunner().invoke(app, ["token", "revoke", "Ann", *books]).exit_code for _ in range(2)] == [0, 5]
        assert requests.get(f"{url}/v1/totals", headers=headers, timeout=30).status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    text = (shop.folder / "out.txt").read_text()
    assert text.endswith("The desk has closed.\n")
    for secret in (SECRET, token, *sandbox.settings("stripe").values()):
        assert str(secret) not in text
    with Ledger.open(str(shop.folder / "books.db")) as ledger:
        history = ledger.history("stripe-eu", refund)
        assert {one.source for one in history.observations} >= {"webhook"}


def test_a_due_refund_is_asked_for_while_the_desk_serves(shop: Shop, sandbox: Sandbox) -> None:
    refund = sandbox.add("stripe", after=timedelta(days=9)).connector_refund_id or ""
    assert shop.run("track", "add", "stripe-eu", "--connector-refund-id", refund).returncode == 0
    with shop.serving() as (process, _), Ledger.open(str(shop.folder / "books.db")) as ledger:
        until = time.monotonic() + 60
        while ledger.find(refund)[0].status is None and time.monotonic() < until:
            time.sleep(0.05)
        assert ledger.find(refund)[0].status is PENDING
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_port_that_is_taken_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} cannot be used"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('session_key = "plain"', "is a secret"),
        ("requests_per_minute = 0", "greater than 0"),
        ('body_limit = "1 MB"', "of the kind int"),
        ("sesion_hours = 1", "has no setting 'sesion_hours'"),
    ],
)
def test_a_setting_that_is_wrong_is_named(tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "refundry.toml").write_text(f"[web]\n{table}\n")
    with pytest.raises(ConfigurationError, match=said):
        read_settings(tmp_path / "refundry.toml")


def test_settings_have_defaults_and_hide_their_key(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "none.toml", secure_cookies=False)
    assert not settings.secure_cookies
    assert settings.session_key not in repr(settings)
    assert settings.session_key != Settings().session_key


def test_without_an_account_the_demo_is_named(tmp_path: Path) -> None:
    (tmp_path / "refundry.toml").write_text("")
    arguments = ["serve", "--port", "0", "--config", str(tmp_path / "refundry.toml")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ConfigurationError)
    assert "refundry serve --demo" in str(result.exception)


def test_the_readme_names_every_setting_role_and_operation() -> None:
    readme = (Path(refundry_web.__file__).parents[2] / "README.md").read_text()
    for name in (*(field.name for field in attrs.fields(Settings)), *Role):
        assert f"`{name}`" in readme
    for route in api.router.routes:
        assert getattr(route, "path", "").replace("{number}", "NUMBER") in readme


def test_the_demo_has_a_past_of_weeks_and_lives_on() -> None:
    told: list[str] = []
    stop = threading.Event()
    with playing(Settings(secure_cookies=False), told.append, stop, ["stripe", "adyen", "fiserv"]) as demo:
        ledger = demo.desk.ledger
        statuses = {one.status for one in ledger.totals()}
        assert statuses >= {SUCCEEDED, FAILED, PENDING, MANUAL_REVIEW}
        assert ledger.needing_attention()
        moments = [one.added_at for one in ledger.page(limit=100).refunds]
        assert max(moments) - min(moments) > timedelta(days=20)
        assert ledger.spans().settling
        assert len(told) == 1
        with webservers.serving_desk(ledger, demo.desk.clients) as served:
            before = len(moments)
            living = threading.Thread(target=demo.live_on, args=(served.url, stop, 0.05))
            living.start()
            until = time.monotonic() + 30
            while len(ledger.page(limit=100).refunds) == before and time.monotonic() < until:
                time.sleep(0.05)
            stop.set()
            living.join()
            assert len(ledger.page(limit=100).refunds) > before


def test_the_demo_shows_what_a_word_that_no_document_has_looks_like() -> None:
    with playing(Settings(secure_cookies=False), lambda _: None, threading.Event(), ["adyen", "stripe"]) as demo:
        ledger = demo.desk.ledger
        (record,) = ledger.page(Filters(status=UNKNOWN)).refunds
        assert record.account == "stripe", "Adyen cannot be asked"
        assert record.connector_status not in Stripe.statuses
        said = ledger.history("stripe", record.id).observations
        assert [one.status for one in said] == [PENDING, UNKNOWN]
        assert {one.source for one in said} == {"get"}, "the sandbox has served it"
        assert record.attention == "unknown word"
        with webservers.serving_desk(ledger, demo.desk.clients) as served:
            with requests.Session() as browser:
                token = id_of(served.token("operate"))
                browser.get(served.url + entry_path(served.desk, token), timeout=30)
                page = browser.get(f"{served.url}/refunds/{record.id}", headers={"Accept": "text/html"}, timeout=30)
    assert (page.status_code, "Unknown word" in page.text, str(record.connector_status) in page.text) == (
        200,
        True,
        True,
    )


def test_a_signal_that_comes_while_everything_is_made_ready_ends_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(url: str | None, config: Path | None) -> Ledger:
        signal.raise_signal(signal.SIGTERM)
        return open_ledger(url, config)

    monkeypatch.setattr("refundry_cli.desk.open_ledger", opened)
    monkeypatch.chdir(shop.folder)
    late: list[str] = []

    def again() -> None:
        late.append("it went on")
        os.kill(os.getpid(), signal.SIGTERM)

    watch = threading.Timer(20, again)
    watch.start()
    result = CliRunner().invoke(app, ["serve", "--port", "0"], env=shop.environment)
    watch.cancel()
    assert (result.exit_code, late) == (0, [])
