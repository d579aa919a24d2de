"""Webhook signatures: keyed digests, comparison in constant time, the age of an event."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from refundry.errors import SignatureError
from refundry.http import Event
from refundry.times import from_unix


def hmac_hex(key: bytes, message: bytes, digest: str = "sha256") -> str:
    """HMAC as lower-case hex."""
    return hmac.digest(key, message, digest).hex()


def hmac_base64(key: bytes, message: bytes, digest: str = "sha256") -> str:
    """HMAC as standard base64 with padding."""
    return base64.b64encode(hmac.digest(key, message, digest)).decode()


def sha256_base64(message: bytes) -> str:
    """SHA-256 as standard base64 with padding."""
    return base64.b64encode(hashlib.sha256(message).digest()).decode()


def encode_base64url(content: bytes) -> str:
    """Base64 for URLs, without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode_base64(text: str, what: str) -> bytes:
    """Strict base64. Raises `ValueError` that names ``what`` and never holds the text."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{what} is not base64") from None


def same(left: str, right: str) -> bool:
    """Whether two texts are equal, in constant time."""
    return hmac.compare_digest(left.encode(errors="surrogatepass"), right.encode(errors="surrogatepass"))


def check_signature(expected: Iterable[str], given: Iterable[str]) -> None:
    """Raise `SignatureError` unless one of the given signatures is one of the expected, compared in constant time.

    ``expected`` has one signature for each secret of the account; ``given`` those that the event carries.
    """
    signatures = [signature for signature in given if signature]
    if not signatures:
        raise SignatureError("the event carries no signature")
    matches = [same(ours, theirs) for ours in expected for theirs in signatures]
    if not any(matches):
        raise SignatureError("the signature does not fit the body: check the webhook secret and pass the raw body")


def check_hmac(
    secrets: Iterable[str],
    message: bytes,
    given: str | Iterable[str],
    *,
    sign: Callable[[bytes, bytes, str], str] = hmac_hex,
    digest: str = "sha256",
) -> None:
    """As `check_signature`, where a signature is the HMAC of this message with one of the account's secrets."""
    expected = [sign(secret.encode(), message, digest) for secret in secrets]
    check_signature(expected, [given] if isinstance(given, str) else given)


def check_age(event: Event, sent_at: datetime, tolerance: timedelta = timedelta(minutes=5)) -> None:
    """Raise `SignatureError` unless the event was received within the tolerance of when it says it was sent."""
    age = event.received_at - sent_at
    if age > tolerance:
        raise SignatureError("the event is too old: it may be a replay, or this machine's clock is wrong")
    if age < -tolerance:
        raise SignatureError("the event is from the future: this machine's clock is wrong, or it is forged")


def check_sent(
    event: Event, sent: object, tolerance: timedelta | None, *, read: Callable[[Any], datetime] = from_unix
) -> None:
    """As `check_age`, of a time as the event has it. Raises `SignatureError` for one that cannot be read, too.

    ``tolerance`` is the connector's ``event_tolerance``; where it declares none, none is granted.
    """
    try:
        moment = read(sent)
    except ValueError:
        raise SignatureError("the time at which the event was sent is missing or cannot be read") from None
    check_age(event, moment, tolerance or timedelta(0))


def required_header(event: Event, name: str) -> str:
    """A header of the signature. Raises `SignatureError` when it is missing or empty."""
    value = event.header(name)
    if value is None:
        raise SignatureError(f"the header {name} is missing")
    return value


def header_pairs(event: Event, name: str, separator: str = ",") -> list[tuple[str, str]]:
    """The parts of a header like ``t=1,v1=abc``, in order. Raises `SignatureError` when it is missing or empty."""
    parts = (part.strip().partition("=") for part in required_header(event, name).split(separator))
    return [(key.strip(), value.strip()) for key, _, value in parts]
