"""The table ``[celery]`` of ``refundry.toml``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from refundry.accounts import account_names, read_config, read_secret
from refundry.errors import ConfigurationError

LEDGER_VARIABLE = "REFUNDRY_LEDGER"
REDIS = frozenset({"redis", "rediss"})
"""The schemes of a Redis."""
_BROKERS = REDIS | {"amqp", "amqps"}
_TIMEOUT = 30.0
_MARGIN = 30.0
_LONGEST_LIST = 900.0
_NAME = re.compile(r"[\w-]+")
_ROUNDS = 5
"""A lease outlasts so many answers that come at the last moment: a worker asks for what it claimed in four rounds."""

PLAIN = frozenset({"prefix", "every", "turn", "concurrency", "lease", "list_every"})
"""What stands in the table as it is."""


def _positive(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"{attribute.name} in [celery] must be a number of more than 0")


def _whole(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{attribute.name} in [celery] must be a whole number of at least 1")


def _name(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigurationError(f"{attribute.name} in [celery] must be a name of letters, digits and hyphens")


@attrs.frozen(kw_only=True)
class Settings:
    """What workers, beat and whoever sends to them must agree on. Times are in seconds."""

    broker: str = attrs.field(repr=False)
    limits: str = attrs.field(repr=False)
    """The Redis in which the accounts' rate limits are kept."""
    ledger: str = attrs.field(repr=False)
    path: Path | None = None
    """Where ``refundry.toml`` is."""
    prefix: str = attrs.field(default="refundry", validator=_name)
    """Begins the name of each queue and of each key in Redis."""
    every: float = attrs.field(default=5.0, validator=_positive)
    """How often beat looks for what is due."""
    turn: float = attrs.field(default=30.0, validator=_positive)
    """How long one account may keep a worker, before it is another's turn."""
    concurrency: int = attrs.field(default=4, validator=_whole)
    """How many requests of one account a worker has under way."""
    lease: float = attrs.field(default=300.0, validator=_positive)
    """After this long what a killed worker had in hand is free again."""
    list_every: float | None = attrs.field(default=None, validator=attrs.validators.optional(_positive))
    """How often each account that can be listed is; never if not given."""
    queues: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """By the name of a queue, the accounts that go there; ``*`` stands for any letters."""
    slowest: float = _TIMEOUT
    """The longest ``timeout`` of any account."""

    @property
    def turn_limit(self) -> float:
        """When a worker that has an account is stopped by force."""
        return self.turn + self.slowest + _MARGIN

    @property
    def list_limit(self) -> float:
        """When a worker that lists an account is stopped by force."""
        return max(_LONGEST_LIST, self.turn_limit)

    @property
    def visibility(self) -> int:
        """When Redis takes a message for lost: never while a worker may still have it, or waits to try again."""
        return int(2 * self.list_limit)

    @property
    def whole_lease(self) -> float:
        """The lease, or longer where an account's answers may take that long."""
        return max(self.lease, _ROUNDS * self.slowest)


def read_settings(path: str | Path | None = None) -> Settings:
    """The settings in ``refundry.toml``. Raises `ConfigurationError`, which names the one that is wrong."""
    file = None if path is None else Path(path)
    table = read_config(file).get("celery")
    if not isinstance(table, Mapping):
        raise ConfigurationError('there is no table [celery] in refundry.toml: write broker = { env = "A_VARIABLE" }')
    plain = {name: value for name, value in table.items() if name not in ("broker", "limits", "queues")}
    unknown = sorted(plain.keys() - PLAIN)
    if unknown:
        raise ConfigurationError(f"[celery] has no setting {unknown[0]!r}: it has {', '.join(sorted(PLAIN))}")
    broker = _address(table, "broker", _BROKERS)
    return Settings(
        broker=broker,
        limits=_address(table, "limits", REDIS) if "limits" in table else _shared(broker),
        ledger=_ledger(file),
        path=file,
        queues=_queues(table.get("queues", {})),
        slowest=_slowest(file),
        **plain,
    )


def _address(table: Mapping[str, Any], name: str, schemes: frozenset[str]) -> str:
    value = read_secret(table.get(name), f"{name} of [celery]")
    scheme = urlsplit(value).scheme if isinstance(value, str) else ""
    if scheme not in schemes:
        raise ConfigurationError(f"{name} of [celery] must be an address that begins with one of {sorted(schemes)}")
    return str(value)


def _shared(broker: str) -> str:
    if urlsplit(broker).scheme not in REDIS:
        raise ConfigurationError("limits of [celery] is missing: without Redis as the broker name a Redis for them")
    return broker


def _ledger(file: Path | None) -> str:
    url = os.environ.get(LEDGER_VARIABLE) or read_config(file).get("ledger")
    if not isinstance(url, str):
        raise ConfigurationError(f'refundry.toml lacks ledger = "postgresql://...", or the variable {LEDGER_VARIABLE}')
    return url


def _queues(described: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(described, Mapping) or not all(isinstance(names, list) for names in described.values()):
        raise ConfigurationError('[celery.queues] takes NAME = ["account", "accounts-*"]')
    return {str(queue): tuple(map(str, names)) for queue, names in described.items()}


def _slowest(file: Path | None) -> float:
    accounts = read_config(file).get("accounts", {})
    timeouts = [accounts[name].get("timeout", _TIMEOUT) for name in account_names(file)]
    return float(max([one for one in timeouts if isinstance(one, int | float)], default=_TIMEOUT))
