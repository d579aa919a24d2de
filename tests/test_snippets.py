"""Every Python snippet of every README runs.

Its clients ask the processors' own hosts, for which the connectors' sandboxes answer: they accept any credential and
have any refund.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
from requests.adapters import BaseAdapter

from refundry import RefundNotFound, transport
from refundry.http import Response
from refundry.model import SUCCEEDED, Refund
from refundry.plugins import connector_names, load_connector, sandbox_hooks
from refundry.sandbox import Book, Call
from refundry.testing import Wiring
from refundry.testing.cases import Cases
from refundry.testing.wiring import sandbox_of

ROOT = Path(__file__).parent.parent
READMES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("core/*.md")), *sorted(ROOT.glob("*/*/*.md"))]
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)

IDENTIFIER = re.compile(r'(connector_refund_id|connector_transaction_id|merchant_refund_id)="([^"]+)"')

SETTING = re.compile(r'(\w+)="([^"]+)"')


def snippets() -> list[Any]:
    """Each snippet with the file and line that it stands in."""
    found = []
    for path in READMES:
        text = path.read_text()
        for match in SNIPPET.finditer(text):
            line = text[: match.start()].count("\n") + 2
            found.append(pytest.param(path, line, match[1], id=f"{path.relative_to(ROOT)}:{line}"))
    return found


class Generous(Book):
    """A book that has every refund."""

    example: Refund

    def refund(self, connector_refund_id: str | None) -> Refund:
        if not connector_refund_id:
            raise RefundNotFound("no identifier")
        return attrs.evolve(self.example, connector_refund_id=connector_refund_id)

    def listed(self, **window: Any) -> list[Refund]:
        payment = window.get("connector_transaction_id") or self.example.connector_transaction_id
        return [attrs.evolve(self.example, connector_transaction_id=payment, created_at=window.get("since"))]

    def check_token(self, call: Call) -> None:
        """Every token will do."""


class Welcoming(Wiring):
    """A sandbox that refuses no token, and knows the credentials that a snippet shows."""

    def __init__(self, name: str, source: str) -> None:
        connector = load_connector(name)
        super().__init__(connector)
        cases = type(name, (Cases,), {"connector": connector})()
        sandbox = sandbox_of(connector)
        written = {name: value for name, value in SETTING.findall(source) if name in sandbox.settings}
        self.hooks = sandbox_hooks(sandbox(connector(**{**sandbox.settings, **written})))
        words = [word for life in sandbox.lives.values() for word in life]
        word = next((one for one in words if connector.statuses[one] is SUCCEEDED), words[0])
        self.book = Generous(now=self.clock.now())
        shown = {name: value for name, value in IDENTIFIER.findall(source) if name in sandbox.expressible}
        self.book.example = attrs.evolve(cases.example(word), **shown)

    def reply(self, call: Call) -> Response:
        try:
            return self.hooks.answer_call(call, self.book)
        except RefundNotFound as error:
            return self.hooks.render_error(error)


class Everywhere(BaseAdapter):
    """Answers for the host of each processor that a snippet names."""

    def __init__(self, source: str) -> None:
        super().__init__()
        named = set(re.findall(r'"([a-z0-9-]+)"', source))
        self._sandboxes = [Welcoming(name, source) for name in connector_names() if name in named]

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        for sandbox in self._sandboxes:
            if any(str(request.url).startswith(url) for url in sandbox.urls.values()):
                return sandbox.send(request, **options)
        raise requests.exceptions.ConnectionError(f"no sandbox answers for {request.url}")

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(("path", "line", "source"), snippets())
def test_a_snippet_runs(path: Path, line: int, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def session() -> requests.Session:
        made = requests.Session()
        made.mount("https://", Everywhere(source))
        return made

    monkeypatch.setattr(transport, "_own_session", session)
    monkeypatch.chdir(path.parent)
    code = compile("\n" * (line - 1) + source, str(path), "exec")
    exec(code, {"__name__": "snippet"})  # noqa: S102


def test_there_are_snippets_in_every_readme_of_a_plugin() -> None:
    for path in ROOT.glob("plugins/*/README.md"):
        assert SNIPPET.search(path.read_text()), f"{path.parent.name} shows no snippet"
