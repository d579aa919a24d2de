"""Access tokens, kept while they may be used."""

from __future__ import annotations

from refundry.http import Token

_TOKEN_MARGIN = 30.0
"""Seconds before its end from which a token is renewed."""


class TokenCache:
    """The access token of one account, until shortly before it expires."""

    def __init__(self) -> None:
        self._token: Token | None = None
        self._until = 0.0

    def current(self, now: float, stale: str | None) -> str | None:
        """The token that may be used now, unless it is the stale one."""
        if self._token is None or now >= self._until or self._token.value == stale:
            return None
        return self._token.value

    def keep(self, token: Token | None, now: float) -> str | None:
        """Remember a token and return its value."""
        self._token = token
        if token is None:
            return None
        lifetime = token.lifetime.total_seconds()
        self._until = now + lifetime - min(_TOKEN_MARGIN, lifetime / 10)
        return token.value
