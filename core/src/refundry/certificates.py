"""Webhooks signed with the key of an X.509 certificate or of a JSON Web Key Set. Needs ``refundry[crypto]``.

Either is trusted for where it came from: over TLS, from an address that the connector has checked. The chain of issuers
of a certificate is not followed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from refundry.errors import MappingError, SignatureError
from refundry.http import parse_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import Certificate

_P521_BYTES = 66


def load_certificate(pem: bytes) -> Certificate:
    """The first certificate of a PEM text. Raises `SignatureError` when there is none."""
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(pem)
    except ValueError:
        raise SignatureError("the answer to the certificate's address is not a certificate") from None


def checked_certificate(pem: bytes, moment: datetime, domain: str) -> Certificate:
    """The first certificate of a PEM text.

    Raises `SignatureError` unless it is valid at this moment (aware) and made out to a host below this domain.
    """
    certificate = load_certificate(pem)
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise SignatureError("the certificate has expired or is not valid yet, or this machine's clock is wrong")
    if not any(name.lower().endswith(f".{domain}") for name in certificate_names(certificate)):
        raise SignatureError(f"the certificate is not made out to a host of {domain}: the event may be forged")
    return certificate


def certificate_names(certificate: Certificate) -> tuple[str, ...]:
    """The hosts that it is made out to: its common name, and the DNS names among its alternative names.

    Raises `SignatureError` when they cannot be read.
    """
    from cryptography.x509 import DNSName, DuplicateExtension, ExtensionNotFound, SubjectAlternativeName
    from cryptography.x509.oid import NameOID

    common: list[str] = []
    try:
        common = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        more = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        return tuple(common)
    except (ValueError, DuplicateExtension):
        raise SignatureError("the names in the certificate cannot be read") from None
    return (*common, *more.get_values_for_type(DNSName))


def check_rsa_signature(certificate: Certificate, signature: bytes, messages: Iterable[bytes]) -> None:
    """Raise `SignatureError` unless this is the RSA signature (PKCS #1 v1.5, SHA-256) of one of the messages.

    ``messages`` has one for each secret or identifier of the account that the event may have been signed for.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureError("the key in the certificate cannot be read") from None
    if not isinstance(key, RSAPublicKey):
        raise SignatureError("the key in the certificate is not an RSA key")
    if not any(_is_signed(key, signature, message) for message in messages):
        raise SignatureError("the signature does not fit the event: check the webhook settings and pass the raw body")


def decode_base64url(text: str) -> bytes:
    """Strict base64url without padding (RFC 7515, section 2). Raises `SignatureError`."""
    try:
        return base64.b64decode(f"{text}{'=' * (-len(text) % 4)}", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("a part of the signature is not base64url") from None


def p521_key(key_set: bytes, key_id: str) -> EllipticCurvePublicKey:
    """The P-521 key with this ``kid`` in a JSON Web Key Set (RFC 7517, section 5). Raises `SignatureError`."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP521R1, EllipticCurvePublicNumbers

    found = [one for one in _keys(key_set) if (one.get("kid"), one.get("crv")) == (key_id, "P-521")]
    if not found:
        raise SignatureError("the key set does not hold the key that the event names")
    x, y = (int.from_bytes(decode_base64url(str(found[0].get(name))), "big") for name in ("x", "y"))
    try:
        return EllipticCurvePublicNumbers(x, y, SECP521R1()).public_key()
    except ValueError:
        raise SignatureError("the key that the event names cannot be read") from None


def check_es512_signature(key: EllipticCurvePublicKey, signature: bytes, messages: Iterable[bytes]) -> None:
    """Raise `SignatureError` unless this is the ES512 signature (RFC 7518, section 3.4) of one of the messages.

    The signature is the 66 bytes of R, then those of S. ``messages`` has one for each form that the signed text may
    have.
    """
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if len(signature) != 2 * _P521_BYTES:
        raise SignatureError("the signature is not of the length that ES512 has")
    r, s = (int.from_bytes(half, "big") for half in (signature[:_P521_BYTES], signature[_P521_BYTES:]))
    encoded = encode_dss_signature(r, s)
    if not any(_is_signed_on_curve(key, encoded, message) for message in messages):
        raise SignatureError("the signature does not fit the event: check the webhook settings and pass the raw body")


def _keys(key_set: bytes) -> list[Mapping[str, Any]]:
    try:
        document = parse_json(key_set)
    except MappingError:
        document = None
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list):
        raise SignatureError("the answer to the key set's address is not a key set")
    return [one for one in keys if isinstance(one, Mapping)]


def _is_signed_on_curve(key: EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA512

    try:
        key.verify(signature, message, ECDSA(SHA512()))
    except InvalidSignature:
        return False
    return True


def _is_signed(key: RSAPublicKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
