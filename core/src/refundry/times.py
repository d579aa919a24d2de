"""Times as processors write them, to aware UTC datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime

_LAST_SECOND = 253402300799
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_ASKED_WAIT = timedelta(days=1)


def from_unix(value: object, *, per_second: int = 1) -> datetime:
    """A time from Unix seconds, or from milliseconds with ``per_second=1000``.

    Raises `ValueError`, with a text that can be shown; 0 is a missing time, not 1970.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("the time is not a Unix time")
    if not 0 < value <= _LAST_SECOND * per_second:
        raise ValueError("the Unix time is out of range")
    seconds, rest = divmod(value, per_second)
    return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(rest * 1_000_000 // per_second))


def from_milliseconds(value: object) -> datetime:
    """A time from Unix milliseconds. Raises `ValueError`, with a text that can be shown."""
    return from_unix(value, per_second=1000)


def from_seconds_or_milliseconds(value: object) -> datetime:
    """A time from a Unix time whose unit only its size tells; one with a fraction is in seconds.

    Raises `ValueError`, with a text that can be shown.
    """
    if isinstance(value, Decimal):
        return from_unix(value)
    # The seconds of today, read as milliseconds, lie in 1970; its milliseconds, read as seconds, after the year 4900.
    moment = from_milliseconds(value)
    return moment if moment.year >= 1973 else from_unix(value)


def from_iso(value: object, *, zone: tzinfo | None = None) -> datetime:
    """A time from ISO 8601 or RFC 3339 text; ``zone`` is the processor's documented zone for a time without one.

    Raises `ValueError`, with a text that can be shown.
    """
    if not isinstance(value, str):
        raise ValueError("the time is not text")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("the time is not ISO 8601") from None
    return to_utc(moment, zone)


def from_format(value: object, pattern: str, *, zone: tzinfo | None = None) -> datetime:
    """A time from text in the form of `datetime.strptime`. Raises `ValueError`, with a text that can be shown."""
    if not isinstance(value, str):
        raise ValueError("the time is not text")
    try:
        moment = datetime.strptime(value, pattern)  # noqa: DTZ007  the zone is looked at next
    except ValueError:
        raise ValueError("the time is not of the documented form") from None
    return to_utc(moment, zone)


def to_utc(moment: datetime, zone: tzinfo | None = None) -> datetime:
    """The same moment in UTC. Raises `ValueError` for one without a zone, unless ``zone`` says it."""
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError("the time has no zone")
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is out of range") from None


def to_iso(moment: datetime, timespec: str = "auto") -> str:
    """RFC 3339 text with ``Z``, with a fraction only where there is one; or cut off at "seconds" or "milliseconds"."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def read_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """A Retry-After header (RFC 9110, 10.2.3), seconds or a date, clamped between now and a day; None if unreadable."""
    if not value:
        return None
    asked = _seconds(value.strip())
    if asked is None:
        asked = _until_date(value.strip(), now)
    return None if asked is None else min(max(asked, timedelta(0)), _LONGEST_ASKED_WAIT)


def _seconds(value: str) -> timedelta | None:
    try:
        return timedelta(seconds=float(value))
    except OverflowError:
        return _LONGEST_ASKED_WAIT
    except ValueError:
        return None


def _until_date(value: str, now: datetime) -> timedelta | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
