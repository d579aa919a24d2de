"""The README of refundry-django, followed as a new user follows it: the code on the page is the code that runs."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import requests

from refundry_sandbox import Sandbox

README = (Path(__file__).parents[2] / "contrib/django/README.md").read_text()
SEVERAL = """
import sys

import django
from django.core.management import call_command

django.setup()
for line in sys.argv[1:]:
    name, *arguments = line.split()
    call_command(name, *arguments)
"""
APP = """
from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "notices"

    def ready(self):
        from notices import receivers
"""


def block(mark: str) -> str:
    """The code under this mark."""
    found = re.search(rf"<!-- {mark} -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no code marked {mark}"
    return found[1]


@attrs.define
class Project:
    """A project in a folder of its own."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(  # noqa: S603  our own interpreter
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def manage(self, *commands: str) -> str:
        """What these commands of ``manage.py`` write, all run by one process, for its start is most of their time."""
        return self.run("-c", SEVERAL, *commands)

    def append(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + text)


@contextmanager
def served(project: Project) -> Iterator[str]:
    """The project's own server; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    server = subprocess.Popen(  # noqa: S603
        command, cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["stripe"]) as sandbox:
        yield sandbox


@pytest.fixture
def project(tmp_path: Path, sandbox: Sandbox) -> Project:
    settings = sandbox.settings("stripe")
    secrets = {"STRIPE_KEY": settings["api_key"], "STRIPE_HOOK": settings["webhook_secret"]}
    project = Project(tmp_path, {**os.environ, **secrets, "DJANGO_SETTINGS_MODULE": "shop.settings"})
    project.run("-m", "django", "startproject", "shop", ".")
    account = f'"connector": "stripe", "base_url": {sandbox.base_urls("stripe")},'
    described = block("settings").replace('"connector": "stripe",', account)
    project.append("shop/settings.py", f'{described}\nINSTALLED_APPS.append("notices.apps.NoticesConfig")\n')
    project.append("shop/urls.py", f"already = urlpatterns\n{block('urls')}\nurlpatterns = already + urlpatterns\n")
    project.append("notices/apps.py", APP)
    project.append("notices/receivers.py", block("receivers"))
    return project


def test_from_nothing_to_a_running_webhook(project: Project, sandbox: Sandbox) -> None:
    assert "no issues" in project.manage("migrate", "migrate --database refunds", "check --database refunds")
    told, tracked = (sandbox.add("stripe").connector_refund_id or "" for _ in range(2))
    with served(project) as address:
        assert sandbox.deliver("stripe", told, f"{address}/refundry/webhooks/stripe-eu/", copies=3) == [200] * 3
        assert requests.get(f"{address}/admin/login/", timeout=30).status_code == 200
    books = f"stripe-eu --connector-refund-id {tracked} --amount 10.50 --currency EUR"
    said = project.manage(f"refundry_add {books}", "refundry_track", f"refundry_show {told}")
    changes = [f"stripe-eu: {one} was None, is PENDING" for one in (told, tracked)]
    assert [line for line in said.splitlines() if "was None" in line] == changes
    assert "\n2 changes told, 0 failed\n" in said
    assert "\twebhook\tPENDING\tpending\t10.50 EUR" in said
