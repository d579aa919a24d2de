"""When the body of a webhook was deleted, and what finds the old ones."""

import sqlalchemy as sa
from alembic import op

from refundry_ledger.schema import Utc

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("events", sa.Column("pruned_at", Utc()))
    whole = sa.text("pruned_at IS NULL")
    columns = ["account_id", "received_at"]
    op.create_index("ix_events_whole", "events", columns, postgresql_where=whole, sqlite_where=whole)
    op.create_index("ix_answers_heard_at", "answers", ["heard_at"])
