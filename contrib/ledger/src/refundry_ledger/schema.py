"""The tables. `migrations` brings a database to this; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Utc(TypeDecorator[datetime]):
    """An aware time in UTC, in SQLite as text that sorts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself for INTEGER alone
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("connector", Text),
    Column("run_owner", Text),
    Column("run_until", Utc),
    comment="The run is the one tracker that asks this account, so that its rate limit holds.",
)

refunds = Table(
    "refunds",
    metadata,
    Column("id", Key, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("origin", String(10), nullable=False),
    Column("merged_into", ForeignKey("refunds.id")),
    Column("connector_refund_id", Text),
    Column("merchant_refund_id", Text),
    Column("connector_transaction_id", Text),
    Column("query", JSON, nullable=False),
    Column("expected_amount", BigInteger),
    Column("expected_currency", String(3)),
    Column("status", String(13)),
    Column("connector_status", Text),
    Column("since", Utc),
    Column("amount", BigInteger),
    Column("currency", String(3)),
    Column("acquirer_reference_number", Text),
    Column("details", JSON, nullable=False),
    Column("first_observed", Utc),
    Column("last_observed", Utc),
    Column("flags", JSON, nullable=False),
    Column("acknowledged", JSON, nullable=False),
    Column("notice", Text),
    Column("needs_attention", Boolean, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("added_at", Utc, nullable=False),
    Column("asked_at", Utc),
    Column("attempts", Integer, nullable=False),
    Column("next_due", Utc),
    Column("lease_owner", Text),
    Column("lease_until", Utc),
    UniqueConstraint("account_id", "connector_refund_id"),
    comment="One refund each, as its observations add up, and when to ask for it again.",
    postgresql_with={"fillfactor": 80},  # room for a lease beside its row, without touching an index
)
_due = refunds.c.next_due.is_not(None)
Index("ix_refunds_due", refunds.c.next_due, postgresql_where=_due, sqlite_where=_due)
Index("ix_refunds_account_due", refunds.c.account_id, refunds.c.next_due, postgresql_where=_due, sqlite_where=_due)
Index("ix_refunds_connector_refund_id", refunds.c.connector_refund_id)
Index("ix_refunds_merchant_refund_id", refunds.c.merchant_refund_id)
Index("ix_refunds_connector_transaction_id", refunds.c.connector_transaction_id)
Index("ix_refunds_acquirer_reference_number", refunds.c.acquirer_reference_number)
_odd = refunds.c.needs_attention
Index("ix_refunds_attention", refunds.c.id, postgresql_where=_odd, sqlite_where=_odd)

events = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("method", Text, nullable=False),
    Column("url", Text),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", Utc, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("reason", Text),
    Column("pruned_at", Utc),
    UniqueConstraint("account_id", "digest"),
    comment="Webhooks as they came, without the secrets in their headers.",
)
_unmapped = events.c.outcome == "unmapped"
Index("ix_events_unmapped", events.c.account_id, postgresql_where=_unmapped, sqlite_where=_unmapped)
_waiting = events.c.outcome == "waiting"
Index("ix_events_waiting", events.c.account_id, postgresql_where=_waiting, sqlite_where=_waiting)
_whole = events.c.pruned_at.is_(None)
Index("ix_events_whole", events.c.account_id, events.c.received_at, postgresql_where=_whole, sqlite_where=_whole)

event_items = Table(
    "event_items",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("event_id", ForeignKey("events.id"), nullable=False),
    comment="What each webhook was about, by the processor's event id or a digest: duplicates share it.",
)

observations = Table(
    "observations",
    metadata,
    Column("id", Key, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("refund_id", ForeignKey("refunds.id"), index=True),
    Column("event_id", ForeignKey("events.id")),
    Column("evidence", String(64), nullable=False),
    Column("kind", String(6), nullable=False),
    Column("connector_refund_id", Text, index=True),
    Column("merchant_refund_id", Text),
    Column("connector_transaction_id", Text),
    Column("status", String(13), nullable=False),
    Column("connector_status", Text),
    Column("amount", BigInteger),
    Column("currency", String(3)),
    Column("provider_time", Utc),
    Column("observed_at", Utc, nullable=False),
    Column("source", String(7), nullable=False),
    Column("digest", Text, nullable=False),
    Column("is_foreign", Boolean, nullable=False),
    Column("details", JSON, nullable=False),
    UniqueConstraint("account_id", "evidence"),
    comment="Append-only; refund_id alone may change: NULL while no refund is known that the observation fits.",
)
_parked = observations.c.refund_id.is_(None)
Index("ix_observations_parked", observations.c.account_id, postgresql_where=_parked, sqlite_where=_parked)

answers = Table(
    "answers",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("heard_at", Utc, nullable=False, index=True),
    comment="What processors answered when asked, by its SHA-256: the same answer is kept once.",
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Key, primary_key=True),
    Column("change_id", String(36), nullable=False, unique=True),
    Column("refund_id", ForeignKey("refunds.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("previous", String(13)),
    Column("status", String(13), nullable=False),
    Column("observation_id", ForeignKey("observations.id"), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("changed_at", Utc, nullable=False),
    Column("told_at", Utc),
    Column("told_lease", Utc),
    Column("sent_at", Utc),
    Column("sent_lease", Utc),
    Column("send_attempts", Integer, nullable=False),
    Column("send_after", Utc, nullable=False),
    Column("given_up", Text),
    UniqueConstraint("refund_id", "number"),
    comment="Status changes, numbered per refund: told to observers, sent as webhooks.",
)
_untold = outbox.c.told_at.is_(None)
_unsent = outbox.c.sent_at.is_(None) & outbox.c.given_up.is_(None)
Index("ix_outbox_untold", outbox.c.id, postgresql_where=_untold, sqlite_where=_untold)
Index("ix_outbox_unsent", outbox.c.id, postgresql_where=_unsent, sqlite_where=_unsent)

counters = Table(
    "counters",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
