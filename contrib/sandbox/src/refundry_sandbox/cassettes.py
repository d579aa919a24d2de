"""What a cassette file looks like, and what is taken out of it: this machine's addresses, credentials, tokens.

The file is vcrpy's, with a head of its own keys before ``version`` and ``interactions``, which vcrpy leaves alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from http.client import responses as phrases
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import yaml

from refundry.http import Event, Response

REDACTED = "REDACTED"

# What says nothing about the refund, or changes with every run, is left out; what may be a credential is redacted.
_OWN_REQUEST_HEADERS = frozenset({"accept", "content-type"})
_TRANSPORT_HEADERS = frozenset({"accept-encoding", "connection", "content-length", "host", "user-agent"})
_LEFT_OUT = frozenset(
    {"connection", "content-encoding", "content-length", "date", "keep-alive", "server", "set-cookie", "via"}
    | {"transfer-encoding"}
)
"""Headers of an answer that belong to the connection, or to whoever asked."""
# Some call an access token just "token", and one so calls the merchant's own id, which is short.
_JSON_TOKEN = re.compile(r'("(?:access|refresh|id)_?token"\s*:\s*)"[^"]*"|("token"\s*:\s*)"[^"]{32,}"', re.IGNORECASE)
_JSON_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')

Replacements = Mapping[str, str]


@attrs.frozen(kw_only=True)
class Head:
    """What stands above the interactions."""

    kind: str
    """``documented shape`` or ``recorded``."""
    documents: tuple[str, ...]
    date: str
    """ISO 8601."""
    api_version: str | None
    call: Mapping[str, Any]
    """What was asked: ``operation`` (get, list or webhook) and its arguments."""
    settings: Mapping[str, Any]
    expect: Mapping[str, Any]
    """What must come of it."""

    def as_dict(self) -> dict[str, Any]:
        """The head as the file has it."""
        names = ("kind", "documents", "date", "api_version")
        provenance = {name: getattr(self, name) for name in names}
        provenance["documents"] = list(self.documents)
        return {"provenance": provenance, "call": self.call, "settings": self.settings, "expect": self.expect}


def hide(secrets: Iterable[str]) -> dict[str, str]:
    """The replacements that take these secrets out, as they are and as a form or JSON has them."""
    forms = {form for one in secrets if one for form in (one, quote(one, safe=""), json.dumps(one)[1:-1])}
    return dict.fromkeys(forms, REDACTED)


def replaced(text: str, replacements: Replacements) -> str:
    """The text with everything replaced, the longest first."""
    for old in sorted(replacements, key=len, reverse=True):
        text = text.replace(old, replacements[old])
    return text


def replaced_in(value: Any, replacements: Replacements) -> Any:
    """The same for every text within a value."""
    match value:
        case str():
            return replaced(value, replacements)
        case Mapping():
            return {name: replaced_in(part, replacements) for name, part in value.items()}
        case list():
            return [replaced_in(part, replacements) for part in value]
        case _:
            return value


def interaction(request: Any, response: Mapping[str, Any], replacements: Replacements) -> dict[str, Any]:
    """One exchange that vcrpy recorded, as the file has it."""
    headers = {name: [_request_header(name, value)] for name, value in request.headers.items()}
    return {
        "request": {
            "body": None if request.body is None else _text(request.body, replacements),
            "headers": {name: value for name, value in headers.items() if name.lower() not in _TRANSPORT_HEADERS},
            "method": request.method,
            "uri": replaced(request.uri, replacements),
        },
        "response": {
            "body": {"string": _JSON_TOKEN.sub(rf'\1\2"{REDACTED}"', _text(response["body"]["string"], replacements))},
            "headers": {
                name: [replaced(value, replacements) for value in values]
                for name, values in response["headers"].items()
                if name.lower() not in _LEFT_OUT
            },
            "status": dict(response["status"]),
        },
    }


def webhook_interaction(event: Event, reply: Response, replacements: Replacements) -> dict[str, Any]:
    """One webhook and its reply, as the file has it: byte for byte, since a signature covers it."""
    return {
        "request": {
            "body": replaced(event.body.decode(), replacements),
            "headers": {name: [replaced(value, replacements)] for name, value in event.headers.items()},
            "method": event.method,
            "uri": event.url,
        },
        "response": {
            "body": {"string": reply.body.decode()},
            "headers": {name: [value] for name, value in reply.headers.items()},
            "status": {"code": reply.status_code, "message": phrases.get(reply.status_code, "")},
        },
    }


def indented_json(text: str) -> str:
    """JSON with a line for each member, every number and text as it was; other text as it is."""
    try:
        json.loads(text)
    except ValueError:
        return text
    lines, depth, previous = [""], 0, ""
    for part in _JSON_PART.findall(text):
        if part in "}]":
            depth -= 1
        opens_line = previous in ("{", "[", ",") and f"{previous}{part}" not in ("{}", "[]")
        if opens_line or (part in "}]" and previous not in "{["):
            lines.append("  " * depth)
        if part in "{[":
            depth += 1
        lines[-1] += ": " if part == ":" else part
        previous = part
    return "\n".join(lines)


def write(path: Path, head: Head, interactions: list[dict[str, Any]]) -> None:
    """Write the file, unless it says the same already and only the date would change."""
    content = {**head.as_dict(), "version": 1, "interactions": interactions}
    if path.exists():
        before = yaml.safe_load(path.read_text()) or {}
        date = before.get("provenance", {}).get("date")
        if before == {**content, "provenance": {**content["provenance"], "date": date}}:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20)
    path.write_text(text)


class _Dumper(yaml.SafeDumper):
    """Text of several lines is written as it reads."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def _request_header(name: str, value: Any) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text if name.lower() in _OWN_REQUEST_HEADERS else REDACTED


def _text(body: bytes | str, replacements: Replacements) -> str:
    text = body.decode() if isinstance(body, bytes) else body
    return indented_json(replaced(text, replacements))
