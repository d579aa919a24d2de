"""Ways to authenticate a request. Each returns an `Auth`: a pure function of the final request and the moment."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta

from refundry.http import Auth, Moment, Request, Response, Token, WireRequest
from refundry.reading import Fields


def header_auth(credentials: Mapping[str, str]) -> Auth:
    """Send credentials in these headers."""

    def authenticate(request: WireRequest, moment: Moment) -> WireRequest:
        return request.with_headers(credentials)

    return authenticate


def bearer_auth(key: str) -> Auth:
    """``Authorization: Bearer <key>``."""
    return header_auth({"Authorization": f"Bearer {key}"})


def basic_auth(username: str, password: str) -> Auth:
    """HTTP Basic authentication (RFC 7617), as UTF-8."""
    return header_auth({"Authorization": basic_credentials(username, password)})


def basic_credentials(username: str, password: str) -> str:
    """``Basic ...``, as the header Authorization has it."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def token_auth(request: WireRequest, moment: Moment) -> WireRequest:
    """``Authorization: Bearer <token>`` with the access token of the moment."""
    return request.with_headers({"Authorization": f"Bearer {moment.token}"})


def client_credentials_request(path: str, auth: Auth, *, base: str = "api", scope: str | None = None) -> Request:
    """The token request of OAuth 2.0 client credentials (RFC 6749, section 4.4)."""
    return Request("POST", path, base=base, form={"grant_type": "client_credentials", "scope": scope}, auth=auth)


def read_oauth_token(response: Response, lifetime_seconds: int = 300) -> Token:
    """The token of an OAuth 2.0 answer; ``lifetime_seconds`` is used where the answer has no usable ``expires_in``.

    Raises `MappingError` where there is no token.
    """
    fields = Fields(response.json())
    seconds = fields.get("expires_in")
    usable = type(seconds) is int and 0 < seconds <= 10**8
    lifetime = timedelta(seconds=seconds if usable else lifetime_seconds)
    return Token(value=fields.required("access_token"), lifetime=lifetime)
