"""Kills a process that receives webhooks, at random moments, and looks whether all that it acknowledged is there.

PYTHONPATH=tests/support python tests/benchmarks/ledger_kill.py [rounds]
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ledgers import DATABASES, acknowledged_before_kill, empty_database, row_counts

from refundry.model import SUCCEEDED
from refundry_ledger import Ledger
from refundry_ledger.schema import event_items, events, observations, outbox, refunds

EVENTS = 500
SEED = 20260302


def main(rounds: int) -> int:
    """How many acknowledged events are missing."""
    missing = 0
    for kind in DATABASES:
        chance = random.Random(SEED)
        with TemporaryDirectory() as folder, empty_database(kind, Path(folder)) as url, Ledger.open(url) as ledger:
            acknowledged: set[int] = set()
            for turn in range(rounds):
                numbers = range(turn * EVENTS, (turn + 1) * EVENTS)
                acknowledged |= acknowledged_before_kill(url, Path(folder) / "events", numbers, chance.uniform(0, 0.5))
            there = {one for one in acknowledged if [r.status for r in ledger.find(f"re_{one}")] == [SUCCEEDED]}
            counts = row_counts(ledger, events, event_items, observations, refunds, outbox)
        missing += len(acknowledged - there)
        halves = "no half of one" if len(set(counts)) == 1 else f"halves: {counts}"
        found = f"{len(acknowledged):,} events acknowledged, {len(acknowledged - there)} missing"
        print(f"{kind:10} {rounds} rounds, {found}; {counts[0]:,} stored, {halves}")
    return missing


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100) > 0)
