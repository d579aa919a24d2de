"""Finding one connector among sixty, and importing it, beside starting Python at all.

python tests/benchmarks/plugins.py [--plugins N] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCE = """
from refundry.connector import Connector

class Made(Connector):
    name = "{name}"
    title = "Made"
    documentation = {{}}
    base_urls = {{}}
    statuses = {{}}
"""


def install(site: Path, number: int) -> None:
    """What installing one plugin leaves behind."""
    name = f"made{number}"
    info = site / f"refundry_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: refundry-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[refundry.connectors]\n{name} = refundry_{name}:Made\n")
    (site / f"refundry_{name}.py").write_text(SOURCE.format(name=name))


def milliseconds(code: str, site: Path, rounds: int) -> float:
    """The median time of a fresh Python that runs this."""
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": ""}
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)  # noqa: S603
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[1:])


def main() -> None:
    """One line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugins", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        for number in range(options.plugins):
            install(site, number)
        empty = milliseconds("pass", site, options.rounds)
        steps = {
            "python": "pass",
            "import refundry": "import refundry",
            "and plugins": "import refundry.plugins",
            f"and find {options.plugins} more": "import refundry.plugins as p; assert len(p.connector_names()) >= 60",
            "and import one": "import refundry.plugins as p; p.load_connector('made7')",
            "and the client": "from refundry import RefundClient; RefundClient('made7')",
        }
        for name, code in steps.items():
            taken = milliseconds(code, site, options.rounds)
            print(f"{name:<20}{taken:8.0f} ms{taken / empty:8.1f} times an empty start")


if __name__ == "__main__":
    main()
