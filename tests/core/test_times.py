"""Times: aware UTC, or a reason."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundry.times import from_format, from_iso, from_seconds_or_milliseconds, from_unix, to_iso


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T09:00:00Z", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02T09:00:00.39Z", datetime(2026, 3, 2, 9, 0, 0, 390000, tzinfo=UTC)),
        ("2026-03-02T09:00:00.1234567Z", datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-02T01:00:00-08:00", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02T10:00:00+0100", datetime(2026, 3, 2, 9, tzinfo=UTC)),
    ],
)
def test_iso(text: str, expected: datetime) -> None:
    read = from_iso(text)
    assert read == expected
    assert read.tzinfo is UTC


def test_a_time_without_a_zone_needs_the_documented_one() -> None:
    with pytest.raises(ValueError, match="zone"):
        from_iso("2026-03-02T09:00:00")
    zone = timezone(timedelta(hours=-8))
    assert from_iso("2026-03-02T01:00:00", zone=zone) == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert from_format("02.03.2026 01:00", "%d.%m.%Y %H:%M", zone=zone) == datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, 5, [], "yesterday", "", "0001-01-01T00:00:00+23:59"])
def test_odd_iso_says_why(value: object) -> None:
    with pytest.raises(ValueError, match="the time"):
        from_iso(value)


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1E72441940"),
        Decimal("-1E72441940"),
        0,
        -1,
        10**400,
        True,
        None,
        "soon",
        [],
        "99999999999999999999",
        253402300800,
    ],
)
def test_odd_unix_says_why(value: object) -> None:
    with pytest.raises(ValueError, match="time"):
        from_unix(value)


def test_unix() -> None:
    assert from_unix(1767225600) == datetime(2026, 1, 1, tzinfo=UTC)
    assert from_unix("1767225600") == datetime(2026, 1, 1, tzinfo=UTC)
    assert from_unix(1767225600250, per_second=1000) == datetime(2026, 1, 1, 0, 0, 0, 250000, tzinfo=UTC)
    assert from_unix(Decimal("1767225600.5")) == datetime(2026, 1, 1, 0, 0, 0, 500000, tzinfo=UTC)


@given(st.integers(1, 253402300799_000))
def test_unix_is_exact_to_the_millisecond(milliseconds: int) -> None:
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert from_unix(milliseconds, per_second=1000) == expected
    assert from_unix(Decimal(milliseconds), per_second=1000) == expected
    assert from_unix(Decimal(milliseconds) / 1000) == expected


@given(st.integers(100_000_000, 90_000_000_000))
def test_the_size_of_a_unix_time_tells_its_unit(seconds: int) -> None:
    expected = from_unix(seconds)
    assert from_seconds_or_milliseconds(seconds) == expected
    assert from_seconds_or_milliseconds(str(seconds * 1000)) == expected
    assert from_seconds_or_milliseconds(Decimal(seconds) + Decimal("0.5")) == expected + timedelta(seconds=0.5)


@pytest.mark.parametrize("value", ["x", None, True, 0, -1, 10**20, Decimal("1500000000000.0"), 1.5])
def test_an_odd_unix_time_of_either_unit_says_why(value: object) -> None:
    with pytest.raises(ValueError, match="time"):
        from_seconds_or_milliseconds(value)


@given(st.datetimes(timezones=st.just(UTC)))
def test_iso_round_trip(moment: datetime) -> None:
    assert from_iso(to_iso(moment)) == moment
