"""How a webhook of Braintree is read: a form with base64 of XML in it."""

from __future__ import annotations

import re
from typing import Any

from refundry.errors import MappingError, SignatureError
from refundry.http import Event, parse_xml
from refundry.reading import Fields, xml_object
from refundry.signing import decode_base64

# Only those of ACH and SEPA say how a refund stands, beside "refund_failed"; they may concern a sale as well.
REFUND_EVENTS = ("refund_failed", "transaction_settled", "transaction_settlement_declined")

PAYLOAD = re.compile(r"[A-Za-z0-9+/=\n]+")
_CHALLENGE = re.compile(r"[a-f0-9]{20,32}")


def challenge_of(event: Event) -> str | None:
    """The challenge by which Braintree checks a webhook's address when it is registered."""
    text = event.params.get("bt_challenge", "")
    return text if event.method == "GET" and _CHALLENGE.fullmatch(text) else None


def form_of(event: Event) -> dict[str, str]:
    """The fields of an event that is not yet verified. Raises `SignatureError`."""
    try:
        return event.form()
    except MappingError:
        raise SignatureError("the event is not a form: pass the raw body") from None


def notification_of(event: Event) -> dict[str, Any]:
    """The notification in a verified event, for `Fields`. Raises `MappingError`."""
    try:
        document = decode_base64(event.form().get("bt_payload", "").replace("\n", ""), "bt_payload")
    except ValueError as error:
        raise MappingError(str(error), field="bt_payload") from None
    return xml_object(parse_xml(document))


def is_refund(transaction: Fields) -> bool:
    """Whether this transaction gives money back."""
    refunded = ("refunded-transaction-id", "refunded-transaction-fk", "refunded-transaction-global-id")
    return transaction.get("type") == "credit" or any(transaction.get(name) for name in refunded)
