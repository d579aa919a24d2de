"""The desk's own tables, beside those of the ledger."""

from __future__ import annotations

from sqlalchemy import DDL, Boolean, Column, Index, MetaData, String, Table, Text, event

from refundry_ledger.database import Database
from refundry_ledger.schema import Key, Utc
from refundry_ledger.upgrading import wait_for_turn

metadata = MetaData()

tokens = Table(
    "web_tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(10), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("revoked_at", Utc),
    comment="Who may use the desk; of a token only its SHA-256 is kept.",
)

audit = Table(
    "web_audit",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("token_id", String(16), nullable=False),
    Column("person", Text, nullable=False),
    Column("method", String(10), nullable=False),
    Column("target", Text, nullable=False),
    Column("allowed", Boolean, nullable=False),
    comment="Who asked what; append-only.",
)
Index("ix_web_audit_at", audit.c.at)

_NO = "'the audit trail is append-only'"
_ON_SQLITE = "CREATE TRIGGER web_audit_{0} BEFORE {0} ON web_audit BEGIN SELECT RAISE(ABORT, {1}); END"
_REFUSE = (
    "CREATE FUNCTION refundry_audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION {}; END $$"
)
_ON_POSTGRESQL = (
    "CREATE TRIGGER web_audit_stays BEFORE DELETE OR UPDATE ON web_audit "
    "FOR EACH ROW EXECUTE FUNCTION refundry_audit_stays()"
)
_TRIGGERS = {
    "sqlite": [_ON_SQLITE.format(what, _NO) for what in ("delete", "update")],
    "postgresql": [_REFUSE.format(_NO), _ON_POSTGRESQL],
}
for _dialect, _statements in _TRIGGERS.items():
    for _statement in _statements:
        event.listen(audit, "after_create", DDL(_statement).execute_if(dialect=_dialect))  # type: ignore[no-untyped-call]


def create_tables(database: Database) -> None:
    """Create the tables where they are missing."""
    with database.writing() as connection:
        wait_for_turn(connection)
        metadata.create_all(connection)
