"""The signature of TrueLayer's webhooks, version 2, by the facts of github.com/TrueLayer/truelayer-signing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import attrs

from refundry.certificates import decode_base64url
from refundry.errors import MappingError, SignatureError
from refundry.http import Event, parse_json
from refundry.reading import Fields
from refundry.signing import check_sent, encode_base64url, required_header
from refundry.times import from_iso

SENT_HEADER = "X-Tl-Webhook-Timestamp"


@attrs.frozen
class Signature:
    """A JWS that leaves its payload out (RFC 7515, appendix F)."""

    head: str
    """The header as it was received."""
    header: Mapping[str, Any]
    value: bytes

    @property
    def covered(self) -> list[str]:
        """The names of the HTTP headers that it covers, in the order and spelling that were signed."""
        return [name.strip() for name in str(self.header.get("tl_headers") or "").split(",")]

    def signed(self, event: Event, path: str) -> bytes:
        """What was signed, if the endpoint has this path. Raises `SignatureError` when a header is missing."""
        covered = (f"{name}: {required_header(event, name)}" for name in self.covered)
        told = "\n".join([f"{event.method} {path}", *covered, ""]).encode(errors="replace")
        return f"{self.head}.{encode_base64url(told + event.body)}".encode()


def read_signature(event: Event) -> Signature:
    """The signature of an event. Raises `SignatureError` for one that is missing or of another form or version."""
    head, between, value = (*required_header(event, "Tl-Signature").split("."), "", "")[:3]
    try:
        header = Fields(parse_json(decode_base64url(head))).value
    except MappingError:
        raise SignatureError("the header Tl-Signature is not a signature of the documented form") from None
    if between or (header.get("alg"), header.get("tl_version")) != ("ES512", "2"):
        raise SignatureError("the event is signed in another way than TrueLayer documents")
    return Signature(head, header, decode_base64url(value))


def check_covered_time(event: Event, signature: Signature, tolerance: timedelta | None) -> None:
    """Raise `SignatureError` unless the signature covers when the event was sent, and that is not too long ago."""
    if SENT_HEADER.lower() not in [name.lower() for name in signature.covered]:
        raise SignatureError("the signature covers no time, so the event may be a replay")
    check_sent(event, required_header(event, SENT_HEADER), tolerance, read=from_iso)
