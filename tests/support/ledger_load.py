"""A process that delivers webhooks to a ledger; `ledgers.delivering` starts it."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import datetime
from pathlib import Path

from refundry import RefundClient
from refundry_ledger import Ledger
from refundry_stripe.sandbox import StripeSandbox


def deliver(url: str, path: str, times: int, threads: int) -> None:
    events = [json.loads(line) for line in Path(path).read_text().splitlines()]
    work = [(number, event) for number, event in enumerate(events) for _ in range(times)]
    client = RefundClient("stripe", **StripeSandbox.settings)
    with Ledger(url) as ledger:
        ledger.parked("nobody")  # connects
        say("ready")
        sys.stdin.readline()
        start = threading.Barrier(threads)

        def part(offset: int) -> None:
            start.wait()
            for number, event in work[offset::threads]:
                ledger.receive(
                    client,
                    body=event["body"].encode(),
                    headers=event["headers"],
                    received_at=datetime.fromisoformat(event["at"]),
                )
                say(str(number))

        workers = [threading.Thread(target=part, args=(offset,)) for offset in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    deliver(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
