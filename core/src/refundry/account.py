"""An account: a connector with its settings, the hosts it may ask, and the secrets that must never be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from ipaddress import ip_address
from string import Formatter
from typing import Any
from urllib.parse import urlsplit

import attrs

from refundry.connector import (
    ENVIRONMENTS,
    Connector,
    Operation,
    missing_settings,
    secrets_of,
    settings_of,
)
from refundry.errors import ConfigurationError, UnsupportedOperation
from refundry.http import Request
from refundry.plugins import ConnectorHooks, connector_hooks

BaseUrls = str | Mapping[str, str]

HOOKS: Mapping[Operation, tuple[str, ...]] = {
    "get": ("fetch_refund", "map_refund"),
    "list": ("fetch_refunds", "map_refunds"),
    "webhook": ("verify_event", "map_event"),
}
"""Which hooks make an operation possible."""

_HOST_PART = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_SHORTEST_SECRET = 4


@attrs.frozen
class Account:
    """A connector with credentials and an environment, ready to be asked."""

    name: str
    hooks: ConnectorHooks
    urls: Mapping[str, str]
    """By base name: the URL in force, without a slash at its end."""
    secrets: tuple[str, ...] = attrs.field(repr=False)

    @property
    def connector(self) -> Connector:
        """The connector with its settings."""
        return self.hooks.connector

    def can(self, operation: Operation) -> bool:
        """Whether the processor has this operation, whatever the settings."""
        return self.hooks.can(*HOOKS[operation])

    def require(self, operation: Operation) -> None:
        """Raise `UnsupportedOperation` or `ConfigurationError` unless this account can do this."""
        if operation in self._ready:
            return
        if not self.can(operation):
            raise UnsupportedOperation(self._instead(operation))
        missing = missing_settings(self.connector, operation)
        raise ConfigurationError(f"the setting {missing[0]} is missing: {operation} needs it")

    @cached_property
    def _ready(self) -> frozenset[Operation]:
        return frozenset(name for name in HOOKS if self.can(name) and not missing_settings(self.connector, name))

    def url_of(self, request: Request) -> str:
        """The base URL that a request goes to; empty for a whole URL. Raises `ConfigurationError`."""
        if request.base is not None:
            return self.urls[request.base]
        self.check_host(request.path)
        return ""

    def check_host(self, url: str) -> None:
        """Raise `ConfigurationError` unless this URL is secure and its host is one that the connector declared."""
        check_secure(url)
        host = urlsplit(url).netloc
        declared = {urlsplit(own).netloc for own in self.urls.values()}
        if host not in declared and not any(fnmatchcase(host, pattern) for pattern in self.connector.extra_hosts):
            raise ConfigurationError("the request goes to a host that the connector does not declare: it is refused")

    def scrub(self, text: str, *more: str | None) -> str:
        """The text on one short line, without any secret of this account."""
        for secret in (*self.secrets, *more):
            if secret and len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
        if not text.isprintable():
            text = "".join(letter if letter.isprintable() else " " for letter in text)
        return text if len(text) <= 300 else f"{text[:297]}..."

    def _instead(self, operation: Operation) -> str:
        others = [name for name in ("get", "list", "webhook") if name != operation and self.can(name)]
        ways = {
            "get": "ask for one refund with get",
            "list": "list its refunds",
            "webhook": "pass its webhooks to handle_event",
        }
        advice = " or ".join(ways[name] for name in others) or "nothing else is known to help"
        return f"{self.connector.title} has no {operation} for refunds: {advice}"


def open_account(
    connector: type[Connector],
    settings: Mapping[str, Any],
    *,
    name: str | None = None,
    environment: str = "SANDBOX",
    base_url: BaseUrls | None = None,
) -> Account:
    """An account of this connector. Raises `ConfigurationError`, which names the setting and says what to do."""
    if environment not in ENVIRONMENTS:
        raise ConfigurationError(f"environment is {environment!r}: use SANDBOX or PRODUCTION", connector=connector.name)
    try:
        _check_names(connector, settings)
        made = connector(environment=environment, **_given(settings))
        _check_key_prefixes(made)
        hooks = connector_hooks(made)
        _check_usable(hooks)
        urls = _base_urls(made, base_url)
    except ConfigurationError as error:
        error.connector = error.connector or connector.name
        raise
    return Account(name or connector.name, hooks, urls, secrets_of(made))


def check_secure(url: str) -> None:
    """Raise `ConfigurationError` unless a URL is https, or http to this very machine."""
    if not isinstance(url, str):
        raise ConfigurationError("base_url must be text, or a mapping of texts by base name")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ConfigurationError("base_url is no URL: write it as https://host/path") from None
    if parts.username or parts.password:
        raise ConfigurationError("base_url holds a user name or password: give them as settings")
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return
    raise ConfigurationError("base_url must begin with https:// (http:// is allowed to this machine alone)")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _check_names(connector: type[Connector], settings: Mapping[str, Any]) -> None:
    known = [one.name for one in settings_of(connector)]
    several = {one.name for one in settings_of(connector) if one.several}
    for name, value in settings.items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"its settings are {', '.join(known)}"
            raise ConfigurationError(f"there is no setting {name!r}: {hint}")
        if isinstance(value, str) and not value.strip():
            raise ConfigurationError(f"the setting {name} is empty: give it or leave it out")
        if value is not None and not isinstance(value, str) and name not in several:
            raise ConfigurationError(f"the setting {name} must be text, not {type(value).__name__}")
        if isinstance(value, str) and not value.isprintable():
            raise ConfigurationError(f"the setting {name} holds a control character, perhaps a line end from a file")


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def _check_key_prefixes(connector: Connector) -> None:
    for name, by_environment in connector.key_prefixes.items():
        key = getattr(connector, name)
        for environment, prefixes in by_environment.items():
            if key and environment != connector.environment and key.startswith(prefixes):
                raise ConfigurationError(
                    f"the setting {name} is a key for {environment} and the environment is {connector.environment}"
                )


def _check_usable(hooks: ConnectorHooks) -> None:
    possible: list[Operation] = [name for name in HOOKS if hooks.can(*HOOKS[name])]
    missing = {name: missing_settings(hooks.connector, name) for name in possible}
    if possible and all(missing.values()):
        wanted = "; ".join(f"{name} needs {', '.join(names)}" for name, names in missing.items())
        raise ConfigurationError(f"settings are missing: {wanted}")


def _base_urls(connector: Connector, base_url: BaseUrls | None) -> dict[str, str]:
    overrides = dict(base_url) if isinstance(base_url, Mapping) else {"api": base_url} if base_url else {}
    unknown = sorted(set(overrides) - set(connector.base_urls))
    if unknown:
        raise ConfigurationError(f"base_url names {unknown[0]!r}: use {', '.join(connector.base_urls)}")
    urls = {}
    for name, hosts in connector.base_urls.items():
        url = overrides.get(name) or _fill(hosts[connector.environment], connector)
        check_secure(url)
        urls[name] = url.rstrip("/")
    return urls


def _fill(templates: str | tuple[str, ...], connector: Connector) -> str:
    lacking: list[str] = []
    for template in (templates,) if isinstance(templates, str) else templates:
        names = [name for _, name, _, _ in Formatter().parse(template) if name]
        values = {name: getattr(connector, name) for name in names}
        lacking = [name for name, value in values.items() if not value]
        if lacking:
            continue
        for name, value in values.items():
            if not _HOST_PART.fullmatch(value):
                raise ConfigurationError(f"the setting {name} becomes part of a host: use letters, digits and hyphens")
        return template.format_map(values)
    raise ConfigurationError(f"the setting {lacking[0]} is missing: the processor's address depends on it")
