"""The settings of the desk, as the table ``[web]`` of ``refundry.toml`` gives them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from refundry.accounts import read_config, read_secret
from refundry.errors import ConfigurationError

_positive = attrs.validators.gt(0)


@attrs.frozen(kw_only=True)
class Settings:
    """How the desk behaves; each can stand in the table ``[web]``."""

    session_key: str = attrs.field(factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What sessions are signed with. If none is given a new one is made at each start, and everybody signs in again."""
    session_hours: float = attrs.field(default=12, validator=_positive)
    """How long after signing in a person has to do so again."""
    secure_cookies: bool = True
    """Cookies travel over TLS alone. ``refundry serve`` puts this off where it listens on loopback."""
    requests_per_minute: int = attrs.field(default=300, validator=_positive)
    """How many requests one token may make."""
    failures_per_minute: int = attrs.field(default=20, validator=_positive)
    """How many wrong tokens one address may try; the next wrong one is told to come later, a right one is let in."""
    body_limit: int = attrs.field(default=1 << 20, validator=_positive)
    """The most bytes a request may carry."""
    read_seconds: float = attrs.field(default=10, validator=_positive)
    """How long a client may take to send its request."""
    webhooks_waiting: int = attrs.field(default=1000, validator=_positive)
    """How many webhooks of one account may wait to be stored; the next one is told to come again."""


def read_settings(path: str | Path | None = None, **defaults: Any) -> Settings:
    """The settings in ``refundry.toml``; ``defaults`` are for those that are not there.

    Raises `ConfigurationError`, which names what is wrong.
    """
    described = read_config(path).get("web", {})
    if not isinstance(described, Mapping):
        raise ConfigurationError("web in refundry.toml must be a table: [web]")
    given: dict[str, Any] = {**defaults, **described}
    if "session_key" in described:
        given["session_key"] = read_secret(given["session_key"], "session_key of [web]")
    known = {field.name: field for field in attrs.fields(Settings)}
    for name, value in given.items():
        if name not in known:
            raise ConfigurationError(f"[web] has no setting {name!r}: it has {', '.join(known)}")
        _check_kind(name, value, known[name].type)
    try:
        return Settings(**given)
    except ValueError:
        raise ConfigurationError("a number in [web] must be greater than 0") from None


def _check_kind(name: str, value: object, kind: Any) -> None:
    kinds: Mapping[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float)}
    accepted = kinds[str(kind)]
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind != "bool"):
        raise ConfigurationError(f"{name} in [web] must be of the kind {kind}")
