"""What a webhook of Access Worldpay says, and what it is signed with."""

from __future__ import annotations

from refundry.model import ErrorInfo, Money
from refundry.money import iso_exponent
from refundry.reading import Fields


def signing_keys(secret: str) -> list[bytes]:
    """What the shared secret may be as a key: the documents do not say whether it is text or hex."""
    try:
        return [secret.encode(), bytes.fromhex(secret)]
    except ValueError:
        return [secret.encode()]


def event_amount(details: Fields) -> Money | None:
    """The amount; None with a problem in a currency without exactly two decimals."""
    currency = details.text("amount", "currencyCode")
    if currency and iso_exponent(currency.upper()) != 2:
        # Documented as a number with two decimals, which in queries it has only where the currency has them.
        details.problem("amount.value: its unit is not clear in this currency")
        return None
    return details.minor_money("amount", "value", currency=currency)


def event_failure(details: Fields) -> ErrorInfo | None:
    """Why the issuer refused the refund."""
    refusal = details.at("refund", "refusal")
    return ErrorInfo.of(code=refusal.text("code"), message=refusal.text("description"))
