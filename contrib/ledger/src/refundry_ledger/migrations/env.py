"""Runs the migrations on the connection that `refundry_ledger.upgrading` hands over."""

from alembic import context

from refundry_ledger.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
