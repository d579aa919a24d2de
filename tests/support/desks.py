"""A refund desk on loopback with a sandbox behind it, and people who use its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import attrs
import requests
from webservers import serving_desk

from refundry.model import Refund
from refundry_ledger import Ledger, RefundRecord
from refundry_sandbox import Sandbox
from refundry_web import Desk
from refundry_web.tokens import Role

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
HTML = {"Accept": "text/html,*/*"}
_PATIENT = {
    "session_hours": 100_000,  # the clock is moved by days
    "requests_per_minute": 100_000,
    "failures_per_minute": 100_000,
}
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@attrs.frozen(kw_only=True)
class RunningDesk:
    """A desk that answers at ``url``, with a token for each role."""

    desk: Desk
    sandbox: Sandbox
    url: str
    tokens: dict[str, str] = attrs.field(repr=False)

    @property
    def ledger(self) -> Ledger:
        """The desk's ledger."""
        return self.desk.ledger

    def add(self, name: str = "stripe", life: str = "settles", *, heard: bool = True, **facts: Any) -> RefundRecord:
        """A refund at this processor, tracked, and asked for once unless it shall not be ``heard`` of."""
        tracked = {key: facts.pop(key) for key in ("refund_reason", "expected_amount", "note") if key in facts}
        made = self.sandbox.add(name, life, **{"after": timedelta(days=3), **facts})
        return self.track(name, made, heard=heard, **tracked)

    def track(
        self,
        name: str,
        made: Refund,
        *,
        heard: bool = True,
        note: str | None = None,
        refund_reason: str | None = None,
        **more: Any,
    ) -> RefundRecord:
        """Have the ledger track a refund of the sandbox; ``note`` stands in its metadata."""
        noted = {"note": note} if note else {}
        query = attrs.evolve(made.query(), refund_reason=refund_reason, metadata={**made.query().metadata, **noted})
        record = self.ledger.track(name, query, **more)
        return self.ledger.ask_now(self.desk.clients[name], record.id) if heard else record

    def later(self, record: RefundRecord, **duration: float) -> RefundRecord:
        """Let this much time pass, then ask for the refund again."""
        self.sandbox.clock.move(timedelta(**duration))
        return self.ledger.ask_now(self.desk.clients[record.account], record.id)

    def visitor(self, role: str | None = None) -> Visitor:
        """Somebody with a session of their own, signed in with this role."""
        visitor = Visitor(self.url)
        if role:
            assert visitor.sign_in(self.tokens[role]).status_code == 200
        return visitor


class Visitor:
    """A browser without scripts: it keeps cookies, follows links and sends forms."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def cookies(self) -> dict[str, str]:
        """A copy of the cookies that it has now."""
        return self._session.cookies.get_dict()

    def get(self, path: str, **options: Any) -> requests.Response:
        """A page."""
        return self._session.get(self.url + path, headers=HTML, timeout=20, **options)

    def send(self, path: str, /, *, seen: str = "/sign-in", **fields: str) -> requests.Response:
        """Send a form, with the CSRF token of a page that was seen before."""
        token = _CSRF.search(self.get(seen).text)
        given = {"csrf": token[1]} if token else {}
        return self._session.post(self.url + path, data=given | fields, headers=HTML, timeout=20)

    def sign_in(self, token: str, **fields: str) -> requests.Response:
        """Sign in with a token."""
        return self.send("/sign-in", token=token, **fields)


def text_of(page: requests.Response) -> str:
    """What a person reads on a page: without tags, spaces run together."""
    body = re.sub(r"<(script|style|title)\b.*?</\1>", " ", page.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


@contextmanager
def running_desk(folder: Path, *names: str, **settings: Any) -> Iterator[RunningDesk]:
    """A desk with these processors, on a clock that stands still; gone when the block ends."""
    with (
        Sandbox(list(names) or ["stripe"], speed=0, start=START) as sandbox,
        Ledger.open(str(folder / "desk.db"), clock=sandbox.clock) as ledger,
    ):
        clients = {name: sandbox.client(name) for name in sandbox.names}
        with serving_desk(ledger, clients, **{**_PATIENT, **settings}) as served:
            tokens = {role.value: served.token(role.value, f"the {role} person") for role in Role}
            yield RunningDesk(desk=served.desk, sandbox=sandbox, url=served.url, tokens=tokens)
