"""What is known about a refund that is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Self

import attrs

from refundry.errors import InvalidQuery

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST_IDENTIFIER = 512


def own_copy(value: Mapping[str, str] | None) -> Mapping[str, str]:
    """A mapping of one's own, that nobody else can change."""
    return dict(value) if value else {}


@attrs.frozen(kw_only=True)
class RefundQuery:
    """What is known about a refund that is asked for. Each connector declares which of these it needs."""

    merchant_refund_id: str | None = None
    connector_refund_id: str | None = None
    connector_transaction_id: str | None = None
    refund_reason: str | None = None
    payment_method_type: str | None = None
    currency: str | None = None
    metadata: Mapping[str, str] = attrs.field(factory=dict, converter=own_copy)
    """What one processor alone needs, by the names that its README documents."""

    def __attrs_post_init__(self) -> None:
        for name, value in self.items():
            _check_identifier(name, value)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """A query from a mapping; ``refund_id`` is another name of ``connector_refund_id``.

        Raises `InvalidQuery` for an unknown name or a value that no identifier has.
        """
        named = _without_alias(fields) if "refund_id" in fields else fields
        if not named.keys() <= _QUERY_FIELDS:
            unknown = min(named.keys() - _QUERY_FIELDS)
            raise InvalidQuery(f"unknown query field {unknown!r}: use {', '.join(_QUERY_FIELDS)}")
        return cls(**named)

    @property
    def refund_id(self) -> str | None:
        """Another name of `connector_refund_id`."""
        return self.connector_refund_id

    def items(self) -> Iterator[tuple[str, str]]:
        """The given identifiers, those of the metadata as ``metadata.<key>``."""
        for name in _QUERY_NAMES:
            value = getattr(self, name)
            if value is not None:
                yield name, value
        for key, value in self.metadata.items():
            yield f"metadata.{key}", value

    def given(self) -> frozenset[str]:
        """The names of the given identifiers."""
        return frozenset([name for name, _ in self.items()])


_QUERY_FIELDS = dict.fromkeys(field.name for field in attrs.fields(RefundQuery)).keys()
_QUERY_NAMES = tuple(name for name in _QUERY_FIELDS if name != "metadata")


def _without_alias(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    named = dict(fields)
    alias = named.pop("refund_id")
    if named.setdefault("connector_refund_id", alias) != alias:
        raise InvalidQuery("refund_id and connector_refund_id are the same thing and differ: give one of them")
    return named


def usable(name: str, value: str | None) -> str | None:
    """The value where it can be an identifier, None where it is free text that no identifier has."""
    try:
        _check_identifier(name, value)
    except InvalidQuery:
        return None
    return value


def _check_identifier(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidQuery(f"{name} must be text, not {type(value).__name__}")
    if not value.strip():
        raise InvalidQuery(f"{name} is empty: leave it out or give the identifier")
    if len(value) > _LONGEST_IDENTIFIER:
        raise InvalidQuery(f"{name} is longer than {_LONGEST_IDENTIFIER} characters")
    if _CONTROL.search(value):
        raise InvalidQuery(f"{name} holds a control character: give the identifier as the processor wrote it")
