"""Amounts: exact, or a reason."""

from decimal import Context, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundry import Money
from refundry.money import from_decimal, from_minor, iso_exponent, to_minor
from refundry.testing.strategies import AMOUNTS, CURRENCIES


@pytest.mark.parametrize("currency", CURRENCIES)
@pytest.mark.parametrize("amount", AMOUNTS)
def test_every_currency_survives_both_forms(currency: str, amount: int) -> None:
    money = Money(amount, currency)
    assert from_minor(amount, currency) == money
    assert from_decimal(str(money.decimal), currency) == money
    assert from_decimal(money.decimal, currency.lower()) == money
    assert to_minor(money) == amount


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1000.00", "JPY", 1000),
        ("10.5", "EUR", 1050),
        ("1.234", "KWD", 1234),
        ("0", "EUR", 0),
        (" 7.00 ", "USD", 700),
        ("1E+2", "EUR", 10000),
    ],
)
def test_decimals(text: str, currency: str, minor: int) -> None:
    assert from_decimal(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("value", "currency", "reason"),
    [
        ("10.505", "EUR", "decimals"),
        ("0.1", "JPY", "decimals"),
        ("1e999999999", "EUR", "range"),
        ("1e-999999999", "EUR", "range"),
        ("NaN", "EUR", "range"),
        ("sNaN", "EUR", "range"),
        ("Infinity", "EUR", "range"),
        ("-1", "EUR", "negative"),
        ("ten", "EUR", "number"),
        ("", "EUR", "number"),
        (1.5, "EUR", "float"),
        (True, "EUR", "bool"),
        ([], "EUR", "list"),
        ("1", "ZZZ", "ISO 4217"),
        ("1", "XAU", "ISO 4217"),
        ("1", "", "ISO 4217"),
        ("1", "EURO", "ISO 4217"),
    ],
)
def test_what_cannot_be_read_says_why(value: object, currency: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        from_decimal(value, currency)


def test_no_digit_is_rounded_away_whatever_the_context() -> None:
    with localcontext(Context(prec=3)):
        assert from_decimal("12345678901234567890123456.78", "EUR") == Money(1234567890123456789012345678, "EUR")
        assert from_minor(12345678901234567890123456789, "EUR").minor_amount == 12345678901234567890123456789
        with pytest.raises(ValueError, match="decimals"):
            from_decimal("12345678901234567890123456.789", "EUR")


@given(st.integers(-(10**31), 10**31))
def test_minor_units_are_the_same_as_integer_text_and_decimal(amount: int) -> None:
    def read(value: object) -> Money | str:
        try:
            return from_minor(value, "EUR")
        except ValueError as error:
            return str(error)

    assert read(amount) == read(str(amount)) == read(Decimal(amount))
    assert read(amount) == (Money(amount, "EUR") if 0 <= amount < 10**30 else read(str(amount)))


def test_minor_units_are_whole() -> None:
    with pytest.raises(ValueError, match="whole"):
        from_minor(Decimal("10.5"), "EUR")


def test_a_refund_outlives_its_currency() -> None:
    assert from_decimal("10.50", "BGN") == Money(1050, "BGN")
    assert str(Money(1050, "HRK")) == "10.50 HRK"


def test_a_processor_with_its_own_exponents() -> None:
    exponents = {"ISK": 2, "MGA": 0}
    assert from_minor(100, "ISK", exponents) == Money(1, "ISK")
    assert from_minor(5, "MGA", exponents) == Money(500, "MGA")
    assert to_minor(Money(1, "ISK"), exponents) == 100
    with pytest.raises(ValueError, match="decimals"):
        from_minor(150, "ISK", exponents)
    with pytest.raises(ValueError, match="decimals"):
        to_minor(Money(50, "MGA"), exponents)


@given(st.integers(-(10**20), 10**20), st.sampled_from(CURRENCIES))
def test_decimal_is_exact(amount: int, currency: str) -> None:
    exponent = iso_exponent(currency)
    assert exponent is not None
    assert Money(amount, currency).decimal * 10**exponent == amount


@pytest.mark.parametrize("amount", [1.0, "1", True, None, Decimal(1)])
def test_money_takes_int_alone(amount: object) -> None:
    with pytest.raises(TypeError, match="int"):
        Money(amount, "EUR")  # type: ignore[arg-type]


@pytest.mark.parametrize("currency", ["eur", "EU", "EURO", "", None, "€€€"])
def test_a_currency_is_three_upper_case_letters(currency: object) -> None:
    with pytest.raises(ValueError, match="currency"):
        Money(1, currency)  # type: ignore[arg-type]


def test_money_reads_well() -> None:
    assert str(Money(1050, "EUR")) == "10.50 EUR"
    assert str(Money(500, "JPY")) == "500 JPY"
    assert str(Money(-5, "EUR")) == "-0.05 EUR"
    assert str(Money(5, "XAU")) == "5 minor units of XAU"
