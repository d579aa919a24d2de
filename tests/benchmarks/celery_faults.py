"""Refunds followed while workers are killed and a Redis, a PostgreSQL of its own are restarted: prints what came of it.

PYTHONPATH=tests/support python tests/benchmarks/celery_faults.py [refunds of each account]

Needs redis-server and PostgreSQL's own programs; as root, PostgreSQL runs as the user postgres.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fleets import Fleet, Processors, free_port, kill, processors, until
from sqlalchemy import func, select

from refundry_ledger import Ledger
from refundry_ledger.schema import accounts, observations, refunds

ACCOUNTS = ("one", "two", "three", "busy", "hung")
SEED = 20261128
_LONG = 600.0


class Redis:
    """A Redis of its own, which keeps what it was told."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--dir", str(self._folder), "--appendonly", "yes"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class PostgreSQL:
    """A PostgreSQL of its own."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self._programs = str(programs[-1]) if programs else str(Path(shutil.which("pg_ctl") or "").parent)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self._run(f"{self._programs}/initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres")
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._control("start", "-l", str(self._folder / "log"), "-o", options)

    def stop(self) -> None:
        self._control("stop", "-m", "fast")

    def _control(self, *arguments: str) -> None:
        self._run(f"{self._programs}/pg_ctl", "-D", str(self._folder / "data"), "-w", *arguments)

    def _run(self, *command: str) -> None:
        user = "postgres" if os.geteuid() == 0 else None
        subprocess.run(command, check=True, user=user, cwd=self._folder, stdout=subprocess.DEVNULL)  # noqa: S603


@contextmanager
def services() -> Iterator[tuple[Redis, PostgreSQL, Path]]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("redis", "postgresql", "fleet"):
            (folder / part).mkdir()
        redis, postgresql = Redis(folder / "redis"), PostgreSQL(folder / "postgresql")
        try:
            yield redis, postgresql, folder / "fleet"
        finally:
            redis.stop()
            postgresql.stop()


def harm(fleet: Fleet, redis: Redis, postgresql: PostgreSQL, chance: random.Random) -> Iterator[str]:
    """One fault after the other, each done when the next is asked for."""
    for turn in range(3):
        victim = chance.randrange(len(fleet.processes) - 1) + 1  # the first is beat
        kill(fleet.processes.pop(victim))
        fleet.worker("--concurrency", "2")
        yield f"kill -9 of a worker ({turn + 1})"
        for service in (redis, postgresql):
            service.stop()
            time.sleep(1)
            service.start()
            yield f"restart of {type(service).__name__} ({turn + 1})"


def unheard(ledger: Ledger) -> int:
    query = select(func.count()).select_from(refunds).where(refunds.c.status.is_(None))
    with ledger.database.reading() as connection:
        return connection.execute(query).scalar_one()


def compared(ledger: Ledger, shops: Processors) -> tuple[int, int]:
    """How many refunds have no observation, and how many have more than the processor gave answers."""
    answers = Counter((one.account, one.refund) for one in shops.asked)
    query = (
        select(accounts.c.name, refunds.c.connector_refund_id, func.count(observations.c.id))
        .select_from(refunds.join(accounts).outerjoin(observations, observations.c.refund_id == refunds.c.id))
        .group_by(accounts.c.name, refunds.c.connector_refund_id)
    )
    with ledger.database.reading() as connection:
        heard = {(name, refund): count for name, refund, count in connection.execute(query)}
    return sum(not count for count in heard.values()), sum(count > answers[key] for key, count in heard.items())


def follow(ledger: Ledger, fleet: Fleet, shops: Processors, redis: Redis, postgresql: PostgreSQL, each: int) -> None:
    """Have the fleet follow so many refunds of every account, with a fault after each tenth part of them."""
    faults = harm(fleet, redis, postgresql, random.Random(SEED))
    fleet.beat()
    for _ in range(2):
        fleet.worker("--concurrency", "2")
    whole = len(ACCOUNTS) * each
    for part in range(1, 10):
        until(lambda part=part: len(shops.asked) > whole * part / 15 or not unheard(ledger), "", _LONG)
        print(f"after {len(shops.asked):5} calls: {next(faults)}", flush=True)
    shops.hanging.pop("hung")
    end = time.monotonic() + _LONG
    while left := unheard(ledger):
        assert time.monotonic() < end, f"{left} are still not asked for: {fleet.tail()}"
        time.sleep(2)
        # What met a 429 or a hang is put off for minutes: here for no longer than two seconds.
        for number in range(1, whole + 1):
            if (one := ledger.find(number)[0]).attempts and one.status is None:
                ledger.ask_again(number)


def main(each: int) -> int:
    """How many promises were broken."""
    with services() as (redis, postgresql, folder), processors() as shops:
        until(lambda: Ledger.open(postgresql.url).close() is None, "PostgreSQL starts")
        with Ledger(postgresql.url) as ledger, Fleet(folder, postgresql.url, shops, broker=redis.url) as fleet:
            fleet.limits_at(redis.url)
            fleet.configure({name: {"timeout": 2, "rate_limit": 200} for name in ACCOUNTS}, every=1, turn=5, lease=10)
            made = shops.add(each, words=["succeeded"])
            for name in ACCOUNTS:
                shops.hanging[name] = 0.02
                for refund in made:
                    ledger.track(name, refund.query())
            shops.hanging["hung"], shops.refusing["busy"] = 3.0, each
            began = time.monotonic()
            follow(ledger, fleet, shops, redis, postgresql, each)
            elapsed = time.monotonic() - began
        with Ledger(postgresql.url) as ledger:
            lost, doubled = compared(ledger, shops)
    at_once = len(shops.at_once())
    print(f"{len(ACCOUNTS) * each} refunds in {elapsed:.0f} s, {len(shops.asked)} calls")
    print(f"not checked: {lost}; asked for twice at once: {at_once}; written more often than answered: {doubled}")
    return lost + at_once + doubled


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200) > 0)
