"""The desk's own tables, beside those of the ledger."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, MetaData, String, Table, Text, inspect, text

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

prunings = Table(
    "web_audit_prunings",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("pruned_before", Utc, nullable=False),
    comment="What of the audit trail was deleted because of its age; append-only. Nothing younger can be deleted.",
)

ended_sessions = Table(
    "web_ended_sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("until", Utc, nullable=False, index=True),
    comment="Sessions that somebody has signed out of, until they would have been over by themselves.",
)

_NO = "'the audit trail is append-only'"
_OLD = "OLD.at < (SELECT max(pruned_before) FROM web_audit_prunings)"
_ON_SQLITE = "CREATE TRIGGER {1}_{0} BEFORE {0} ON {1} {2} BEGIN SELECT RAISE(ABORT, {3}); END"
_FUNCTION = (
    "CREATE OR REPLACE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {1} RAISE EXCEPTION {2}; END $$"
)
_ON_POSTGRESQL = "CREATE TRIGGER {0} BEFORE {1} ON {2} FOR EACH ROW EXECUTE FUNCTION {3}()"
_TRIGGERS = {
    "sqlite": [
        "DROP TRIGGER IF EXISTS web_audit_delete",
        "DROP TRIGGER IF EXISTS web_audit_update",
        _ON_SQLITE.format("update", "web_audit", "", _NO),
        _ON_SQLITE.format("delete", "web_audit", f"WHEN ({_OLD}) IS NOT TRUE", _NO),
        *(_ON_SQLITE.format(what, "web_audit_prunings", "", _NO) for what in ("update", "delete")),
    ],
    "postgresql": [
        "DROP TRIGGER IF EXISTS web_audit_stays ON web_audit",
        _FUNCTION.format("refundry_audit_stays", "", _NO),
        _FUNCTION.format("refundry_audit_grows_old", f"IF {_OLD} THEN RETURN OLD; END IF;", _NO),
        _ON_POSTGRESQL.format("web_audit_holds", "UPDATE", "web_audit", "refundry_audit_stays"),
        _ON_POSTGRESQL.format("web_audit_stays", "DELETE", "web_audit", "refundry_audit_grows_old"),
        _ON_POSTGRESQL.format(
            "web_audit_prunings_stay", "DELETE OR UPDATE", "web_audit_prunings", "refundry_audit_stays"
        ),
    ],
}


def create_tables(database: Database) -> None:
    """Create the tables where they are missing, and the triggers that keep the audit trail as it is."""
    with database.writing() as connection:
        wait_for_turn(connection)
        # An audit trail from before it could be pruned gets its triggers anew.
        is_new = not inspect(connection).has_table(prunings.name)
        metadata.create_all(connection)
        for statement in _TRIGGERS[connection.dialect.name] if is_new else ():
            connection.execute(text(statement))
