"""The JSON of the API: amounts in minor units, times as ISO 8601 in UTC, null for what is not known."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

import attrs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from refundry.model import Money, RefundQuery, RefundStatus
from refundry.state import Observation
from refundry_ledger import History, Page, RefundRecord, StoredEvent, Total
from refundry_web.audit import Entry

_EXACT = 2**53 - 1
_LONGEST_TEXT = 5000
Identifier = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]
_IDENTIFIERS = ("connector_refund_id", "merchant_refund_id", "connector_transaction_id")


def _whole(value: object) -> object:
    """1.0 is an integer, too, says JSON Schema; within `_EXACT` no digit of it was lost."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT else value


class Shape(BaseModel):
    """A JSON object without members that nobody knows."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


class MoneyShape(Shape):
    """An amount: 10.50 EUR is ``{"minor_amount": 1050, "currency": "EUR"}``."""

    minor_amount: int
    currency: str


class ExpectedMoney(Shape):
    """The amount that a refund should have; within what every JSON library keeps exact."""

    minor_amount: Annotated[int, Field(strict=True, ge=-_EXACT, le=_EXACT), BeforeValidator(_whole)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]

    def money(self) -> Money:
        """It as `Money`."""
        return Money(self.minor_amount, self.currency)


class ErrorShape(Shape):
    """Why a refund failed, in the processor's own words."""

    code: str | None = None
    message: str | None = None
    reason: str | None = None
    network_code: str | None = None


class RefundShape(Shape):
    """One refund as the ledger knows it."""

    id: int
    account: str
    origin: str
    connector_refund_id: str | None
    merchant_refund_id: str | None
    connector_transaction_id: str | None
    acquirer_reference_number: str | None
    status: RefundStatus | None
    connector_status: str | None
    since: datetime | None
    amount: MoneyShape | None
    expected: MoneyShape | None
    error: ErrorShape | None
    flags: list[str]
    needs_attention: bool
    attention: str | None
    first_observed: datetime | None
    last_observed: datetime | None
    added_at: datetime
    asked_at: datetime | None
    next_due: datetime | None
    attempts: int
    changes: int

    @classmethod
    def of(cls, record: RefundRecord) -> Self:
        """The shape of a record."""
        facts = {field.name: getattr(record, field.name) for field in attrs.fields(RefundRecord)}
        query = {name: getattr(record.query, name) for name in _IDENTIFIERS}
        known = {**facts, **query, "flags": sorted(flag.value for flag in record.flags)}
        return cls.model_validate({name: known[name] for name in cls.model_fields})


class ObservationShape(Shape):
    """One thing that the processor said."""

    status: RefundStatus
    connector_status: str | None
    amount: MoneyShape | None
    provider_time: datetime | None
    observed_at: datetime
    source: str
    kind: str
    foreign: bool
    error: ErrorShape | None
    acquirer_reference_number: str | None
    digest: str

    @classmethod
    def of(cls, one: Observation) -> Self:
        """The shape of an observation."""
        return cls.model_validate(one)


class HistoryShape(Shape):
    """One refund and everything that was said about it, oldest first."""

    refund: RefundShape
    observations: list[ObservationShape]

    @classmethod
    def of(cls, history: History) -> Self:
        """The shape of a history."""
        said = [ObservationShape.of(one) for one in history.observations]
        return cls(refund=RefundShape.of(history.refund), observations=said)


class PageShape(Shape):
    """Some refunds, newest first. Ask again with the cursor for the next ones; null ends the list."""

    refunds: list[RefundShape]
    cursor: str | None

    @classmethod
    def of(cls, page: Page) -> Self:
        """The shape of a page."""
        return cls(refunds=[RefundShape.of(one) for one in page.refunds], cursor=page.cursor)


class FoundShape(Shape):
    """The refunds that have an identifier."""

    refunds: list[RefundShape]


class TotalShape(Shape):
    """The refunds of one account that have one status and one currency."""

    account: str
    connector: str | None
    status: RefundStatus | None
    currency: str | None
    refunds: int
    minor_amount: int | None

    @classmethod
    def of(cls, total: Total) -> Self:
        """The shape of a total."""
        return cls.model_validate(total)


class TotalsShape(Shape):
    """All totals."""

    totals: list[TotalShape]


class NewRefund(Shape):
    """A refund to be tracked: at least one identifier, and what it should be."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in _IDENTIFIERS]
        }
    )

    account: str
    connector_refund_id: Identifier | None = None
    merchant_refund_id: Identifier | None = None
    connector_transaction_id: Identifier | None = None
    payment_method_type: Identifier | None = None
    expected: ExpectedMoney | None = None

    @model_validator(mode="after")
    def _check_identified(self) -> Self:
        if not any(getattr(self, name) for name in _IDENTIFIERS):
            raise ValueError("give at least one identifier: the processor's, yours, or the payment's")
        return self

    def query(self) -> RefundQuery:
        """What it is asked for with. Raises `InvalidQuery`."""
        given = self.model_dump(exclude={"account", "expected"}, exclude_none=True)
        return RefundQuery.of(given)


class LookedShape(Shape):
    """What somebody who looked at a refund has seen of it: its ``attention``. Null: whatever it is by now."""

    seen: Annotated[str, Field(max_length=_LONGEST_TEXT)] | None = None


class EventShape(Shape):
    """A webhook as it came; bytes that are no text are replaced. Once pruned it has no body, headers and address."""

    id: int
    method: str
    url: str | None
    headers: dict[str, str]
    body: str
    received_at: datetime
    verified: bool
    outcome: str
    reason: str | None
    pruned_at: datetime | None

    @classmethod
    def of(cls, event: StoredEvent) -> Self:
        """The shape of an event."""
        facts = {field.name: getattr(event, field.name) for field in attrs.fields(StoredEvent)}
        return cls.model_validate({**facts, "body": event.body.decode(errors="replace")})


class RawShape(Shape):
    """The raw bodies behind a refund: answers by the digest in its observations, and webhooks."""

    answers: dict[str, str]
    events: list[EventShape]


class EntryShape(Shape):
    """One access."""

    id: int
    at: datetime
    token_id: str
    person: str
    method: str
    target: str
    allowed: bool


class EntriesShape(Shape):
    """The audit trail, newest first."""

    entries: list[EntryShape]

    @classmethod
    def of(cls, entries: list[Entry]) -> Self:
        """The shape of entries."""
        return cls(entries=[EntryShape.model_validate(one) for one in entries])


class StandingShape(Shape):
    """Whether the service can do its work."""

    status: str


class ProblemShape(BaseModel):
    """What went wrong (RFC 9457); some have members besides these."""

    type: str
    title: str
    status: int
    detail: str
