"""Cassettes: played by pytest-recording, compared with what must come of them, and read for secrets.

A cassette is a file of vcrpy with a head: ``provenance`` says where its shape comes from, ``call`` what is asked, and
``expect`` what must come of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

import refundry
from refundry.account import HOOKS
from refundry.client import RefundClient
from refundry.connector import Operation, settings_of
from refundry.errors import RefundryError
from refundry.model import FAILED, PENDING, SUCCEEDED, Refund
from refundry.plugins import connector_hooks
from refundry.testing.cases import Cases
from refundry.testing.wiring import FakeClock, sandbox_of

# The one in C, where there is one, reads the same ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KINDS = ("documented shape", "recorded")
REDACTED = "REDACTED"
SCENARIOS: dict[Operation, set[str]] = {
    "get": {"not_found", "bad_credentials"},
    "list": {"list"},
    "webhook": {"webhook"},
}
BY_STATUS = {SUCCEEDED: "success", PENDING: "pending", FAILED: "failure"}
"""What a get has besides, where its status table has it."""
_CREDENTIAL_HEADERS = {"authorization", "cookie", "set-cookie", "signature", "x-api-key", "proxy-authorization"}
_FORBIDDEN = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    "a live key": re.compile(r"\b(sk|rk|rzp|pk)_live_\w+"),
    "a signed token": re.compile(r"\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*"),
    "an e-mail address": re.compile(r"\b[\w.+-]+@(?!example\.(com|org|net)\b)[\w-]+\.[\w.]+"),
    "an IBAN": re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b"),
}
_CHANGING = re.compile(rb"\b[\da-f]{32,}\b|\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b", re.IGNORECASE)
_UUID = re.compile(r"\b[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\b", re.IGNORECASE)
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.])")


def read_cassette(path: Path) -> dict[str, Any]:
    """The whole file, head and interactions."""
    loaded = yaml.load(path.read_text(), _LOADER)  # noqa: S506  both are safe loaders
    assert isinstance(loaded, dict), f"{path.name} is no cassette"
    return loaded


def lint_cassette(path: Path, secrets: tuple[str, ...] = ()) -> list[str]:
    """What must not be in a cassette and is: secrets, card numbers, personal data, a head that says too little."""
    text = path.read_text()
    cassette = read_cassette(path)
    return [
        *_lint_head(cassette),
        *_lint_headers(cassette),
        *(f"it holds {name}" for name, pattern in _FORBIDDEN.items() if pattern.search(text)),
        *("it holds a secret setting" for secret in secrets if secret in text),
        *(
            "it holds what looks like a card number"
            for digits in _DIGITS.findall(_UUID.sub("", text))
            if _is_card_number(digits)
        ),
    ]


def _lint_head(cassette: dict[str, Any]) -> Iterator[str]:
    provenance = cassette.get("provenance") or {}
    if provenance.get("kind") not in KINDS:
        yield f"provenance.kind must be one of {', '.join(KINDS)}"
    if not provenance.get("documents"):
        yield "provenance.documents must say which document the shape follows"
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(provenance.get("date"))):
        yield "provenance.date must be a date"
    if "api_version" not in provenance:
        yield "provenance.api_version must be there, null where the processor has none"
    for name in ("call", "expect", "interactions"):
        if not cassette.get(name):
            yield f"{name} is missing"


def _lint_headers(cassette: dict[str, Any]) -> Iterator[str]:
    # A webhook is played with its signature, which some processors send as Authorization.
    schemes = ("basic ", "bearer ") if (cassette.get("call") or {}).get("operation") == "webhook" else ("",)
    for interaction in cassette.get("interactions", ()):
        for side in ("request", "response"):
            for name, values in interaction[side].get("headers", {}).items():
                shown = values if isinstance(values, list) else [values]
                told = [value for value in shown if value != REDACTED and str(value).lower().startswith(schemes)]
                if name.lower() in _CREDENTIAL_HEADERS and told:
                    yield f"the header {name} is not {REDACTED}"


def _is_card_number(text: str) -> bool:
    digits = [int(letter) for letter in text if letter.isdigit()]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return digits[0] in (2, 3, 4, 5, 6) and sum(doubled) % 10 == 0


class CassetteContract(Cases):
    """Plays every cassette of the connector. ``cassettes`` is their directory, from where the tests are started."""

    cassettes: ClassVar[str | None] = None

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "cassette" in metafunc.fixturenames:
            exchanges = [path for path in self._cassettes() if not path.stem.startswith("webhook")]
            metafunc.parametrize("cassette", exchanges, ids=lambda path: path.stem)
        if "webhook_cassette" in metafunc.fixturenames:
            webhooks = [path for path in self._cassettes() if path.stem.startswith("webhook")]
            metafunc.parametrize("webhook_cassette", webhooks, ids=lambda path: path.stem)

    # pytest-recording asks for these two in every test, and only one of them has a cassette.
    @pytest.fixture
    def vcr_cassette_dir(self, request: pytest.FixtureRequest) -> str:
        return str(_cassette_of(request).parent)

    @pytest.fixture
    def default_cassette_name(self, request: pytest.FixtureRequest) -> str:
        return _cassette_of(request).stem

    @pytest.fixture
    def vcr_config(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        # What wrong credentials sign is not what the right ones sign, and a later try may sign a later time.
        body = [] if _cassette_of(request).stem in ("bad_credentials", "rate_limited") else ["body"]
        return {
            "match_on": ["method", "scheme", "host", "port", "path", "query", *body],
            "before_record_request": self._without_secrets,
        }

    def test_there_is_a_cassette_for_every_scenario(self) -> None:
        there = {path.stem for path in self._cassettes()} | {path.stem.split("_")[0] for path in self._cassettes()}
        hooks = connector_hooks(self.connector(**sandbox_of(self.connector).settings))
        wanted = {name for operation, names in SCENARIOS.items() if hooks.can(*HOOKS[operation]) for name in names}
        if hooks.can(*HOOKS["get"]):
            said = {self.connector.statuses[word] for word in self.words()}
            wanted |= {name for status, name in BY_STATUS.items() if status in said}
        assert wanted - there == set()

    def test_no_cassette_holds_what_it_must_not(self) -> None:
        for path in self._cassettes():
            assert lint_cassette(path, self._secrets()) == [], path.name

    @pytest.mark.vcr
    @pytest.mark.block_network
    def test_a_cassette_plays(self, cassette: Path, vcr: Any) -> None:
        recorded = read_cassette(cassette)
        assert _outcome(self._client(), recorded["call"]) == recorded["expect"]
        assert vcr.play_count == len(vcr), "the cassette was not played to its end"

    @pytest.mark.vcr
    @pytest.mark.block_network
    def test_a_recorded_webhook_is_read(self, webhook_cassette: Path, vcr: Any) -> None:
        recorded = read_cassette(webhook_cassette)
        request, response = (recorded["interactions"][0][side] for side in ("request", "response"))
        client = self._client(webhook_url=request["uri"].partition("?")[0])
        delivery = client.handle_event(
            body=request["body"].encode(),
            headers={name: self._restored(value[0]) for name, value in request["headers"].items()},
            method=request["method"],
            url=request["uri"],
            received_at=_time(recorded["call"]["received_at"]),
        )
        assert delivery.reply.status_code == response["status"]["code"]
        assert delivery.reply.body.decode() == response["body"]["string"]
        assert [_event(one) for one in delivery.events] == recorded["expect"]["events"]
        assert vcr.play_count == len(vcr) - 1, "what the webhook needs besides itself was not played to its end"

    def _cassettes(self) -> list[Path]:
        return sorted(Path(self.cassettes or f"cassettes/{self.connector.name}").glob("*.yaml"))

    def _client(self, **more: Any) -> RefundClient:
        settings = {**sandbox_of(self.connector).settings, **more}
        return RefundClient(self.connector, clock=FakeClock(), **settings)

    def _secrets(self) -> tuple[str, ...]:
        made_up = sandbox_of(self.connector).settings
        return tuple(
            str(made_up[one.name]) for one in settings_of(self.connector) if one.secret and one.name in made_up
        )

    def _restored(self, value: str) -> str:
        """A header that is itself the webhook's secret, which is redacted in a cassette."""
        settings = sandbox_of(self.connector).settings
        keys = [one.name for one in settings_of(self.connector) if one.secret and "webhook" in one.needed_for]
        made_up = [str(settings[name]) for name in keys if name in settings]
        return made_up[0] if value == REDACTED and len(made_up) == 1 else value

    def _without_secrets(self, request: Any) -> Any:
        """A request as it is compared: without secrets, nonces and signatures."""
        for secret in self._secrets():
            request.uri = request.uri.replace(secret, REDACTED)
            if request.body:
                request.body = request.body.replace(secret.encode(), REDACTED.encode())
        if request.body:
            request.body = _CHANGING.sub(b"*", request.body)
        return request


def _cassette_of(request: pytest.FixtureRequest) -> Path:
    for name in ("cassette", "webhook_cassette"):
        if name in request.fixturenames:
            cassette: Path = request.getfixturevalue(name)
            return cassette
    return Path("none")


def _outcome(client: RefundClient, call: dict[str, Any]) -> dict[str, Any]:
    try:
        if call["operation"] == "get":
            return {"refund": _shape(client.get(call["query"]))}
        window: dict[str, Any] = {name: _time(call[name]) for name in ("since", "until") if name in call}
        more = {name: call[name] for name in ("connector_transaction_id", "page_size") if name in call}
        return {"refunds": [_shape(refund) for refund in client.list(**window, **more)]}
    except RefundryError as error:
        return {"error": type(error).__name__}


def _shape(refund: Refund) -> dict[str, Any]:
    return {name: value for name, value in refund.to_dict().items() if name not in ("status_code", "response_headers")}


def _event(event: refundry.RefundEvent) -> dict[str, Any]:
    shape: dict[str, Any] = {"event_id": event.event_id, "query": dict(event.query.items())}
    if event.refund is not None:
        shape["refund"] = _shape(event.refund)
    return shape


def _time(text: str) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)
