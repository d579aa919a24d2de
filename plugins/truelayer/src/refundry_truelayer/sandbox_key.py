"""The key that the sandbox signs webhooks with: anyone may know it."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from refundry.signing import encode_base64url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KEY_ID = "00000000-0000-4000-8000-000000000007"


@cache
def _key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP521R1, derive_private_key

    return derive_private_key(int.from_bytes(hashlib.sha512(b"refundry sandbox").digest(), "big"), SECP521R1())


def public_key() -> dict[str, str]:
    """Its public half, as a JSON Web Key (RFC 7517)."""
    numbers = _key().public_key().public_numbers()
    x, y = (encode_base64url(value.to_bytes(66, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "alg": "ES512", "use": "sig", "kid": KEY_ID, "crv": "P-521", "x": x, "y": y}


def sign(message: bytes) -> str:
    """The ES512 signature (RFC 7518, section 3.4) as base64url."""
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA512

    r, s = decode_dss_signature(_key().sign(message, ECDSA(SHA512())))
    return encode_base64url(r.to_bytes(66, "big") + s.to_bytes(66, "big"))
