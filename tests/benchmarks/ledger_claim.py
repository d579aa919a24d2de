"""How long claiming 100 due refunds of 1,000,000 takes, on SQLite and on PostgreSQL: prints milliseconds.

PYTHONPATH=tests/support python tests/benchmarks/ledger_claim.py [how many refunds]
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from ledgers import DATABASES, empty_database
from sqlalchemy import bindparam, text, update

from refundry_ledger import Ledger
from refundry_ledger.schema import Utc, refunds

ROUNDS = 20
CLAIMED = 100
_COLUMNS = (
    "account_id, origin, connector_refund_id, query, details, flags, acknowledged, needs_attention, changes, attempts, "
    "added_at, next_due"
)
_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, :count))",
}


def fill(ledger: Ledger, count: int, due: int) -> None:
    """So many refunds of two accounts, of which so many are due and the others later."""
    for name in ("one", "two"):
        ledger.track(name, refund_id="first")
    numbers = _NUMBERS[ledger.database.engine.dialect.name]
    statement = text(
        f"INSERT INTO refunds ({_COLUMNS}) {numbers} "  # noqa: S608  constants
        "SELECT 1 + i % 2, 'tracked', 're_' || i, '{}', '{}', '[]', '[]', :no, 0, 0, :now, "
        "CASE WHEN (i * 1009) % :count < :due THEN :now ELSE :later END FROM n"
    )
    now = ledger.clock.now()
    facts = {"count": count, "due": due, "no": False, "now": now, "later": now + timedelta(days=1)}
    with ledger.database.writing() as connection:
        connection.execute(statement.bindparams(bindparam("now", type_=Utc), bindparam("later", type_=Utc)), facts)
    with ledger.database.writing() as connection:
        connection.execute(text("ANALYZE"))


def measure(ledger: Ledger, account: str | None) -> list[float]:
    """Milliseconds of each claim."""
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        claims = ledger.claim_due(CLAIMED, account=account)
        times.append((perf_counter() - began) * 1000)
        assert len(claims) == CLAIMED
        with ledger.database.writing() as connection:
            asked = {"lease_owner": None, "lease_until": None, "next_due": ledger.clock.now() + timedelta(days=1)}
            mine = refunds.c.lease_owner == claims[0].owner
            connection.execute(update(refunds).where(mine, refunds.c.next_due <= ledger.clock.now()).values(**asked))
    return times


def main(count: int) -> None:
    for kind in DATABASES:
        for due in (2 * ROUNDS * CLAIMED * 2, count):
            with TemporaryDirectory() as folder, empty_database(kind, Path(folder)) as url, Ledger.open(url) as ledger:
                fill(ledger, count, due)
                for account in (None, "one"):
                    times = measure(ledger, account)
                    whose = "one account" if account else "any account"
                    print(
                        f"{kind:10} {count:9,} refunds, {due:9,} due, {whose}: claiming {CLAIMED} takes "
                        f"{median(times):5.1f} ms (slowest of {ROUNDS}: {max(times):.1f})"
                    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
