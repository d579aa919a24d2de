"""The cassette linter finds what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from refundry.testing.cassettes import lint_cassette


def cassette(**changes: Any) -> dict[str, Any]:
    """A clean cassette."""
    request = {
        "method": "GET",
        "uri": "https://x.example/r/1",
        "body": None,
        "headers": {"Authorization": ["REDACTED"]},
    }
    response = {"status": {"code": 200}, "headers": {}, "body": {"string": '{"id": "0123456789abcdef3605310064228"}'}}
    clean = {
        "provenance": {
            "kind": "documented shape",
            "documents": ["https://docs.x.example"],
            "date": "2026-03-02",
            "api_version": None,
        },
        "call": {"operation": "get"},
        "expect": {"error": "RefundNotFound"},
        "interactions": [{"request": request, "response": response}],
        "version": 1,
    }
    return {**clean, **changes}


def lint(tmp_path: Path, content: dict[str, Any], *secrets: str) -> list[str]:
    path = tmp_path / "success.yaml"
    path.write_text(yaml.safe_dump(content))
    return lint_cassette(path, secrets)


def test_a_clean_cassette_is_clean(tmp_path: Path) -> None:
    assert lint(tmp_path, cassette()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("4111 1111 1111 1111", "card number"),
        ("5555555555554444", "card number"),
        ("someone@shop.test", "e-mail"),
        ("DE89 3704 0044 0532 0130 00", "IBAN"),
        ("sk_live_abc", "live key"),
        ("eyJhbGciOiJub25lIn0.e30.", "signed token"),
        ("-----BEGIN PRIVATE KEY-----", "private key"),
        ("my-secret", "secret setting"),
    ],
)
def test_what_must_not_be_there_is_found(tmp_path: Path, text: str, found: str) -> None:
    problems = lint(tmp_path, cassette(note=text), "my-secret")
    assert len(problems) == 1
    assert found in problems[0]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"provenance": {}}, "provenance.kind"),
        ({"provenance": {"kind": "made up", "documents": ["x"], "date": "2026-01-01", "api_version": 1}}, "kind"),
        ({"provenance": {"kind": "recorded", "documents": ["x"], "date": "today", "api_version": 1}}, "date"),
        ({"provenance": {"kind": "recorded", "documents": [], "date": "2026-01-01", "api_version": 1}}, "documents"),
        ({"provenance": {"kind": "recorded", "documents": ["x"], "date": "2026-01-01"}}, "api_version"),
        ({"expect": None}, "expect is missing"),
    ],
)
def test_a_head_that_says_too_little_is_found(tmp_path: Path, changes: dict[str, Any], found: str) -> None:
    assert any(found in problem for problem in lint(tmp_path, cassette(**changes)))


@pytest.mark.parametrize(("value", "clean"), [("V2-HMAC-SHA256, Signature: 0a", True), ("Basic YTpi", False)])
def test_a_webhooks_signature_is_no_credential(tmp_path: Path, value: str, clean: bool) -> None:
    content = cassette(call={"operation": "webhook"})
    content["interactions"][0]["request"]["headers"] = {"Authorization": [value]}
    assert (lint(tmp_path, content) == []) is clean


@pytest.mark.parametrize("side", ["request", "response"])
@pytest.mark.parametrize("name", ["authorization", "Set-Cookie", "X-Api-Key"])
def test_a_header_with_a_credential_is_found(tmp_path: Path, side: str, name: str) -> None:
    content = cassette()
    content["interactions"][0][side]["headers"] = {name: ["Bearer abc"]}
    assert lint(tmp_path, content) == [f"the header {name} is not REDACTED"]
