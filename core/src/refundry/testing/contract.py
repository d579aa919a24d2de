"""What every connector must satisfy.

```python
class TestAcme(ConnectorContract):
    connector = Acme
    documented = {"pending", "done", "declined"}
```

What does not apply is skipped by what the connector declares and implements, never by its test.
"""

from __future__ import annotations

import ast
import inspect
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, ClassVar
from urllib.parse import urlsplit

import attrs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from refundry.account import HOOKS
from refundry.connector import ENVIRONMENTS, Connector, settings_of
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
from refundry.model import UNKNOWN, Money, Refund, RefundQuery, RefundStatus
from refundry.plugins import connector_hooks, connector_names, load_connector
from refundry.testing.cassettes import CassetteContract
from refundry.testing.mutations import mutated_bodies, replace_one_item
from refundry.testing.strategies import refunds
from refundry.testing.webhooks import WebhookContract
from refundry.testing.wiring import Wiring, sandbox_of

MUTATIONS = 10_000
LONGEST_CONNECTOR = 250
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
_IMPURE_MODULES = {"asyncio", "io", "os", "pathlib", "random", "requests", "secrets", "socket", "subprocess", "time"}
_IMPURE_CALLS = {"open", "print", "now", "utcnow", "today", "uuid4", "uuid1"}
_every_class = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)


class ConnectorContract(WebhookContract, CassetteContract):
    """Inherit it, name the connector, and list by hand what the processor documents."""

    connector: ClassVar[type[Connector]]
    documented: ClassVar[set[str]]
    """Every status condition that the processor's documents name, written down from them and not from the table."""

    # What it declares

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
        for module in self._modules():
            lines = module.read_text().count("\n")
            assert lines <= LONGEST_CONNECTOR, f"{module.name} has {lines} lines"

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

    # What it maps

    @given(data=st.data())
    @_every_class
    def test_what_is_rendered_maps_to_what_it_was(self, data: st.DataObject) -> None:
        self._needs("get")
        refund = data.draw(refunds(self.connector, sandbox_of(self.connector), self._words()))
        wiring = self._wiring(refund)
        assert self._asked(wiring, refund) == refund

    def test_an_unknown_word_is_unknown_and_kept(self) -> None:
        self._needs("get")
        for word in ("a word that no document has", "SUCCEEDED!"):
            refund = attrs.evolve(self._example(), status=UNKNOWN, connector_status=word)
            mapped = self._asked(self._wiring(refund), refund)
            assert mapped.status is UNKNOWN
            assert mapped.connector_status is None or word in mapped.connector_status

    def test_a_refund_can_be_asked_for_again(self) -> None:
        self._needs("get")
        refund = self._example()
        wiring = self._wiring(refund)
        client = wiring.client()
        first = client.get(self._query(refund))
        assert client.get(first.query()) == first

    def test_no_mutated_answer_is_more_than_a_refund_or_a_typed_error(self) -> None:
        self._needs("get")
        chance = Random(self.connector.name)
        for refund in self._examples():
            self._mutate(refund, MUTATIONS // len(self._examples()), chance)

    def _mutate(self, refund: Refund, count: int, chance: Random) -> None:
        wiring = self._wiring(refund)
        self._asked(wiring, refund)
        answered = tuple(wiring.answered)
        for number, good in enumerate(answered):
            client = wiring.client()
            for body in mutated_bodies(good.body, count // len(answered), chance):
                wiring.tamper = _once_at(number, Response(200, good.headers, body))
                self._check_mutated(client, refund, body)

    def _check_mutated(self, client: Any, refund: Refund, body: bytes) -> None:
        try:
            mapped = client.get(self._query(refund))
        except RefundryError as error:
            if "defect" in error.message:
                pytest.fail(f"{error.message}: {body[:300]!r}")
            return
        table = self.connector.statuses
        lowered = {word.lower(): status for word, status in table.items()}
        word = mapped.connector_status or ""
        assert mapped.status in (table.get(word), lowered.get(word.lower()), UNKNOWN), (mapped, body[:300])
        assert mapped.refund_amount is None or type(mapped.refund_amount.minor_amount) is int

    # What it refuses

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
        self._needs("get")
        refund = self._example()
        wiring = self._wiring(refund)
        kind = "text/html" if b"<" in body else "application/json"
        wiring.tamper = lambda _: Response(status, {"Content-Type": kind}, body)
        with pytest.raises(expected) as caught:
            wiring.client().get(self._query(refund))
        assert caught.value.connector == self.connector.name
        assert caught.value.operation in ("get", "token")
        assert "html" not in str(caught.value).lower()

    def test_wrong_credentials_are_refused(self) -> None:
        self._needs("get")
        refund = self._example()
        wiring = self._wiring(refund)
        secrets = {one.name for one in settings_of(self.connector) if one.secret and "get" in one.needed_for}
        wrong = {name: varied(value) if name in secrets else value for name, value in wiring.settings.items()}
        with pytest.raises(AuthenticationError):
            wiring.client(wrong).get(self._query(refund))

    def test_an_unknown_refund_is_not_found(self) -> None:
        self._needs("get")
        refund = self._example()
        wiring = self._wiring()
        with pytest.raises(RefundNotFound):
            wiring.client().get(self._query(refund))

    @pytest.mark.parametrize("error", [RateLimited("slow down"), RefundNotFound("none"), AuthenticationError("no")])
    def test_what_the_sandbox_renders_as_an_error_is_that_error(self, error: RefundryError) -> None:
        self._needs("get")
        refund = self._example()
        wiring = self._wiring(refund)
        wiring.tamper = lambda _: wiring.hooks.render_error(error)
        with pytest.raises(type(error)):
            wiring.client().get(self._query(refund))

    def test_a_missing_identifier_is_named_before_any_request(self) -> None:
        self._needs("get")
        wiring = self._wiring()
        with pytest.raises(InvalidQuery) as caught:
            wiring.client().get(refund_reason="none")
        assert any(name in str(caught.value) for names in self.connector.identifiers for name in names)
        assert wiring.sent == []

    @pytest.mark.parametrize("evil", EVIL_IDENTIFIERS)
    def test_an_identifier_cannot_break_out(self, evil: str) -> None:
        self._needs("get")
        refund = self._example()
        harmless, attacked = self._wiring(refund), self._wiring(refund)
        self._asked(harmless, refund)
        fields = {name: value for name, value in self._query(refund).items() if "." not in name}
        for name in fields:
            with pytest.raises(RefundryError) if evil in ("..", "\x00") else _either():
                attacked.client().get({**fields, name: evil})
        for request in attacked.sent:
            plain = urlsplit(harmless.sent[0].url or "")
            sent = urlsplit(str(request.url))
            assert sent.netloc == plain.netloc
            assert str(request.url).isascii()
            assert all(str(value).isprintable() for value in request.headers.values())
            assert any(sent.path.count("/") == urlsplit(str(one.url)).path.count("/") for one in harmless.sent)
            assert any(sent.query.count("&") == urlsplit(str(one.url)).query.count("&") for one in harmless.sent)

    def test_it_asks_only_declared_hosts(self) -> None:
        self._needs("get")
        refund = self._example()
        wiring = self._wiring(refund)
        self._asked(wiring, refund)
        for request in wiring.sent:
            wiring.client().account.check_host(str(request.url))

    def test_what_it_cannot_do_says_what_to_do(self) -> None:
        client = self._wiring().client()
        if not client.account.can("get"):
            with pytest.raises(UnsupportedOperation, match=r"handle_event|list"):
                client.get(connector_refund_id="1")
        if not client.account.can("list"):
            with pytest.raises(UnsupportedOperation):
                client.list()

    # What it lists

    def test_every_page_size_lists_the_same_refunds(self) -> None:
        self._needs("list")
        made = self._many(7)
        for size in (1, 2, 7, 10):
            listed = self._list(self._wiring(*made), size)
            assert sorted(one.connector_refund_id or "" for one in listed) == sorted(
                one.connector_refund_id or "" for one in made
            )

    def test_a_list_that_repeats_itself_ends(self) -> None:
        self._needs("list")
        wiring = self._wiring(*self._many(4))
        kept: dict[str, Response] = {}

        def same_page_again(response: Response) -> Response:
            return kept.setdefault(urlsplit(str(wiring.sent[-1].url)).path, response)

        wiring.tamper = same_page_again
        ids: list[str | None] = []
        iterator = wiring.client().list(page_size=1, **self._window(list(wiring.book.refunds.values())))
        with _either():
            ids.extend(one.connector_refund_id for one in iterator)
        assert len(ids) == len(set(ids))

    def test_one_bad_item_costs_one_item(self) -> None:
        self._needs("list")
        made = self._many(100)
        wiring = self._wiring(*made)
        tampered: list[bytes] = []

        def with_one_bad_item(response: Response) -> Response:
            try:
                body = replace_one_item(response.body, {"odd": True})
            except LookupError:
                return response
            tampered.append(body)
            return Response(response.status_code, response.headers, body)

        wiring.tamper = lambda response: response if tampered else with_one_bad_item(response)
        iterator = wiring.client().list(**self._window(made))
        listed = list(iterator)
        assert tampered
        assert len(listed) == 99
        assert len(iterator.problems) == 1

    # What it keeps to itself

    def test_no_secret_shows_anywhere(self, caplog: pytest.LogCaptureFixture) -> None:
        wiring = self._wiring(self._example())
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
        refund = self._example()
        if account.can("get"):
            query = self._query(refund)
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

    # How it is asked

    def _needs(self, operation: Any) -> None:
        if not self._wiring().client().account.can(operation):
            pytest.skip(f"{self.connector.name} declares no {operation}")

    def _wiring(self, *made: Refund) -> Wiring:
        return Wiring(self.connector, made)

    def _words(self) -> tuple[str, ...]:
        return tuple(word for word in self.connector.statuses if word not in sandbox_of(self.connector).event_words)

    def _example(self, word: str | None = None, number: int = 1) -> Refund:
        sandbox = sandbox_of(self.connector)
        chosen = word or next(iter(sandbox.lives.values()))[0]
        fields: dict[str, Any] = {
            "connector_refund_id": f"rf{number}x",
            "connector_transaction_id": "tx1",
            "merchant_refund_id": f"order{number}",
            "refund_amount": Money(1050 + number, sandbox.settings.get("currency") or sandbox.currency),
            "created_at": Wiring(self.connector).clock.now() - timedelta(minutes=number),
        }
        return Refund(
            status=self.connector.statuses.get(chosen, UNKNOWN),
            connector_status=chosen,
            **{name: value for name, value in fields.items() if name in sandbox.expressible},
        )

    def _examples(self) -> list[Refund]:
        by_status: dict[RefundStatus, Refund] = {}
        for word in self._words():
            by_status.setdefault(self.connector.statuses[word], self._example(word))
        return list(by_status.values())

    def _many(self, count: int) -> list[Refund]:
        words = self._listable_words()
        return [self._example(words[number % len(words)], number) for number in range(1, count + 1)]

    def _listable_words(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(life[0] for life in sandbox_of(self.connector).lives.values()))

    def _window(self, made: list[Refund]) -> dict[str, Any]:
        listing = self.connector.listing
        if listing is not None and listing.basis == "payment":
            return {"connector_transaction_id": made[0].connector_transaction_id}
        return {"since": Wiring(self.connector).clock.now() - timedelta(days=2)}

    def _list(self, wiring: Wiring, page_size: int) -> list[Refund]:
        return list(wiring.client().list(page_size=page_size, **self._window(list(wiring.book.refunds.values()))))

    def _query(self, refund: Refund) -> RefundQuery:
        wanted = frozenset(name for names in self.connector.identifiers for name in names)
        asked = refund.query()
        given = {name: value for name, value in asked.items() if name in wanted}
        return RefundQuery.of({**{name: value for name, value in given.items() if "." not in name}, **_meta(asked)})

    def _asked(self, wiring: Wiring, refund: Refund) -> Refund:
        try:
            mapped = wiring.client().get(self._query(refund))
        except ValueError:
            # The processor has no way to write this amount in this currency.
            assume(False)
            raise
        return attrs.evolve(mapped, status_code=None)

    def _modules(self) -> list[Path]:
        return sorted(Path(inspect.getfile(self.connector)).parent.glob("*.py"))


def varied(value: Any) -> Any:
    """Another value of the same form: a letter or digit in its middle is changed within hex and base64."""
    if not isinstance(value, str):
        return value
    for place in sorted(range(len(value)), key=lambda place: abs(place - len(value) // 2)):
        letter = value[place]
        if letter.isascii() and letter.isalnum():
            other = {"9": "0", "f": "a", "F": "A", "z": "g", "Z": "G"}.get(letter) or chr(ord(letter) + 1)
            return value[:place] + other + value[place + 1 :]
    return value


def _meta(query: RefundQuery) -> dict[str, Any]:
    return {"metadata": query.metadata} if query.metadata else {}


def _once_at(number: int, odd: Response) -> Any:
    count = -1

    def tamper(response: Response) -> Response:
        nonlocal count
        count += 1
        return odd if count == number else response

    return tamper


class _either:  # noqa: N801  reads as a context
    """Whatever happens, it is a typed error or none."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        return kind is not None and issubclass(kind, RefundryError)
