"""What a connector's sandbox gets to see: the calls that reach it, and the book of refunds that it answers from.

A plugin's ``sandbox.py`` implements `refundry.hookspecs.SandboxSpecs` on a subclass of `ConnectorSandbox`; the server
around it is the distribution ``refundry-sandbox``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from refundry.connector import Connector
from refundry.errors import AuthenticationError, ConnectorError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json, lower_names, parse_form, parse_json
from refundry.model import Refund
from refundry.times import from_iso, from_unix

if TYPE_CHECKING:
    from refundry.plugins import SandboxHooks


@attrs.frozen(kw_only=True)
class Call:
    """A request that reached the sandbox."""

    base: str = "api"
    """The name of the base URL that it came to."""
    method: str
    url: str
    """The whole URL, as the client sent it."""
    path: str
    """The path below the base URL, still percent-encoded."""
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=lower_names)
    body: bytes = b""

    @property
    def segments(self) -> tuple[str, ...]:
        """The decoded segments of the path: ``match call.method, *call.segments``."""
        return tuple(unquote(part) for part in self.path.strip("/").split("/"))

    @property
    def params(self) -> dict[str, str]:
        """The query parameters."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def target(self) -> str:
        """Path and query of the whole URL, as a signature covers them."""
        parts = urlsplit(self.url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def header(self, name: str) -> str:
        """A header by its name in any case; empty when it is absent."""
        return self.headers.get(name.lower(), "")

    def check_header(self, name: str, value: str) -> None:
        """Raise `AuthenticationError` unless the header has this value."""
        if self.header(name) != value:
            raise AuthenticationError("the credentials are not the sandbox's", status_code=401)

    def time(self, name: str) -> datetime | None:
        """A query parameter as a time, of Unix seconds or ISO 8601 text; None when it is absent."""
        text = self.params.get(name)
        if not text:
            return None
        return from_unix(text) if text.isdigit() else from_iso(text)

    def json(self) -> Any:
        """The body as JSON."""
        return parse_json(self.body)

    def form(self) -> dict[str, str]:
        """The body as form fields."""
        return parse_form(self.body)


@attrs.define(kw_only=True)
class Book:
    """The refunds of one sandbox account as they stand now, and the access tokens it has given out."""

    now: datetime
    refunds: dict[str, Refund] = attrs.field(factory=dict)
    """By connector_refund_id."""
    tokens: dict[str, datetime] = attrs.field(factory=dict, repr=False)
    """By token: when it expires."""

    def refund(self, connector_refund_id: str | None) -> Refund:
        """One refund. Raises `RefundNotFound`."""
        try:
            return self.refunds[connector_refund_id or ""]
        except KeyError:
            raise RefundNotFound("no such refund in the sandbox") from None

    def listed(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        connector_transaction_id: str | None = None,
    ) -> list[Refund]:
        """The refunds created in ``since <= created_at < until``, newest first, of one payment where it is given."""
        found = [
            refund
            for refund in self.refunds.values()
            if (since is None or (refund.created_at is not None and refund.created_at >= since))
            and (until is None or (refund.created_at is not None and refund.created_at < until))
            and connector_transaction_id in (None, refund.connector_transaction_id)
        ]
        return sorted(found, key=lambda one: (one.created_at or self.now, one.connector_refund_id or ""), reverse=True)

    def of_payment(self, connector_transaction_id: str) -> list[Refund]:
        """The refunds of one payment, newest first. Raises `RefundNotFound` where there is none."""
        refunds = self.listed(connector_transaction_id=connector_transaction_id)
        if not refunds:
            raise RefundNotFound("no such payment in the sandbox")
        return refunds

    def issue_token(self, lifetime: timedelta) -> str:
        """A new access token."""
        token = f"sandbox-token-{len(self.tokens) + 1:024}"
        self.tokens[token] = self.now + lifetime
        return token

    def check_token(self, call: Call) -> None:
        """Raise `AuthenticationError` unless the call bears a token that was given out and has not expired."""
        token = call.header("Authorization").removeprefix("Bearer ")
        if token not in self.tokens or self.now >= self.tokens[token]:
            raise AuthenticationError("the access token is unknown or has expired", status_code=401)

    def oauth_token(self, lifetime: timedelta = timedelta(hours=1), **facts: object) -> Response:
        """The OAuth 2.0 answer with a new access token."""
        seconds = int(lifetime.total_seconds())
        token = {"access_token": self.issue_token(lifetime), "token_type": "Bearer", "expires_in": seconds}
        return json_response({**token, **facts})


C = TypeVar("C", bound=Connector)


@attrs.frozen
class ConnectorSandbox(Generic[C]):
    """The base of a connector's sandbox: the processor's side of one account."""

    settings: ClassVar[Mapping[str, Any]]
    """The settings of the account that the sandbox plays, made up, in the processor's form."""
    lives: ClassVar[Mapping[str, tuple[str, ...]]]
    """What refunds live through, as words of the connector's status table: ``{"settles": ("pending", "succeeded")}``.

    The known names are ``settles``, ``fails``, ``returned`` (success, then failure), ``held`` and ``cancelled``.
    """

    expressible: ClassVar[frozenset[str]] = frozenset(
        {"connector_refund_id", "status", "connector_status", "refund_amount", "created_at"}
    )
    """The fields of a `Refund` that the processor's answer can carry."""
    event_words: ClassVar[frozenset[str]] = frozenset()
    """Words of the status table that only webhooks say."""
    refund_ids: ClassVar[str] = "re_sandbox_{}"
    """How the processor's refund identifiers look, with a place for a number."""
    payment_ids: ClassVar[str] = "pay_sandbox_{}"
    """The same of its payments or captures."""
    currency: ClassVar[str] = "EUR"
    """What the refunds that the sandbox makes up are in."""
    errors: ClassVar[Mapping[type[RefundryError], Response]] = {}
    """What each kind of error looks like; `RefundryError` stands for all others."""

    connector: C
    public_url: str = ""
    """Where the server around it answers for the base ``api``; empty when there is no server."""

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        """The answer in `errors` for this kind of error, or for the nearest kind that it is one of."""
        for kind in type(error).__mro__:
            if kind in self.errors:
                return self.errors[kind]
        raise LookupError(f"{type(self).__name__}.errors has no RefundryError, which stands for all others")


def answer(hooks: SandboxHooks, call: Call, book: Book) -> Response:
    """The processor's answer to a call, its refusals and errors included."""
    try:
        hooks.check_call(call, book)
        return hooks.answer_call(call, book)
    except RefundryError as error:
        return hooks.render_error(error)


def part(
    refunds: Sequence[Refund], size: object, *, skip: object = 0, after: str | None = None
) -> tuple[Sequence[Refund], bool]:
    """One page of a list, and whether more follow: so many, after so many others or after the one with this id."""
    ids = [refund.connector_refund_id for refund in refunds]
    start = ids.index(after) + 1 if after in ids else int(str(skip))
    end = start + int(str(size))
    return refunds[start:end], end < len(refunds)


def json_event(body: object, moment: Moment, headers: Mapping[str, str] | None = None, **facts: Any) -> Event:
    """A webhook with this JSON, or with these bytes of JSON."""
    content = body if isinstance(body, bytes) else encode_json(body)
    given = {"Content-Type": "application/json", **(headers or {})}
    return Event(headers=given, body=content, received_at=moment.now, **facts)


def json_response(value: object, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with this JSON."""
    return Response(status_code, {"Content-Type": "application/json", **(headers or {})}, encode_json(value))


def unknown_call() -> ConnectorError:
    """What to raise for a call that the processor does not have."""
    return ConnectorError("the sandbox has no such call", status_code=404)


def no_webhook() -> ConnectorError:
    """What to raise for a refund of which the processor sends no webhook as it stands."""
    return ConnectorError("the processor sends no webhook that says this")


def varied(value: Any) -> Any:
    """Another setting of the same form: one letter or digit in its middle differs, within hexadecimal and base64."""
    if not isinstance(value, str):
        return value
    for place in sorted(range(len(value)), key=lambda place: abs(place - len(value) // 2)):
        letter = value[place]
        if letter.isascii() and letter.isalnum():
            other = {"9": "0", "f": "a", "F": "A", "z": "g", "Z": "G"}.get(letter) or chr(ord(letter) + 1)
            return value[:place] + other + value[place + 1 :]
    return value
