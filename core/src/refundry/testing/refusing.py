"""What goes wrong is a typed error, and no secret shows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from refundry.connector import settings_of
from refundry.errors import (
    AuthenticationError,
    InvalidQuery,
    MappingError,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
    UnsupportedOperation,
)
from refundry.http import Response
from refundry.sandbox import varied
from refundry.testing.cases import Cases, MayBeRefused
from refundry.testing.wiring import Wiring

EVIL_IDENTIFIERS = (
    "../../v1/other",
    "..",
    "a/b",
    "a?b=c",
    "a#b",
    "a%2Fb",
    "a b",
    "a&b=c",
    "a;b",
    'a"b',
    "a'b",
    "</id><id>",
    "{a}",
    "ä",
    "a\r\nX-Evil: 1",
    "\x00",
)


class RefusalContract(Cases):
    """From whatever else comes to an error that says what to do."""

    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (429, b"", RateLimited),
            (500, b"", ProcessorUnavailable),
            (502, b"<html><body>Bad gateway</body></html>", ProcessorUnavailable),
            (503, b"{}", ProcessorUnavailable),
            (504, b"[", ProcessorUnavailable),
            (200, b"", MappingError),
            (200, b"<!doctype html><html></html>", MappingError),
            (302, b"", RefundryError),
            (404, b"<!doctype html><html></html>", RefundryError),
        ],
    )
    def test_an_answer_that_is_none_is_a_typed_error(
        self, status: int, body: bytes, expected: type[RefundryError]
    ) -> None:
        self.needs("get")
        refund = self.example()
        wiring = self.wiring(refund)
        kind = "text/html" if b"<" in body else "application/json"
        wiring.tamper = lambda _: Response(status, {"Content-Type": kind}, body)
        with pytest.raises(expected) as caught:
            wiring.client().get(self.query(refund))
        assert caught.value.connector == self.connector.name
        assert caught.value.operation in ("get", "token")
        assert "html" not in str(caught.value).lower()

    def test_wrong_credentials_are_refused(self) -> None:
        self.needs("get")
        refund = self.example()
        wiring = self.wiring(refund)
        secrets = {one.name for one in settings_of(self.connector) if one.secret and "get" in one.needed_for}
        wrong = {name: varied(value) if name in secrets else value for name, value in wiring.settings.items()}
        with pytest.raises(AuthenticationError):
            wiring.client(wrong).get(self.query(refund))

    def test_an_unknown_refund_is_not_found(self) -> None:
        self.needs("get")
        refund = self.example()
        wiring = self.wiring()
        with pytest.raises(RefundNotFound):
            wiring.client().get(self.query(refund))

    @pytest.mark.parametrize("error", [RateLimited("slow down"), RefundNotFound("none"), AuthenticationError("no")])
    def test_what_the_sandbox_renders_as_an_error_is_that_error(self, error: RefundryError) -> None:
        self.needs("get")
        refund = self.example()
        wiring = self.wiring(refund)
        wiring.tamper = lambda _: wiring.hooks.render_error(error)
        with pytest.raises(type(error)):
            wiring.client().get(self.query(refund))

    def test_a_missing_identifier_is_named_before_any_request(self) -> None:
        self.needs("get")
        wiring = self.wiring()
        with pytest.raises(InvalidQuery) as caught:
            wiring.client().get(refund_reason="none")
        assert any(name in str(caught.value) for names in self.connector.identifiers for name in names)
        assert wiring.sent == []

    @pytest.mark.parametrize("evil", EVIL_IDENTIFIERS)
    def test_an_identifier_cannot_break_out(self, evil: str) -> None:
        self.needs("get")
        refund = self.example()
        harmless, attacked = self.wiring(refund), self.wiring(refund)
        self.asked(harmless, refund)
        fields = {name: value for name, value in self.query(refund).items() if "." not in name}
        for name in fields:
            with pytest.raises(RefundryError) if not evil.isprintable() else MayBeRefused():
                attacked.client().get({**fields, name: evil})
        for request in attacked.sent:
            sent = urlsplit(str(request.url))
            assert sent.netloc in {urlsplit(str(one.url)).netloc for one in harmless.sent}
            assert str(request.url).isascii()
            assert all(str(value).isprintable() for value in request.headers.values())
            assert any(sent.path.count("/") == urlsplit(str(one.url)).path.count("/") for one in harmless.sent)
            assert any(sent.query.count("&") == urlsplit(str(one.url)).query.count("&") for one in harmless.sent)

    def test_it_asks_only_declared_hosts(self) -> None:
        self.needs("get")
        refund = self.example()
        wiring = self.wiring(refund)
        self.asked(wiring, refund)
        for request in wiring.sent:
            wiring.client().account.check_host(str(request.url))

    def test_what_it_cannot_do_says_what_to_do(self) -> None:
        client = self.wiring().client()
        if not client.account.can("get"):
            with pytest.raises(UnsupportedOperation, match=r"handle_event|list"):
                client.get(connector_refund_id="1")
        if not client.account.can("list"):
            with pytest.raises(UnsupportedOperation):
                client.list()

    def test_no_secret_shows_anywhere(self, caplog: pytest.LogCaptureFixture) -> None:
        wiring = self.wiring(self.example())
        secrets = [
            str(wiring.settings[one.name])
            for one in settings_of(self.connector)
            if one.secret and wiring.settings.get(one.name)
        ]
        with caplog.at_level(logging.DEBUG):
            shown = list(self._everything_shown(wiring))
        assert secrets
        for secret in secrets:
            assert not any(secret in text for text in (*shown, caplog.text)), "a secret shows"

    def _everything_shown(self, wiring: Wiring) -> Iterator[str]:
        client = wiring.client(plugins=[])
        account = client.account
        yield from (repr(client), repr(account), repr(account.connector))
        refund = self.example()
        if account.can("get"):
            query = self.query(refund)
            yield repr(account.hooks.fetch_refund(query))
            yield str(account.hooks.fetch_refund(query).to_wire("https://example.com").body)
            yield repr(client.get(query))
            for status in (400, 401, 404, 429, 500):
                body = " ".join(str(value) for value in wiring.settings.values()).encode()
                wiring.tamper = lambda _, status=status, body=body: Response(status, {}, body)  # type: ignore[misc]
                with pytest.raises(RefundryError) as caught:
                    client.get(query)
                yield from (str(caught.value), repr(caught.value))
        for name in wiring.settings:
            with pytest.raises(RefundryError) as caught:
                wiring.client({**wiring.settings, name: ""})
            yield str(caught.value)
