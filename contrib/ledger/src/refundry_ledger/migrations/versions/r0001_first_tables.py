"""The first tables, and the triggers that keep observations as they are."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from refundry_ledger.schema import Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = Utc()

FACTS = (
    "account_id, event_id, evidence, kind, connector_refund_id, merchant_refund_id, connector_transaction_id, status, "
    "connector_status, amount, currency, provider_time, observed_at, source, digest, is_foreign, details"
)
NO = "'observations are append-only'"
SQLITE_TRIGGERS = (
    f"CREATE TRIGGER observations_stay BEFORE DELETE ON observations BEGIN SELECT RAISE(ABORT, {NO}); END",
    f"CREATE TRIGGER observations_hold BEFORE UPDATE OF {FACTS} ON observations BEGIN SELECT RAISE(ABORT, {NO}); END",
)
CALL = "ON observations FOR EACH ROW EXECUTE FUNCTION refundry_append_only()"
POSTGRESQL_TRIGGERS = (
    f"CREATE FUNCTION refundry_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION {NO}; END $$",
    f"CREATE TRIGGER observations_stay BEFORE DELETE {CALL}",
    f"CREATE TRIGGER observations_hold BEFORE UPDATE OF {FACTS} {CALL}",
)


def where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def upgrade() -> None:
    create_accounts()
    create_refunds()
    create_events()
    create_observations()
    create_outbox()
    triggers = SQLITE_TRIGGERS if op.get_bind().dialect.name == "sqlite" else POSTGRESQL_TRIGGERS
    for trigger in triggers:
        op.execute(trigger)


def create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("connector", sa.Text()),
        sa.Column("run_owner", sa.Text()),
        sa.Column("run_until", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
        comment="The run is the one tracker that asks this account, so that its rate limit holds.",
    )
    op.create_table(
        "counters",
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", BIG, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_counters_account_id"),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_counters"),
    )


def create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("origin", sa.String(length=10), nullable=False),
        sa.Column("merged_into", KEY),
        sa.Column("connector_refund_id", sa.Text()),
        sa.Column("merchant_refund_id", sa.Text()),
        sa.Column("connector_transaction_id", sa.Text()),
        sa.Column("query", sa.JSON(), nullable=False),
        sa.Column("expected_amount", BIG),
        sa.Column("expected_currency", sa.String(length=3)),
        sa.Column("status", sa.String(length=13)),
        sa.Column("connector_status", sa.Text()),
        sa.Column("since", TIME),
        sa.Column("amount", BIG),
        sa.Column("currency", sa.String(length=3)),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("first_observed", TIME),
        sa.Column("last_observed", TIME),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("acknowledged", sa.JSON(), nullable=False),
        sa.Column("notice", sa.Text()),
        sa.Column("needs_attention", sa.Boolean(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("added_at", TIME, nullable=False),
        sa.Column("asked_at", TIME),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_due", TIME),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("lease_until", TIME),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_refunds_account_id"),
        sa.ForeignKeyConstraint(["merged_into"], ["refunds.id"], name="fk_refunds_merged_into"),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
        sa.UniqueConstraint("account_id", "connector_refund_id", name="uq_refunds_account_id_connector_refund_id"),
        comment="One refund each, as its observations add up, and when to ask for it again.",
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_refunds_account_due", "refunds", ["account_id", "next_due"], **where("next_due IS NOT NULL"))
    op.create_index("ix_refunds_attention", "refunds", ["id"], **where("needs_attention"))
    op.create_index("ix_refunds_connector_refund_id", "refunds", ["connector_refund_id"])
    op.create_index("ix_refunds_connector_transaction_id", "refunds", ["connector_transaction_id"])
    op.create_index("ix_refunds_due", "refunds", ["next_due"], **where("next_due IS NOT NULL"))
    op.create_index("ix_refunds_merchant_refund_id", "refunds", ["merchant_refund_id"])


def create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_events_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("account_id", "digest", name="uq_events_account_id_digest"),
        comment="Webhooks as they came, without the secrets in their headers.",
    )
    op.create_index("ix_events_unmapped", "events", ["account_id"], **where("outcome = 'unmapped'"))
    op.create_table(
        "event_items",
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("event_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_event_items_account_id"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_event_items_event_id"),
        sa.PrimaryKeyConstraint("account_id", "key", name="pk_event_items"),
        comment="What each webhook was about, by the processor's event id or a digest: duplicates share it.",
    )


def create_observations() -> None:
    op.create_table(
        "observations",
        sa.Column("id", KEY, nullable=False),
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("refund_id", KEY),
        sa.Column("event_id", KEY),
        sa.Column("evidence", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=6), nullable=False),
        sa.Column("connector_refund_id", sa.Text()),
        sa.Column("merchant_refund_id", sa.Text()),
        sa.Column("connector_transaction_id", sa.Text()),
        sa.Column("status", sa.String(length=13), nullable=False),
        sa.Column("connector_status", sa.Text()),
        sa.Column("amount", BIG),
        sa.Column("currency", sa.String(length=3)),
        sa.Column("provider_time", TIME),
        sa.Column("observed_at", TIME, nullable=False),
        sa.Column("source", sa.String(length=7), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("is_foreign", sa.Boolean(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_observations_account_id"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_observations_event_id"),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name="fk_observations_refund_id"),
        sa.PrimaryKeyConstraint("id", name="pk_observations"),
        sa.UniqueConstraint("account_id", "evidence", name="uq_observations_account_id_evidence"),
        comment="Append-only; refund_id alone may change: NULL while no refund is known that the observation fits.",
    )
    op.create_index("ix_observations_connector_refund_id", "observations", ["connector_refund_id"])
    op.create_index("ix_observations_parked", "observations", ["account_id"], **where("refund_id IS NULL"))
    op.create_index("ix_observations_refund_id", "observations", ["refund_id"])


def create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", KEY, nullable=False),
        sa.Column("change_id", sa.String(length=36), nullable=False),
        sa.Column("refund_id", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("previous", sa.String(length=13)),
        sa.Column("status", sa.String(length=13), nullable=False),
        sa.Column("observation_id", KEY, nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("told_at", TIME),
        sa.Column("told_lease", TIME),
        sa.Column("sent_at", TIME),
        sa.Column("sent_lease", TIME),
        sa.Column("send_attempts", sa.Integer(), nullable=False),
        sa.Column("send_after", TIME, nullable=False),
        sa.Column("given_up", sa.Text()),
        sa.ForeignKeyConstraint(["observation_id"], ["observations.id"], name="fk_outbox_observation_id"),
        sa.ForeignKeyConstraint(["refund_id"], ["refunds.id"], name="fk_outbox_refund_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("change_id", name="uq_outbox_change_id"),
        sa.UniqueConstraint("refund_id", "number", name="uq_outbox_refund_id_number"),
        comment="Status changes, numbered per refund: told to observers, sent as webhooks.",
    )
    op.create_index("ix_outbox_unsent", "outbox", ["id"], **where("sent_at IS NULL AND given_up IS NULL"))
    op.create_index("ix_outbox_untold", "outbox", ["id"], **where("told_at IS NULL"))
