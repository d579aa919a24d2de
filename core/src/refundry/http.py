"""The small values of an exchange: what is sent, what comes back, and what a processor delivers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import uuid4

import attrs

from refundry.bodies import encode_json as encode_json
from refundry.bodies import parse_form as parse_form
from refundry.bodies import parse_json as parse_json
from refundry.bodies import parse_xml as parse_xml
from refundry.errors import InvalidQuery

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Method: TypeAlias = Literal["GET", "POST", "PUT"]
Params: TypeAlias = Mapping[str, object] | Sequence[tuple[str, object]]
HeaderSource: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]+")
"""What a URL carries as it is (RFC 3986, 2.3)."""


def lower_names(headers: HeaderSource) -> dict[str, str]:
    """Headers with lower-case names."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {name.lower(): value for name, value in pairs}  # pyright: ignore[reportAttributeAccessIssue]


@attrs.frozen(kw_only=True, eq=False)
class Moment:
    """What an attempt to send may use of time and chance; made anew for every attempt."""

    now: datetime
    """Aware UTC."""
    _nonce: str | None = attrs.field(default=None, alias="nonce")
    token: str | None = attrs.field(default=None, repr=False)
    """The access token, where the connector has `fetch_token`."""

    @cached_property
    def nonce(self) -> str:
        """The nonce that was given, or a fresh random UUID as text, which only few ways to authenticate ask for."""
        return str(uuid4()) if self._nonce is None else self._nonce


@attrs.frozen
class WireRequest:
    """A request as it goes out, byte for byte. An `auth` gets it and returns it with credentials or a signature."""

    method: str
    url: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)

    @property
    def host(self) -> str:
        """Host and, where it is not the scheme's own, port."""
        return urlsplit(self.url).netloc

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        parts = urlsplit(self.url)
        return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """The same request with these headers besides its own."""
        return type(self)(self.method, self.url, {**self.headers, **headers}, self.body)

    def with_params(self, params: Params) -> Self:
        """The same request with these query parameters after its own."""
        return attrs.evolve(self, url=_with_query(self.url, params))

    def with_json(self, value: object) -> Self:
        """The same request with this JSON as its body."""
        return attrs.evolve(self, body=encode_json(value))

    def with_form(self, fields: Params) -> Self:
        """The same request with this form as its body."""
        return attrs.evolve(self, body=encode_query(fields).encode())


Auth: TypeAlias = Callable[[WireRequest, Moment], WireRequest]


@attrs.frozen
class Request:
    """The description of one request. Credentials belong into `auth` alone, so this may be logged.

    ``path`` begins with a slash and follows the base URL named by ``base``; build it with `url_path` when it holds an
    identifier. With ``base=None`` it is a whole URL, whose host the connector must have declared.
    """

    method: Method
    path: str
    base: str | None = "api"
    params: Params = attrs.field(default=(), kw_only=True)
    headers: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    json: object = attrs.field(default=None, kw_only=True)
    form: Params | None = attrs.field(default=None, kw_only=True)
    body: bytes | None = attrs.field(default=None, kw_only=True)
    auth: Auth | None = attrs.field(default=None, kw_only=True, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if [self.json is None, self.form is None, self.body is None].count(False) > 1:
            raise ValueError("a request has one of json, form and body")

    def to_wire(self, base_url: str = "") -> WireRequest:
        """The request as bytes, before `auth`. Raises `InvalidQuery` for a header that would break out of its line."""
        for name, value in self.headers.items():
            if not value.isprintable():
                raise InvalidQuery(f"the value for the header {name} holds a control character")
        content, content_type = self._content()
        headers = {"Accept": "application/json", **content_type, **self.headers}
        return WireRequest(self.method, _with_query(base_url + self.path, self.params), headers, content)

    def _content(self) -> tuple[bytes | None, dict[str, str]]:
        if self.json is not None:
            return encode_json(self.json), {"Content-Type": "application/json"}
        if self.form is not None:
            return encode_query(self.form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        return self.body, {}


@attrs.frozen
class Response:
    """A complete answer. Header names are lower-case."""

    status_code: int
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=lower_names)
    body: bytes = attrs.field(default=b"", repr=False)

    def json(self) -> Any:
        """The body as JSON. Decimals are `Decimal`, integers exact, a byte order mark is skipped.

        Raises `MappingError` when it is something else.
        """
        return self._parsed_json

    def form(self) -> dict[str, str]:
        """The body as form fields. Raises `MappingError`."""
        return parse_form(self.body)

    def xml(self) -> Element:
        """The body as XML, without entities or a document type. Raises `MappingError`."""
        return self._parsed_xml

    def header(self, name: str) -> str | None:
        """A header by its name in any case."""
        return self.headers.get(name.lower())

    @property
    def is_html(self) -> bool:
        """True for a page made for people: a proxy or a wrong address answered, not the processor's API."""
        return "html" in (self.header("content-type") or "") or self.body[:64].lstrip()[:9].lower() in _HTML_STARTS

    @cached_property
    def _parsed_json(self) -> Any:
        return parse_json(self.body)

    @cached_property
    def _parsed_xml(self) -> Element:
        return parse_xml(self.body)


_HTML_STARTS = (b"<!doctype", b"<html>", b"<html lan")


@attrs.frozen(kw_only=True)
class Event:
    """A webhook as it arrived."""

    method: str = "POST"
    url: str | None = None
    """The endpoint's public address with the query it was called with."""
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=lower_names, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    received_at: datetime
    """Aware UTC, from the clock of whoever received it."""

    def json(self) -> Any:
        """The body as JSON, read as `Response.json` reads it. Raises `MappingError`."""
        return parse_json(self.body)

    def form(self) -> dict[str, str]:
        """The body as form fields. Raises `MappingError`."""
        return parse_form(self.body)

    def header(self, name: str) -> str | None:
        """A header by its name in any case; an empty one is None."""
        return self.headers.get(name.lower()) or None

    @property
    def digest(self) -> str:
        """SHA-256, as hex, of all that it says: some processors say it in the address, with an empty body."""
        said = f"{self.method}\n{urlsplit(self.url or '').query}\n".encode(errors="surrogatepass")
        return hashlib.sha256(said + self.body).hexdigest()

    @property
    def params(self) -> dict[str, str]:
        """The query parameters of the address that was called."""
        return dict(parse_qsl(urlsplit(self.url or "").query, keep_blank_values=True))


@attrs.frozen(kw_only=True)
class Token:
    """An access token and how long it may be used."""

    value: str = attrs.field(repr=False)
    lifetime: timedelta


def url_path(*segments: str | None) -> str:
    """A path of these segments, each percent-encoded, so that an identifier stays one segment.

    Raises `InvalidQuery` for a segment that is missing, empty or means "this" or "the parent directory".
    """
    return "".join([f"/{_encoded(segment)}" for segment in segments])


def _encoded(segment: str | None) -> str:
    if not segment or not segment.strip("."):
        raise InvalidQuery(f"{segment!r} is not an identifier: give the identifier as the processor wrote it")
    return segment if _UNRESERVED.fullmatch(segment) else quote(segment, safe="")


def encode_query(params: Params) -> str:
    """Query or form text; a parameter that is None is left out. Raises `InvalidQuery` for text that is not Unicode."""
    pairs = params.items() if isinstance(params, Mapping) else params
    try:
        return urlencode([(name, value) for name, value in pairs if value is not None], quote_via=quote, safe="")
    except UnicodeEncodeError:
        raise InvalidQuery("a parameter holds half a character, which no URL can carry") from None


def _with_query(url: str, params: Params) -> str:
    query = encode_query(params) if params else ""
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"
