"""What users hold: money, a refund's status, the refund itself, and the query that asks for it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import attrs

from refundry.errors import InvalidQuery, MappingError
from refundry.query import RefundQuery as RefundQuery
from refundry.query import own_copy, usable
from refundry.status import FAILED as FAILED
from refundry.status import MANUAL_REVIEW as MANUAL_REVIEW
from refundry.status import PENDING as PENDING
from refundry.status import SUCCEEDED as SUCCEEDED
from refundry.status import UNKNOWN as UNKNOWN
from refundry.status import RefundStatus as RefundStatus

if TYPE_CHECKING:
    from refundry.http import Response

_CURRENCY = re.compile(r"[A-Z]{3}")


def _aware_utc(instance: object, attribute: attrs.Attribute[Any], value: datetime | None) -> None:
    if value is None:
        return
    if value.tzinfo is not UTC:
        raise ValueError(f"{attribute.name} must be an aware datetime in UTC, not {value!r}")


@attrs.frozen(order=False)
class Money:
    """An amount in minor units of an ISO 4217 currency: ``Money(1050, "EUR")`` is 10.50 EUR."""

    minor_amount: int = attrs.field()
    currency: str = attrs.field()

    @minor_amount.validator  # pyright: ignore[reportAttributeAccessIssue]
    def _check_minor_amount(self, attribute: object, value: object) -> None:
        if type(value) is not int:
            raise TypeError(f"minor_amount must be an int, not {type(value).__name__}")

    @currency.validator  # pyright: ignore[reportAttributeAccessIssue]
    def _check_currency(self, attribute: object, value: object) -> None:
        if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
            raise ValueError("currency must be three upper-case letters of ISO 4217")

    @property
    def decimal(self) -> Decimal:
        """The amount in major units. Raises ``ValueError`` for a currency that is not in ISO 4217."""
        from refundry.money import iso_exponent

        exponent = iso_exponent(self.currency)
        if exponent is None:
            raise ValueError(f"{self.currency} is not an ISO 4217 currency with minor units")
        sign, digits, _ = Decimal(self.minor_amount).as_tuple()
        return Decimal((sign, digits, -exponent))

    def __str__(self) -> str:
        try:
            return f"{self.decimal} {self.currency}"
        except ValueError:
            return f"{self.minor_amount} minor units of {self.currency}"


@attrs.frozen(kw_only=True)
class ErrorInfo:
    """Why a refund failed, in the processor's words."""

    code: str | None = None
    """The processor's code."""
    message: str | None = None
    """The processor's text."""
    reason: str | None = None
    """A second, coarser or finer reason where the processor has one."""
    network_code: str | None = None
    """The code of the card network or bank."""

    @classmethod
    def of(cls, **parts: str | None) -> Self | None:
        """Of these parts; None where the processor said none of them."""
        return cls(**parts) if any(parts.values()) else None


@attrs.frozen(kw_only=True)
class Refund:
    """One refund as one processor described it at one moment."""

    connector_refund_id: str | None = None
    """The processor's identifier of the refund; absent only where an answer or event does not carry it."""
    merchant_refund_id: str | None = None
    connector_transaction_id: str | None = None
    status: RefundStatus
    connector_status: str | None = None
    """The processor's own word, or the text that its connector derives from several fields."""
    error: ErrorInfo | None = None
    status_code: int | None = None
    """HTTP status of the answer that this was read from."""
    response_headers: Mapping[str, str] = attrs.field(factory=dict, converter=own_copy, repr=False, eq=False)
    refund_amount: Money | None = None
    payment_amount: int | None = None
    """The payment's amount in minor units of the refund's currency, where the answer has it."""
    refund_reason: str | None = None
    created_at: datetime | None = attrs.field(default=None, validator=_aware_utc)
    updated_at: datetime | None = attrs.field(default=None, validator=_aware_utc)
    processed_at: datetime | None = attrs.field(default=None, validator=_aware_utc)
    acquirer_reference_number: str | None = None
    """With it the customer's bank can trace the money."""
    metadata: Mapping[str, str] = attrs.field(factory=dict, converter=own_copy)
    """What the processor needs to be asked for this refund again."""
    problems: tuple[str, ...] = ()
    """What could not be read, each with its field; the field itself is None then."""
    raw: bytes = attrs.field(default=b"", repr=False, eq=False)
    """The response body that this was read from. A connector that asks twice sets it where it is not the first one."""

    def query(self) -> RefundQuery:
        """The query that asks for this refund again, without free text that no identifier has."""
        return RefundQuery(
            merchant_refund_id=usable("merchant_refund_id", self.merchant_refund_id),
            connector_refund_id=usable("connector_refund_id", self.connector_refund_id),
            connector_transaction_id=usable("connector_transaction_id", self.connector_transaction_id),
            currency=self.refund_amount.currency if self.refund_amount else None,
            metadata={key: value for key, value in self.metadata.items() if usable(key, value)},
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON shape: status as text, times as Unix seconds, absent values left out, no raw body."""
        shape: dict[str, Any] = {}
        for name in _SHAPE:
            value = getattr(self, name)
            if value is not None and value != () and value != {}:
                shape[name] = _plain(value)
        return shape


_SHAPE = tuple(field.name for field in attrs.fields(Refund) if field.name != "raw")


def _plain(value: object) -> Any:
    match value:
        case datetime():
            return int(value.timestamp())
        case RefundStatus():
            return value.value
        case Money() | ErrorInfo():
            return attrs.asdict(value, filter=lambda _, part: part is not None)
        case Mapping():
            return dict(value)
        case tuple():
            return list(value)
        case _:
            return value


@attrs.frozen(kw_only=True)
class Window:
    """The part of a processor's refunds that a listing asks for: half-open, ``since <= t < until``, in aware UTC.

    With a transaction id it asks for the refunds of that one payment.
    """

    since: datetime = attrs.field(validator=_aware_utc)
    until: datetime = attrs.field(validator=_aware_utc)
    connector_transaction_id: str | None = None
    page_size: int = attrs.field(default=100, validator=attrs.validators.ge(1))
    metadata: Mapping[str, str] = attrs.field(factory=dict, converter=own_copy)

    def widened(self, by: timedelta) -> Self:
        """So much more on either side, where no document says whether the ends count."""
        return attrs.evolve(self, since=self.since - by, until=self.until + by)

    def unix(self) -> tuple[int, int]:
        """``since`` and ``until`` in whole Unix seconds, of which no second of the window is left out."""
        return math.floor(self.since.timestamp()), math.ceil(self.until.timestamp())

    def covers(self, moment: datetime) -> bool:
        """Whether this moment lies in the window."""
        return self.since <= moment < self.until


@attrs.frozen(kw_only=True)
class RefundPage:
    """One page of a listing. ``cursor=None`` alone ends the listing; an empty page with a cursor does not."""

    refunds: Sequence[Refund] = ()
    hints: Sequence[RefundQuery] = ()
    """Refunds that the page names without saying enough: the client asks for them one by one."""
    problems: Sequence[MappingError] = ()
    """Items that could not be read."""
    cursor: str | None = None
    """Text that only the connector reads."""


def _query_of(event: RefundEvent) -> RefundQuery:
    if event.refund is None:
        raise InvalidQuery("an event needs a refund, or the query that asks for it")
    return event.refund.query()


@attrs.frozen(kw_only=True)
class RefundEvent:
    """What one webhook says about one refund."""

    refund: Refund | None = None
    """None makes the event a hint: ask the processor."""
    query: RefundQuery = attrs.field(default=attrs.Factory(_query_of, takes_self=True))
    """The identifiers in the event: those of the refund where it has one."""
    event_id: str | None = None
    """The processor's identifier of the event, or a digest of the event where it has none: duplicates share it."""
    foreign: bool = False
    """True when the event belongs to another account of the processor."""
    occurred_at: datetime | None = attrs.field(default=None, validator=_aware_utc)
    """When it came to be as the event says, by the processor's clock; None where the event does not say. Webhooks
    overtake each other, and this puts them in order."""

    @property
    def is_hint(self) -> bool:
        """True when the event names a refund and says nothing about it that may be believed."""
        return self.refund is None


@attrs.frozen(kw_only=True)
class Delivery:
    """A verified webhook: its events, and the reply by which this processor knows that it was accepted."""

    events: Sequence[RefundEvent]
    reply: Response
    problems: Sequence[MappingError] = ()
    """Items of a batch that could not be read."""
