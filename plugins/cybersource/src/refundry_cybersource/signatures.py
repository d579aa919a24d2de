"""The two ways to sign a request, which take the same three credentials."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from email.utils import format_datetime

from refundry.http import Auth, Moment, WireRequest, encode_json
from refundry.signing import encode_base64url, hmac_base64, sha256_base64

LIFETIME = 120
"""How many seconds a token may be used."""


def token_auth(merchant_id: str, key_id: str, key: bytes) -> Auth:
    """A JSON Web Token by HS256 that covers method, host, path, query and body."""

    def authenticate(request: WireRequest, moment: Moment) -> WireRequest:
        issued = int(moment.now.timestamp())
        claims: dict[str, object] = {
            "iat": issued,
            "exp": issued + LIFETIME,
            "request-method": request.method,
            "request-host": request.host,
            "request-resource-path": request.target,
            "iss": merchant_id,
            "jti": moment.nonce,
            "v-c-jwt-version": "2",
            "v-c-merchant-id": merchant_id,
        }
        if request.body is not None:
            claims |= {"digest": sha256_base64(request.body), "digestAlgorithm": "SHA-256"}
        head = {"alg": "HS256", "typ": "JWT", "kid": key_id}
        signed = f"{encode_base64url(encode_json(head))}.{encode_base64url(encode_json(claims))}"
        signature = encode_base64url(hmac.digest(key, signed.encode(), "sha256"))
        return request.with_headers({"Authorization": f"Bearer {signed}.{signature}"})

    return authenticate


def signature_auth(merchant_id: str, key_id: str, key: bytes) -> Auth:
    """The older HTTP Signature, in headers."""

    def authenticate(request: WireRequest, moment: Moment) -> WireRequest:
        digest = {} if request.body is None else {"digest": f"SHA-256={sha256_base64(request.body)}"}
        covered = {
            "host": request.host,
            "date": format_datetime(moment.now, usegmt=True),
            # Without the parentheses of the RFC drafts, which CyberSource withdrew in 2024.
            "request-target": f"{request.method.lower()} {request.target}",
            **digest,
            "v-c-merchant-id": merchant_id,
        }
        facts = {
            "keyid": key_id,
            "algorithm": "HmacSHA256",
            "headers": " ".join(covered),
            "signature": hmac_base64(key, signed_lines(covered)),
        }
        sent = {name: value for name, value in covered.items() if name != "request-target"}
        return request.with_headers({**sent, "signature": ", ".join(f'{name}="{facts[name]}"' for name in facts)})

    return authenticate


def signed_lines(covered: Mapping[str, str]) -> bytes:
    """What an HTTP Signature covers: one line for each header, in the order that ``headers`` names."""
    return "\n".join(f"{name}: {value}" for name, value in covered.items()).encode()


SCHEMES: Mapping[str, Callable[[str, str, bytes], Auth]] = {"jwt": token_auth, "http": signature_auth}
"""By the value of the setting ``signature_scheme``."""
