"""Sessions that somebody has ended: their cookies are still signed, and worth nothing in any process."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from refundry_ledger.accounts import insert_new
from refundry_ledger.database import Database
from refundry_web.tables import ended_sessions


def end_session(database: Database, session_id: str, until: datetime, *, now: datetime) -> None:
    """End a session that would have been valid ``until`` then. Those that are over by themselves are forgotten."""
    with database.writing() as connection:
        connection.execute(delete(ended_sessions).where(ended_sessions.c.until <= now))
        insert_new(connection, ended_sessions, {"id": session_id, "until": until}, "id")


def has_ended(database: Database, session_id: str) -> bool:
    """Whether somebody has ended this session."""
    query = select(ended_sessions.c.id).where(ended_sessions.c.id == session_id)
    with database.reading() as connection:
        return connection.execute(query).first() is not None
