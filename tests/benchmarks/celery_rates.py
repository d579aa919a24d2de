"""Refunds checked per second by 1, 2 and 4 workers, the CPU time of one, and whether an account's limit ever broke.

PYTHONPATH=tests/support python tests/benchmarks/celery_rates.py [refunds of each account] [seconds of the limit]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fleets import Fleet, Processors, kill, processors, until
from ledgers import empty_database

from refundry_celery.routing import task_name
from refundry_ledger import Ledger

ACCOUNTS = 8
LATENCIES = (0.0, 0.1)
WORKERS = (1, 2, 4)
LIMIT = 20
_TICKS = os.sysconf("SC_CLK_TCK")
_LONG = 600.0
_WARM = 10


@contextmanager
def running(shops: Processors, accounts: dict[str, dict[str, object]], workers: int) -> Iterator[tuple[Fleet, Ledger]]:
    """So many workers of one process each, and no beat."""
    with TemporaryDirectory() as name, empty_database("postgresql", Path(name)) as url, Ledger.open(url) as ledger:
        with Fleet(Path(name), url, shops) as fleet:
            fleet.configure(accounts)
            for _ in range(workers):
                fleet.worker("--concurrency", "1", "--log-level", "WARNING")
            yield fleet, ledger


def cpu_seconds(fleet: Fleet) -> float:
    """The CPU time of the workers and of their children so far."""
    groups = {process.pid for process in fleet.processes}
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) in groups:
            found += int(fields[11]) + int(fields[12])
    return found / _TICKS


def rate(workers: int, each: int, latency: float) -> tuple[float, float]:
    """Refunds checked per second, and CPU milliseconds of the workers for each."""
    names = [f"shop-{number}" for number in range(ACCOUNTS)]
    with (
        processors() as shops,
        running(shops, {name: {"rate_limit": 1e6} for name in names}, workers) as (fleet, ledger),
    ):
        for refund in shops.add(each, words=["succeeded"]):
            for name in names:
                ledger.track(name, refund.query())
        shops.hanging = dict.fromkeys(names, latency)
        app = fleet.app()
        for _ in range(2 * workers):  # a worker imports, connects and opens its clients before the clock starts
            for name in names:
                app.send_task(task_name("check_refund"), args=[name, 0], queue=fleet.prefix)
        time.sleep(_WARM)
        before, began = cpu_seconds(fleet), time.monotonic()
        app.send_task(task_name("dispatch"), queue=fleet.prefix)
        until(lambda: len(shops.asked) >= ACCOUNTS * each, "all are asked for", _LONG)
        elapsed = time.monotonic() - began
        app.close()
        assert shops.at_once() == []
        return ACCOUNTS * each / elapsed, (cpu_seconds(fleet) - before) / (ACCOUNTS * each) * 1000


def busiest_second(seconds: int) -> tuple[int, int]:
    """How many calls one account got from 4 workers that all want more, and the most within any one second."""
    accounts: dict[str, dict[str, object]] = {"shop": {"rate_limit": LIMIT}}
    with processors() as shops, running(shops, accounts, 4) as (fleet, ledger):
        known = [ledger.track("shop", refund.query()) for refund in shops.add(LIMIT * seconds, words=["succeeded"])]
        app = fleet.app()
        for one in known:
            app.send_task(task_name("check_refund"), args=["shop", one.id], queue=fleet.prefix)
        app.send_task(task_name("check_account"), args=["shop"], queue=fleet.prefix)
        until(lambda: len(shops.asked) >= len(known), "all are asked for", _LONG)
        for process in fleet.processes:
            kill(process)
        app.close()
        return len(shops.asked), shops.most_in_a_second("shop")


def main(each: int, seconds: int) -> None:
    print("| answers after | workers | refunds a second | CPU of a refund |\n| --- | --- | --- | --- |")
    for latency in LATENCIES:
        for workers in WORKERS:
            found, cpu = rate(workers, each, latency)
            print(f"| {latency * 1000:.0f} ms | {workers} | {found:.0f} | {cpu:.1f} ms |", flush=True)
    calls, most = busiest_second(seconds)
    print(f"limit {LIMIT} a second, 4 workers: {calls} calls, at most {most} in any one second at the processor")
    assert most <= LIMIT


if __name__ == "__main__":
    main(*(int(sys.argv[place]) if len(sys.argv) > place else default for place, default in ((1, 150), (2, 20))))
