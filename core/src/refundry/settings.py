"""The settings of a connector: what its documentation, a form and a redaction need to know of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import attrs

from refundry.errors import ConfigurationError

Operation: TypeAlias = Literal["get", "list", "webhook"]
ALWAYS: frozenset[Operation] = frozenset({"get", "list", "webhook"})
ASKING: frozenset[Operation] = frozenset({"get", "list"})
"""The operations that ask the processor, which is what most credentials are for."""

METADATA = "refundry"
"""Under which a field has its `Setting`."""


@attrs.frozen(kw_only=True)
class Setting:
    """One setting of a connector, as its documentation, a form or a redaction needs it."""

    name: str = ""
    help: str
    secret: bool = False
    required: bool = False
    """Whether the operations in ``needed_for`` cannot do without it."""
    needed_for: frozenset[Operation] = ALWAYS
    several: bool = False
    """Whether it takes several values; its value is `Secrets` then."""


@attrs.frozen
class Secrets:
    """What a webhook may be signed with: several secrets while they rotate, by key id where a header names the key."""

    unnamed: tuple[str, ...] = attrs.field(default=(), repr=False)
    by_id: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    @classmethod
    def of(cls, value: object) -> Secrets:
        """From one text, several, or a mapping by key id. Raises `ConfigurationError` for an empty one."""
        match value:
            case Secrets():
                return value
            case None | "":
                return cls()
            case str():
                secrets = cls((value,))
            case Mapping():
                secrets = cls((), {str(key): str(secret) for key, secret in value.items()})
            case Iterable():
                secrets = cls(tuple(str(secret) for secret in value))
            case _:
                raise ConfigurationError("a webhook secret is text, several texts, or a mapping by key id")
        if not all(secret.strip() for secret in secrets.every()) or not secrets:
            raise ConfigurationError("a webhook secret is empty: an empty secret would verify forged events")
        return secrets

    def __bool__(self) -> bool:
        return bool(self.unnamed or self.by_id)

    def every(self) -> tuple[str, ...]:
        """All secrets."""
        return (*self.unnamed, *self.by_id.values())

    def candidates(self, key_id: str | None = None) -> tuple[str, ...]:
        """The secrets that a webhook which names this key may be signed with."""
        if key_id is not None and key_id in self.by_id:
            return (self.by_id[key_id],)
        return self.unnamed


def setting(
    *,
    help: str,  # noqa: A002  the word that its readers know from command lines and forms
    secret: bool = False,
    needed_for: Iterable[Operation] = ASKING,
    default: Any = attrs.NOTHING,
) -> Any:
    """A field of a connector.

    Without a default it is required by the operations in ``needed_for``, and only they fail when it is missing; where
    webhooks need it too, `ALWAYS` says so. A secret one is kept out of every repr, log and error. ``help``
    says what it is, in the words of the processor's dashboard.
    """
    described = Setting(help=help, secret=secret, required=default is attrs.NOTHING, needed_for=frozenset(needed_for))
    return attrs.field(
        default="" if default is attrs.NOTHING else default, repr=not secret, metadata={METADATA: described}
    )


def signing_secrets(
    *,
    help: str,  # noqa: A002
    needed_for: Iterable[Operation] = ("webhook",),
    default: Any = attrs.NOTHING,
) -> Any:
    """A secret field that takes one webhook secret, several, or a mapping by key id; its value is `Secrets`.

    Without a default it is required by the operations in ``needed_for``.
    """
    described = Setting(
        help=help, secret=True, required=default is attrs.NOTHING, needed_for=frozenset(needed_for), several=True
    )
    return attrs.field(default=Secrets(), converter=Secrets.of, repr=False, metadata={METADATA: described})


@attrs.frozen
class OneOf:
    """Alternative sets of settings, one of which must be complete for the operations in ``needed_for``."""

    alternatives: tuple[frozenset[str], ...]
    needed_for: frozenset[Operation] = ASKING


def one_of(*alternatives: Iterable[str], needed_for: Iterable[Operation] = ASKING) -> OneOf:
    """``credentials = one_of({"secret_key"}, {"client_id", "client_secret"})``: either will do."""
    return OneOf(tuple(frozenset(names) for names in alternatives), frozenset(needed_for))
