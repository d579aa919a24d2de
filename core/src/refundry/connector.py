"""What a connector declares: its settings as fields, and as class data what code cannot tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeAlias, TypedDict, Unpack, dataclass_transform

import attrs

from refundry.errors import RefundryError
from refundry.model import ErrorInfo, Money, Refund
from refundry.reading import Fields
from refundry.schedule import Schedule
from refundry.settings import ALWAYS as ALWAYS
from refundry.settings import METADATA, OneOf
from refundry.settings import Operation as Operation
from refundry.settings import Secrets as Secrets
from refundry.settings import Setting as Setting
from refundry.settings import one_of as one_of
from refundry.settings import setting as setting
from refundry.settings import signing_secrets as signing_secrets
from refundry.status import FAILED, UNKNOWN, RefundStatus

Environment: TypeAlias = Literal["SANDBOX", "PRODUCTION"]
ENVIRONMENTS: tuple[Environment, ...] = ("SANDBOX", "PRODUCTION")
Basis: TypeAlias = Literal["created", "updated", "settled", "payment"]


@attrs.frozen(kw_only=True)
class Listing:
    """What a processor's list can do."""

    basis: Basis
    """Which time of a refund the window is compared with; "payment": it lists one payment's refunds alone."""
    by_payment: bool = False
    """Whether it can also list the refunds of one payment."""
    max_days: int | None = None
    """The longest window in one request; longer ones are split."""
    complete: bool = True
    """False when the list leaves out refunds that a get would find."""
    max_page_size: int = 100


Hosts: TypeAlias = Mapping[Environment, str | tuple[str, ...]]


class RefundFacts(TypedDict, total=False):
    """What a connector reads of a refund beside its status, by the names of `refundry.model.Refund`."""

    connector_refund_id: str | None
    merchant_refund_id: str | None
    connector_transaction_id: str | None
    connector_status: str | None
    error: ErrorInfo | None
    refund_amount: Money | None
    payment_amount: int | None
    refund_reason: str | None
    created_at: datetime | None
    updated_at: datetime | None
    processed_at: datetime | None
    acquirer_reference_number: str | None
    metadata: Mapping[str, str]
    raw: bytes


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(setting, signing_secrets))
class _Declared:
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # Without slots the class is decorated in place, which is what __init_subclass__ can do.
        attrs.frozen(kw_only=True, slots=False)(cls)


class Connector(_Declared):
    """The base of every connector: a frozen attrs class whose fields are the account's settings.

    A subclass declares the class data below and implements hooks of `refundry.hookspecs.ConnectorSpecs` with
    ``@hookimpl``. What it implements is what it can do.
    """

    name: ClassVar[str]
    """The name of its entry point in the group ``refundry.connectors``."""
    title: ClassVar[str]
    """The processor's own name."""
    documentation: ClassVar[Mapping[str, str]]
    """Links to the processor's documents, by what they describe."""
    base_urls: ClassVar[Mapping[str, Hosts]]
    """By base name and environment: an https URL, a template over the fields (``https://{prefix}.example.com``), or
    several of which the first counts whose fields are all set."""
    statuses: ClassVar[Mapping[str, RefundStatus]]
    """The status table: every documented condition, and what it means for the refund."""
    any_case: ClassVar[bool] = False
    """Whether the processor writes the words of the status table in small letters or capitals as it likes."""
    unmapped: ClassVar[Mapping[str, str]] = {}
    """Documented words that are no status of a refund, each with the reason."""
    refusals: ClassVar[Mapping[str | int, tuple[type[RefundryError], str]]] = {}
    """By the processor's code or by HTTP status: the kind of the error, and what to do; "" is for all others.

    See `refusal`, and `refusal_in` where only the text of an error tells it from others.
    """
    extra_hosts: ClassVar[tuple[str, ...]] = ()
    """Hosts beside those of `base_urls` that the connector may ask, for example for a certificate."""
    identifiers: ClassVar[tuple[frozenset[str], ...]] = (frozenset({"connector_refund_id"}),)
    """The alternative sets of query fields that a get needs; ``metadata.<key>`` names a key of the metadata."""
    gives_other_ids: ClassVar[bool] = False
    """Whether an answer may have another id than was asked for; elsewhere that is an answer about another refund."""
    listing: ClassVar[Listing | None] = None
    """What its list can do; None where there is none."""
    credentials: ClassVar[OneOf | None] = None
    """Alternative sets of settings."""
    key_prefixes: ClassVar[Mapping[str, Mapping[Environment, tuple[str, ...]]]] = {}
    """By setting and environment: how its keys begin, where one host serves both environments."""
    only_currency: ClassVar[str | None] = None
    """The one currency that the processor settles in, where no answer says which; None where there are several."""
    rate_limit: ClassVar[Mapping[Environment, float]] = {}
    """Requests per second that the processor allows."""
    request_id_header: ClassVar[str | None] = None
    """The header of an answer that the processor's support asks for."""
    visible_after: ClassVar[timedelta] = timedelta(0)
    """How long a fresh refund may be "not found"."""
    settles_within: ClassVar[timedelta | None] = None
    """How long a refund usually takes to settle, by the processor's document; None where it says nothing."""
    reversible_for: ClassVar[timedelta | None] = None
    """How long a success may still turn; None where the processor's document says nothing."""
    unsigned_events: ClassVar[bool] = False
    """Whether `verify_event` may say that nothing is proved."""
    event_tolerance: ClassVar[timedelta | None] = None
    """How far from now the time that a webhook's signature covers may be; None where the scheme covers no time."""
    schedule: ClassVar[Schedule] = Schedule()
    """How often an open refund is asked for."""

    environment: Environment = setting(default="SANDBOX", help="SANDBOX or PRODUCTION")
    webhook_url: str | None = setting(
        default=None, needed_for={"webhook"}, help="The public address of the webhook endpoint, as registered"
    )

    def status_of(self, condition: str | None) -> RefundStatus:
        """What the status table says of this condition; UNKNOWN where it does not have it."""
        if not self.any_case:
            return self.statuses.get(condition or "", UNKNOWN)
        return _in_small_letters(type(self)).get((condition or "").lower(), UNKNOWN)  # type: ignore[arg-type]

    def refund(
        self, fields: Fields, condition: str | None, *, failure: ErrorInfo | None = None, **facts: Unpack[RefundFacts]
    ) -> Refund:
        """The refund that these fields describe, with what the status table says of this condition.

        ``failure`` is its error only where the table says that it failed. Its `problems` are those of the fields, and
        its ``connector_status`` is the condition unless the facts have another.
        """
        status = self.status_of(condition)
        told: RefundFacts = {"connector_status": condition, "error": failure if status is FAILED else None, **facts}
        return Refund(status=status, problems=fields.problems, **told)

    def refusal(
        self, *keys: str | int | None, code: str | None = None, request_id: str | None = None
    ) -> RefundryError | None:
        """The error for the first of these keys that `refusals` has; None where it has none of them."""
        for key in keys:
            if key is not None and key in self.refusals:
                kind, advice = self.refusals[key]
                return kind(f"{self.title} refused the request: {advice}", code=code, request_id=request_id)
        return None

    def refusal_in(
        self, text: str | None, *, code: str | None = None, request_id: str | None = None
    ) -> RefundryError | None:
        """As `refusal`, where no code tells errors apart: each key is a pattern, looked for in the processor's text."""
        found = (key for key in self.refusals if re.search(str(key), text or "", re.IGNORECASE))
        return self.refusal(*found, code=code, request_id=request_id)


@lru_cache(maxsize=256)
def _in_small_letters(connector: Any) -> Mapping[str, RefundStatus]:
    return {known.lower(): status for known, status in connector.statuses.items()}


def settings_of(connector: type[Connector]) -> tuple[Setting, ...]:
    """The settings of a connector, its own first and those that every connector has last."""
    return _settings_of(connector)  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _settings_of(connector: Any) -> tuple[Setting, ...]:
    described = [
        attrs.evolve(field.metadata[METADATA], name=field.name)
        for field in _fields(connector)
        if METADATA in field.metadata
    ]
    shared = {field.name for field in _fields(Connector)}
    return tuple(sorted(described, key=lambda one: one.name in shared))


def _fields(connector: type[Connector]) -> tuple[attrs.Attribute[Any], ...]:
    return attrs.fields(connector)  # type: ignore[arg-type, no-any-return]


def missing_settings(connector: Connector, operation: Operation) -> tuple[str, ...]:
    """What this account lacks for this operation: names of settings, or alternatives as ``a, or b and c``."""
    missing = [
        one.name
        for one in settings_of(type(connector))
        if one.required and operation in one.needed_for and not getattr(connector, one.name)
    ]
    choice = type(connector).credentials
    if choice and operation in choice.needed_for and not _any_complete(connector, choice):
        missing.append(", or ".join(" and ".join(sorted(names)) for names in choice.alternatives))
    return tuple(missing)


def _any_complete(connector: Connector, choice: OneOf) -> bool:
    return any(all(getattr(connector, name) for name in names) for names in choice.alternatives)


def secrets_of(connector: Connector) -> tuple[str, ...]:
    """Every secret value of this account, for redaction."""
    values = [getattr(connector, one.name) for one in settings_of(type(connector)) if one.secret]
    return tuple(secret for value in values if value for secret in Secrets.of(value).every())
