"""Cassettes: recorded with the sandbox, free of secrets and of this machine, and played by vcrpy."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import vcr  # type: ignore[import-untyped]
import yaml
from hypothesis import given
from hypothesis import strategies as st

from refundry.account import open_account
from refundry.connector import secrets_of
from refundry.errors import ConfigurationError
from refundry.plugins import load_connector, load_sandbox
from refundry.sandbox import varied
from refundry.testing.cassettes import REDACTED, lint_cassette, read_cassette
from refundry_sandbox import Sandbox
from refundry_sandbox.cassettes import hide, indented_json, replaced
from refundry_sandbox.recording import main, record, record_live, settings_from_environment

GETS = {"not_found", "bad_credentials", "rate_limited"}

with Sandbox() as _looked_at:
    # The contract plays the cassettes of all connectors; that they can be made anew is shown by every fourth.
    NAMES = _looked_at.names[::4]


@pytest.fixture(scope="module", params=NAMES)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Path]]:
    name: str = request.param
    return name, record(name, tmp_path_factory.mktemp("cassettes"))


@pytest.fixture(scope="module")
def stripe_paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return record("stripe", tmp_path_factory.mktemp("stripe"))


@pytest.fixture
def stripe(stripe_paths: list[Path]) -> dict[str, dict[str, Any]]:
    return {path.stem: read_cassette(path) for path in stripe_paths}


def test_every_connector_has_its_scenarios(recorded: tuple[str, list[Path]]) -> None:
    name, paths = recorded
    made = {path.stem for path in paths}
    with Sandbox([name]) as sandbox, sandbox.client(name) as client:
        account = client.account
    assert made >= GETS or not account.can("get")
    assert {"list", "list_by_payment"} & made or not account.can("list")
    assert any(one.startswith("webhook_") for one in made) or not account.can("webhook")
    assert all(path.parent.name == name for path in paths)


def test_no_cassette_holds_a_secret_or_this_machine(recorded: tuple[str, list[Path]]) -> None:
    name, paths = recorded
    played_by = load_sandbox(name)
    assert played_by is not None
    secrets = secrets_of(load_connector(name)(**played_by.settings))
    assert secrets
    for path in paths:
        text = path.read_text()
        assert not [one for one in (*secrets, *map(varied, secrets), "127.0.0.1", "sandbox-token") if one in text]
        assert lint_cassette(path, secrets) == []


def test_a_cassette_is_filed_under_the_processors_own_host(recorded: tuple[str, list[Path]]) -> None:
    name, paths = recorded
    with Sandbox([name]) as sandbox:
        hosts = tuple(open_account(load_connector(name), sandbox.settings(name)).urls.values())
        endpoint = sandbox.settings(name).get("webhook_url") or f"https://merchant.example/webhooks/{name}"
    for path in paths:
        uris = [one["request"]["uri"] for one in read_cassette(path)["interactions"]]
        if path.stem.startswith("webhook_"):
            assert uris.pop(0).startswith(endpoint)
        assert all(uri.startswith(hosts) for uri in uris)


def test_recording_anew_writes_the_same_bytes(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in record("stripe", tmp_path / "a", date="2026-11-23")}
    again = {path: path.read_bytes() for path in record("stripe", tmp_path / "b", date="2026-11-23")}
    assert list(first.values()) == list(again.values())


def test_a_file_that_would_only_change_its_date_is_left_alone(tmp_path: Path) -> None:
    [path] = record("stripe", tmp_path, ["success"], date="2026-01-01")
    record("stripe", tmp_path, ["success"], date="2026-02-02")
    assert read_cassette(path)["provenance"]["date"] == "2026-01-01"
    path.write_text(path.read_text().replace("SUCCEEDED", "PENDING"))
    record("stripe", tmp_path, ["success"], date="2026-02-02")
    assert read_cassette(path)["provenance"]["date"] == "2026-02-02"


def test_the_head_says_what_it_is_and_what_must_come_of_it(stripe: dict[str, dict[str, Any]]) -> None:
    head = stripe["success"]
    assert head["provenance"]["kind"] == "documented shape"
    assert head["provenance"]["documents"] == list(load_connector("stripe").documentation.values())
    assert head["settings"] == {"api_key": REDACTED, "webhook_secret": REDACTED}
    assert head["call"]["operation"] == "get"
    assert head["expect"]["refund"]["status"] == "SUCCEEDED"
    assert head["expect"]["refund"]["connector_refund_id"] == head["call"]["query"]["connector_refund_id"]
    assert [stripe[name]["expect"] for name in ("not_found", "bad_credentials", "rate_limited")] == [
        {"error": "RefundNotFound"},
        {"error": "AuthenticationError"},
        {"error": "RateLimited"},
    ]


def test_a_list_takes_several_pages_and_one_payments_refunds_are_its_own(stripe: dict[str, dict[str, Any]]) -> None:
    assert len(stripe["list"]["expect"]["refunds"]) == 3
    assert len(stripe["list"]["interactions"]) == 2
    payments = {one["connector_transaction_id"] for one in stripe["list_by_payment"]["expect"]["refunds"]}
    assert payments == {stripe["list_by_payment"]["call"]["connector_transaction_id"]}
    assert len(stripe["list_by_payment"]["expect"]["refunds"]) == 3


def test_credentials_are_redacted_where_they_stand(stripe: dict[str, dict[str, Any]]) -> None:
    [interaction] = stripe["success"]["interactions"]
    assert interaction["request"]["headers"]["Authorization"] == [REDACTED]
    assert interaction["request"]["headers"]["Accept"] == ["application/json"]
    assert set(interaction["response"]["headers"]) == {"Content-Type"}


def test_a_webhook_is_written_byte_for_byte_with_its_reply(stripe: dict[str, dict[str, Any]]) -> None:
    webhook = stripe["webhook_failed"]
    [interaction] = webhook["interactions"]
    with Sandbox(["stripe"]) as sandbox:
        delivery = sandbox.client("stripe").handle_event(
            body=interaction["request"]["body"].encode(),
            headers={name: values[0] for name, values in interaction["request"]["headers"].items()},
            received_at=_time(webhook["call"]["received_at"]),
        )
    [event] = delivery.events
    assert event.refund is not None
    assert webhook["expect"]["events"][0]["event_id"] == event.event_id
    assert webhook["expect"]["events"][0]["refund"]["status"] == event.refund.status.value == "FAILED"
    assert webhook["expect"]["reply"] == {"status": 200, "body": ""}


def test_vcrpy_plays_a_file_with_a_head(tmp_path: Path) -> None:
    [path] = record("stripe", tmp_path, ["success"])
    before = path.read_bytes()
    uri = read_cassette(path)["interactions"][0]["request"]["uri"]
    with vcr.VCR(record_mode="none").use_cassette(str(path)) as cassette:
        answer = requests.get(uri, timeout=5)
    assert cassette.all_played
    assert answer.json()["status"] == "succeeded"
    assert path.read_bytes() == before


def test_a_scenario_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no scenario 'triumph'"):
        record("stripe", tmp_path, ["triumph"])
    assert list(tmp_path.iterdir()) == []


# From the processor itself


@contextmanager
def processor(status: int, body: bytes) -> Iterator[str]:
    """A processor that packs its answers, sets cookies and echoes the key that it was sent."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            packed = gzip.compress(body.replace(b"<key>", self.headers["Authorization"].encode()))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(packed)))
            self.send_header("Set-Cookie", "session=7")
            self.send_header("Request-Id", "req_7")
            self.end_headers()
            self.wfile.write(packed)

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


SETTINGS = {"api_key": "sk_test_a_real_one", "stripe_account": "acct_RealOne7", "api_version": "2025-09-30.clover"}


def test_a_live_recording_shows_no_account(tmp_path: Path) -> None:
    refund = {"id": "re_7", "status": "succeeded", "note": "<key>", "account": "acct_RealOne7", "amount": 1050}
    with processor(200, json.dumps(refund).encode()) as url:
        queries = {"success": {"connector_refund_id": "re_7"}}
        [path] = record_live("stripe", tmp_path, queries, SETTINGS, base_url=url)
    text, cassette = path.read_text(), read_cassette(path)
    assert cassette["provenance"]["kind"] == "recorded"
    assert cassette["provenance"]["api_version"] == "2025-09-30.clover"
    assert cassette["expect"]["refund"]["status"] == "SUCCEEDED"
    assert cassette["settings"] == {"api_key": REDACTED, "webhook_secret": REDACTED}
    assert "sk_test_a_real_one" not in text
    assert "acct_RealOne7" not in text
    [interaction] = cassette["interactions"]
    assert json.loads(interaction["response"]["body"]["string"])["note"] == f"Bearer {REDACTED}"
    assert set(interaction["response"]["headers"]) == {"Content-Type", "Request-Id"}
    assert lint_cassette(path) == []


def test_a_live_list_and_a_live_error_are_recorded(tmp_path: Path) -> None:
    listed = json.dumps({"data": [{"id": "re_7", "status": "pending"}], "has_more": False}).encode()
    with processor(200, listed) as url:
        [path] = record_live("stripe", tmp_path, {"list": {"page_size": 2}}, SETTINGS, base_url=url)
    call = read_cassette(path)["call"]
    assert {"operation", "since", "until", "page_size"} == set(call)
    assert _time(call["since"]) < _time(call["until"])
    assert [one["status"] for one in read_cassette(path)["expect"]["refunds"]] == ["PENDING"]
    with processor(401, b"{}") as url:
        queries = {"bad_credentials": {"connector_refund_id": "re_7"}}
        [path] = record_live("stripe", tmp_path, queries, SETTINGS, base_url=url)
    assert read_cassette(path)["expect"] == {"error": "AuthenticationError"}


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUNDRY_STRIPE_API_KEY", "sk_test_1")
    monkeypatch.setenv("REFUNDRY_STRIPE_STRIPE_ACCOUNT", " ")
    monkeypatch.setenv("REFUNDRY_PAYPAL_CLIENT_ID", "other")
    assert settings_from_environment("stripe") == {"api_key": "sk_test_1"}


# The command


def test_the_command_writes_and_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stripe", "success", "pending", "--directory", str(tmp_path)]) == 0
    written = capsys.readouterr().out.split()
    assert written == [str(tmp_path / "stripe" / f"{name}.yaml") for name in ("success", "pending")]
    assert all(yaml.safe_load(Path(path).read_text()) for path in written)


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queries = tmp_path / "queries.toml"
    queries.write_text('[success]\nconnector_refund_id = "re_1"\n')
    for arguments in (["acme"], ["stripe", "--live", str(queries)], ["stripe", "--live", str(tmp_path / "none.toml")]):
        assert main([*arguments, "--directory", str(tmp_path)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")


# The text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_indented_json_says_what_it_said(value: Any) -> None:
    text = json.dumps(value, default=float, separators=(",", ":"))
    indented = indented_json(text)
    assert json.loads(indented, parse_float=Decimal) == json.loads(text, parse_float=Decimal)
    assert indented_json(indented) == indented


def test_indented_json_keeps_numbers_and_other_text_as_they_are() -> None:
    assert indented_json('{"a":10.50,"b":[],"c":{},"d":[1e2,"x:[,"]}') == (
        '{\n  "a": 10.50,\n  "b": [],\n  "c": {},\n  "d": [\n    1e2,\n    "x:[,"\n  ]\n}'
    )
    for text in ("", "<a/>", "a=b&c=d", '{"a":'):
        assert indented_json(text) == text


def test_a_secret_is_hidden_in_every_form() -> None:
    hidden = hide(['a"b/c=', ""])
    assert replaced('x a"b/c= a%22b%2Fc%3D a\\"b/c= x', hidden) == f"x {REDACTED} {REDACTED} {REDACTED} x"
    assert "" not in hidden
    assert replaced("abcd", {"abc": "1", "abcd": "2"}) == "2"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
