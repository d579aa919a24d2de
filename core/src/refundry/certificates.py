"""Webhooks signed with the key of an X.509 certificate. Needs ``refundry[crypto]``.

A certificate is trusted for where it came from: over TLS, from an address that the connector has checked. Its chain of
issuers is not followed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from refundry.errors import SignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import Certificate


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


def _is_signed(key: RSAPublicKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
