"""The acquirer's reference where it can be searched for, what processors answered, and webhooks still to be read."""

import json

import sqlalchemy as sa
from alembic import op

from refundry_ledger.schema import Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REFUNDS = sa.table("refunds", sa.column("id"), sa.column("details", sa.JSON()), sa.column("acquirer_reference_number"))
BATCH = 1000


def upgrade() -> None:
    op.add_column("refunds", sa.Column("acquirer_reference_number", sa.Text()))
    move_references()
    op.create_index("ix_refunds_acquirer_reference_number", "refunds", ["acquirer_reference_number"])
    waiting = sa.text("outcome = 'waiting'")
    op.create_index("ix_events_waiting", "events", ["account_id"], postgresql_where=waiting, sqlite_where=waiting)
    op.create_table(
        "answers",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("heard_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_answers"),
        comment="What processors answered when asked, by its SHA-256: the same answer is kept once.",
    )


def move_references() -> None:
    """Fill the column from the details, in batches, so that no ledger is too long for the memory."""
    connection, last = op.get_bind(), 0
    query = sa.select(REFUNDS.c.id, REFUNDS.c.details).order_by(REFUNDS.c.id).limit(BATCH)
    while rows := connection.execute(query.where(REFUNDS.c.id > last)).all():
        last = rows[-1].id
        for row in rows:
            details = json.loads(row.details) if isinstance(row.details, str) else row.details
            reference = details.pop("acquirer_reference_number", None)
            if reference is not None:
                values = {"acquirer_reference_number": reference, "details": details}
                connection.execute(sa.update(REFUNDS).where(REFUNDS.c.id == row.id).values(**values))
