"""What a transaction of CyberSource says of itself: whether it is a refund, how it stands, why it failed."""

from __future__ import annotations

from collections.abc import Iterable

from refundry.errors import MappingError
from refundry.http import Response
from refundry.model import ErrorInfo
from refundry.reading import Fields

# From "Services Returned by the API". Its other services pay, capture, reverse, void or check something.
REFUND_SERVICES = (
    "ics_credit",
    "ics_ap_refund",
    "ics_bank_transfer_refund",
    "ics_china_refund",
    "ics_direct_debit_refund",
    "ics_ecp_credit",
    "ics_gift_card_refund",
    "ics_paypal_credit",
    "ics_paypal_refund",
    "ics_pin_debit_credit",
)

# The documents ask to look at the transaction before it is sent again: nobody knows what became of it.
UNCLEAR_REASONS = frozenset({"150", "151", "152", "250"})


def _services(fields: Fields) -> list[Fields]:
    items = fields.at("applicationInformation").items("applications")
    return [Fields(item, where="applications") for item in items]


def _names_refund(service: Fields) -> bool:
    return (service.text("name") or "").endswith(("credit", "refund"))


def is_refund(fields: Fields) -> bool:
    """Whether one of its services refunds; the same call answers for payments and captures."""
    # What names no service is taken for what it was asked for as.
    services = [service for service in _services(fields) if service.text("name")]
    return not services or any(map(_names_refund, services))


def _refund_services(fields: Fields) -> list[Fields]:
    services = _services(fields)
    return list(filter(_names_refund, services)) or services


def _words(services: Iterable[Fields], name: str) -> set[str]:
    return {word for word in (service.word(name) for service in services) if word}


def stated_status(fields: Fields) -> str | None:
    """The status word of the transaction, or the one that its refunding services agree on."""
    own = _words(_refund_services(fields), "status")
    whole = fields.at("applicationInformation").word("status") or fields.word("status")
    return whole or (own.pop() if len(own) == 1 else None)


def derived_status(fields: Fields) -> str | None:
    """What the results of the refunding services come to: ``rCode=0``, ``reasonCode=151``.

    A service answers 1 for taken on, 0 for declined, -1 for an error.
    """
    services = _refund_services(fields)
    codes = [service.word("rCode") for service in services]
    reasons = _words([fields.at("applicationInformation"), *services], "reasonCode")
    unclear = reasons & UNCLEAR_REASONS
    if unclear:
        return f"reasonCode={min(unclear)}"
    if codes and all(codes):
        # One that was taken on outweighs one that was declined, which outweighs an error.
        return f"rCode={max(filter(None, codes))}"
    return f"reasonCode={reasons.pop()}" if len(reasons) == 1 else None


def failure(fields: Fields) -> ErrorInfo | None:
    """Why the refund failed; 100 stands for no error."""
    code = fields.text("errorInformation", "reason") or fields.text("applicationInformation", "reasonCode")
    services = [service for service in _refund_services(fields) if service.text("rCode") != "1"]
    messages = (fields.text("errorInformation", "message"), *(service.text("rMessage") for service in services))
    found = ErrorInfo(code=None if code == "100" else code, message=next(filter(None, messages), None))
    return found if found.code or found.message else None


def related_id(fields: Fields) -> str | None:
    """The one transaction that it links to; None where there are several."""
    links = fields.get("_links", "relatedTransactions")
    hrefs = [link.get("href") for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    ids = {href.rstrip("/").rpartition("/")[2] for href in hrefs if isinstance(href, str)}
    return ids.pop() or None if len(ids) == 1 else None


def refusal_code(response: Response) -> str | None:
    """The reason in the body of an error, in either of the places where it may stand."""
    try:
        fields = Fields(response.json())
    except MappingError:
        return None
    return fields.text("reason") or fields.text("errorInformation", "reason")
