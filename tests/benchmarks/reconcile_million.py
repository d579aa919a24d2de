"""Books against a processor's list, at growing sizes: time, requests and peak memory, as a table.

    python tests/benchmarks/reconcile_million.py [--sizes N ...] [--plot FILE.png]

The processor is a server on loopback that writes pages of 100 refunds in Stripe's shape, in a process of its own; the
books are a CSV file with one row in a thousand wrong. Each size is reconciled in a fresh process, whose own peak of
resident memory, time and processor time are shown, with the report written. "by getting" is one request a refund.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from refundry import RefundClient
from refundry_reconcile import Books, Columns, Progress, reconcile

SUPPORT = Path(__file__).parent.parent / "support"
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
SIZES = (10_000, 100_000, 1_000_000)


@contextmanager
def processor(count: int) -> Iterator[tuple[str, Callable[[], int]]]:
    """The address of a processor with so many refunds, and what ends it and says how many requests there were."""
    command = [sys.executable, str(SUPPORT / "refund_pages.py"), str(count), SINCE.isoformat(), UNTIL.isoformat()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout
        try:
            url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
            yield url, lambda: int(process.communicate()[0])
        finally:
            process.kill()


def write_books(path: Path, count: int) -> None:
    """The books of a merchant who has one amount in a thousand wrong."""
    sys.path.insert(0, str(SUPPORT))
    from refund_pages import amount_of, currency_of

    with path.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["psp_reference", "payment", "amount", "currency", "state"])
        for number in range(count):
            cents = amount_of(number) + (number % 1000 == 0)
            amount = f"{cents // 100}.{cents % 100:02}"
            currency = currency_of(number).upper()
            writer.writerow([f"re_3Page{number:09}", f"pi_3Page{number:09}", amount, currency, "done"])


def measure(url: str, folder: Path) -> dict[str, float]:
    """Reconcile once in this process."""
    books = Books(
        source=folder / "books.csv",
        account="stripe",
        columns=Columns(
            connector_refund_id="psp_reference",
            connector_transaction_id="payment",
            amount="amount",
            currency="currency",
            status="state",
        ),
        amounts="decimal",
        statuses={"done": "SUCCEEDED"},
    )
    heard: list[float] = []

    def hear(progress: Progress) -> None:
        if progress.stage == "listing":
            heard.append(time.perf_counter())

    begun = time.perf_counter()
    client = RefundClient("stripe", api_key="sk_test_benchmark", base_url=url, rate_limit=1e9)
    options = {"since": SINCE, "until": UNTIL, "folder": folder / "work"}
    with client, reconcile(books, [client], **options, tell=hear) as done:
        matched_at = time.perf_counter()
        done.write_report()
        differences = done.summary.differences
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss / 1024,
        "differences": differences,
        "reading": heard[0] - begun,
        "listing": heard[-1] - heard[0],
        "matching": matched_at - heard[-1],
        "report": time.perf_counter() - matched_at,
    }


def run(count: int) -> dict[str, float]:
    """Reconcile so many refunds in a process of its own."""
    with TemporaryDirectory() as name, processor(count) as (url, end):
        write_books(Path(name) / "books.csv", count)
        command = [sys.executable, __file__, "--measure", url, name]
        ran = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603
        return {**json.loads(ran.stdout), "requests": end()}


def plot(path: str, rows: dict[int, dict[str, float]]) -> None:
    """Time and memory over the number of refunds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, key, label in zip(
        figure.subplots(1, 2), ("seconds", "peak"), ("seconds", "peak memory, MB"), strict=True
    ):
        axes.plot(list(rows), [row[key] for row in rows.values()], marker="o")
        axes.set(xscale="log", xlabel="refunds", ylabel=label, ylim=(0, None))
    figure.suptitle("Reconciling by list")
    figure.savefig(path, dpi=120)


def main(sizes: list[int], picture: str | None) -> None:
    """Print the table, and draw the picture where one is asked for."""
    print("  refunds   seconds   CPU s   (read  list  match  report)   requests   by getting   fewer   peak MB   found")
    rows = {}
    for count in sizes:
        row = rows[count] = run(count)
        stages = "  ".join(f"{row[name]:5.1f}" for name in ("reading", "listing", "matching", "report"))
        print(
            f"{count:9,} {row['seconds']:9.1f} {row['cpu']:7.1f}   {stages}   {row['requests']:8,.0f} {count:12,} "
            f"{count / row['requests']:6.0f}x {row['peak']:9.0f} {row['differences']:7,.0f}",
            flush=True,
        )
    if picture:
        plot(picture, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--plot", metavar="FILE.png")
    parser.add_argument("--measure", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure[0], Path(given.measure[1]))))
    else:
        main(given.sizes, given.plot)
