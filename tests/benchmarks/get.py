"""What `RefundClient.get` costs, as a share of a bare ``requests.Session.get(...).json()``.

python tests/benchmarks/get.py [--rounds N] [--calls N]
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import requests

from refundry import RefundClient


def cpu_of(call: Callable[[], object], calls: int) -> float:
    """CPU seconds of so many calls."""
    started = time.process_time()
    for _ in range(calls):
        call()
    return time.process_time() - started


def measure(url: str, rounds: int, calls: int) -> None:
    """Alternate both ways, so that a change of the machine's pace meets both alike."""
    session = requests.Session()
    client = RefundClient("stripe", api_key="sk_test_benchmark", base_url=url, rate_limit=math.inf)
    path = f"{url}/v1/refunds/re_3Benchmark0001"
    headers = {"Authorization": "Bearer sk_test_benchmark"}

    def bare() -> object:
        return session.get(path, headers=headers, timeout=30).json()

    def ours() -> object:
        return client.get(connector_refund_id="re_3Benchmark0001")

    cpu_of(bare, calls), cpu_of(ours, calls)
    pairs = [(cpu_of(ours, calls), cpu_of(bare, calls)) for _ in range(rounds)]
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    print(f"bare session.get().json()   {statistics.median(theirs for _, theirs in pairs) / calls * 1e6:8.0f} us CPU")
    print(f"RefundClient.get            {statistics.median(mine for mine, _ in pairs) / calls * 1e6:8.0f} us CPU")
    print(f"ratio                       {statistics.median(ratios):8.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


def main() -> None:
    """Start the server, measure, and end it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    script = Path(__file__).with_name("answering.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            assert server.stdout is not None
            measure(f"http://127.0.0.1:{int(server.stdout.readline())}", options.rounds, options.calls)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
