"""What a refund costs in PostgreSQL: bytes of its rows, of its checks, and the time to find what is due.

PYTHONPATH=tests/support python tests/benchmarks/celery_plan.py [refunds] [accounts]
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

from ledgers import empty_database, stripe_refund
from sqlalchemy import Connection, Table, func, insert, literal, select, text, update

from refundry.model import RefundQuery
from refundry.testing import Wiring
from refundry_ledger import Ledger
from refundry_ledger.schema import accounts, observations, refunds
from refundry_ledger.turns import hand_out
from refundry_stripe import Stripe

CHECKS = 500
ROUNDS = 10


def checked(ledger: Ledger, wiring: Wiring, count: int) -> tuple[int, float, float]:
    """Bytes of write-ahead log, milliseconds, and those of Python's CPU among them, for a check without a network."""
    client = wiring.client()
    for number in range(count):
        ledger.track("stripe", RefundQuery(connector_refund_id=f"re_{number}"))
    before, began, busy = wal(ledger), perf_counter(), process_time()
    done = ledger.run_once([client], concurrency=1)
    assert done.done == count
    elapsed, cpu = perf_counter() - began, process_time() - busy
    return (wal(ledger) - before) // count, elapsed / count * 1000, cpu / count * 1000


def wal(ledger: Ledger) -> int:
    with ledger.database.reading() as connection:
        return int(connection.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).scalar_one())


def copies(connection: Connection, table: Table, count: int, **changes: Any) -> None:
    """So many copies of one row of a table, each with these expressions of ``n`` in place of what it has."""
    names = [column.name for column in table.columns if column.name != "id"]
    numbers = func.generate_series(1, count).table_valued("n").render_derived()
    one = select(table).limit(1).subquery()
    values = [changes[name](numbers.c.n) if name in changes else one.c[name] for name in names]
    connection.execute(insert(table).from_select(names, select(*values).select_from(one.join(numbers, literal(True)))))


def fill(ledger: Ledger, count: int, shops: int) -> None:
    """So many refunds of so many accounts, with an observation each; the identifiers are as long as Stripe's."""

    def identifier(n: Any) -> Any:
        return func.concat("re_3P", func.substr(func.md5(n.cast(refunds.c.status.type)), 1, 22))

    def account(n: Any) -> Any:
        return n % shops + 2

    def evidence(n: Any) -> Any:
        return func.concat(func.md5(func.concat("a", n)), func.md5(func.concat("b", n)))

    later = ledger.clock.now() + timedelta(hours=6)
    with ledger.database.writing() as connection:
        copies(connection, accounts, shops, name=lambda n: func.concat("shop-", n))
        free = {"merchant_refund_id": lambda n: func.concat("order-", n), "account_id": account}
        copies(
            connection,
            refunds,
            count,
            **free,
            connector_refund_id=identifier,
            next_due=lambda n: literal(later) + func.make_interval(0, 0, 0, 0, 0, 0, n % 43_200),
        )
        copies(
            connection,
            observations,
            count,
            **free,
            connector_refund_id=identifier,
            evidence=evidence,
            refund_id=lambda n: n + CHECKS,
        )
    with ledger.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def size(ledger: Ledger, table: Table) -> int:
    """Bytes of a row with its indexes."""
    query = text(f"SELECT pg_total_relation_size('{table.name}') / count(*) FROM {table.name}")  # noqa: S608  ours
    with ledger.database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def handing_out(ledger: Ledger, shops: int, share: float) -> float:
    """Milliseconds to hand out turns where this share of the accounts has something due."""
    names, due = [f"shop-{n}" for n in range(1, shops + 1)], int(shops * share)
    times = []
    for _ in range(ROUNDS):
        now = ledger.clock.now()
        with ledger.database.writing() as connection:
            connection.execute(update(accounts).values(run_owner=None, run_until=None))
            first = select(func.min(refunds.c.id)).where(refunds.c.account_id.between(3, due + 2))
            mine = refunds.c.id.in_(first.group_by(refunds.c.account_id))
            connection.execute(update(refunds).where(mine).values(next_due=now - timedelta(seconds=1)))
        began = perf_counter()
        handed = hand_out(ledger, names)
        times.append((perf_counter() - began) * 1000)
        assert abs(len(handed) - due) <= 1
    return median(times)


def main(count: int, shops: int) -> None:
    wiring = Wiring(Stripe, [stripe_refund("pending", number) for number in range(CHECKS)])
    with TemporaryDirectory() as name, empty_database("postgresql", Path(name)) as url, Ledger.open(url) as ledger:
        log, elapsed, cpu = checked(ledger, wiring, CHECKS)
        print(
            f"a check: {log:,} bytes of write-ahead log; {elapsed:.1f} ms, of which Python's CPU {cpu:.1f}; no network"
        )
        fill(ledger, count, shops)
        for table in (refunds, observations):
            print(f"a row of {table.name}, with its indexes: {size(ledger, table)} bytes ({count:,} rows)")
        for share in (0.01, 0.2):
            found = handing_out(ledger, shops, share)
            print(f"handing out turns where {share:.0%} of {shops:,} accounts have something due: {found:.0f} ms")


if __name__ == "__main__":
    main(
        *(int(sys.argv[place]) if len(sys.argv) > place else default for place, default in ((1, 200_000), (2, 10_000)))
    )
