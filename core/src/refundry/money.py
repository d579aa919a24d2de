"""Amounts as processors write them, to and from minor units. Nothing is ever rounded."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache

from refundry.model import Money

_MOST_DIGITS = 30
_TOO_MUCH = 10**_MOST_DIGITS
# Refunds outlive their currency: these have left ISO 4217's list since 2021, each had two decimals.
_WITHDRAWN = frozenset({"ANG", "BGN", "CUC", "HRK", "SLL", "ZWL"})
# The application may have set a context of its own that rounds.
_EXACT = Context(prec=4 * _MOST_DIGITS, traps=[Inexact, InvalidOperation])

Exponents = Mapping[str, int]
"""How many decimals a processor gives a currency, where that differs from ISO 4217."""


@lru_cache(maxsize=512)
def iso_exponent(currency: str) -> int | None:
    """How many decimals ISO 4217 gives this currency, or gave it until 2021 and later.

    None for a code that it does not list or gives no minor units.
    """
    from iso4217 import Currency

    try:
        return Currency(currency).exponent
    except ValueError:
        return 2 if currency in _WITHDRAWN else None


def from_minor(amount: object, currency: str, exponents: Exponents | None = None) -> Money:
    """Money from a whole number in the processor's minor units.

    Raises `ValueError`, with a text that can be shown, for what cannot be read exactly.
    """
    code, ours = _currency(currency)
    theirs = (exponents or {}).get(code, ours)
    if type(amount) is int and theirs == ours and 0 <= amount < _TOO_MUCH:
        return Money(amount, code)
    return _exact(_EXACT.scaleb(_number(amount, whole=True), -theirs), code, ours)


def from_decimal(amount: object, currency: str) -> Money:
    """Money from a decimal number or text in major units: "10.50" EUR is 1050 minor units.

    Raises `ValueError`, with a text that can be shown, for what cannot be read exactly.
    """
    code, ours = _currency(currency)
    return _exact(_number(amount, whole=False), code, ours)


def to_minor(money: Money, exponents: Exponents | None = None) -> int:
    """The amount in the processor's minor units. Raises `ValueError` where the processor cannot express it."""
    theirs = (exponents or {}).get(money.currency, iso_exponent(money.currency) or 0)
    scaled = _EXACT.scaleb(money.decimal, theirs)
    if scaled != int(scaled):
        raise ValueError(f"{money} has more decimals than the processor's {theirs}")
    return int(scaled)


def _currency(currency: str) -> tuple[str, int]:
    code = currency.upper()
    exponent = iso_exponent(code)
    if exponent is None:
        raise ValueError("the currency is not in ISO 4217")
    return code, exponent


def _number(amount: object, *, whole: bool) -> Decimal:
    if isinstance(amount, bool | float) or not isinstance(amount, int | str | Decimal):
        raise ValueError(f"an amount cannot be {type(amount).__name__}")
    try:
        number = Decimal(amount.strip() if isinstance(amount, str) else amount)
    except InvalidOperation:
        raise ValueError("the amount is not a number") from None
    if not number.is_finite() or len(number.as_tuple().digits) > 2 * _MOST_DIGITS:
        raise ValueError("the amount is out of range")
    if number and not -_MOST_DIGITS < number.adjusted() < _MOST_DIGITS:
        raise ValueError("the amount is out of range")
    if number < 0:
        raise ValueError("the amount is negative")
    if whole and number != number.to_integral_value():
        raise ValueError("the amount is not a whole number of minor units")
    return number


def _exact(major: Decimal, currency: str, exponent: int) -> Money:
    minor = _EXACT.scaleb(major, exponent)
    if minor != minor.to_integral_value():
        raise ValueError(f"the amount has more than the {exponent} decimals of {currency}")
    return Money(int(minor), currency)
