"""Finding one connector among sixty, and importing it, beside starting Python at all.

python tests/benchmarks/plugins.py [--plugins N] [--rounds N]
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from measuring import STARTS, Table, fresh_start, read_options, start_rows, take_turns

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


def main() -> None:
    """Let the steps take turns, each with those before it."""
    options = read_options(__doc__, plugins=60, rounds=9)
    steps = {
        "python": "pass",
        "import refundry": "import refundry",
        "and plugins": "import refundry.plugins",
        f"and find {options.plugins} more": "import refundry.plugins as p; assert len(p.connector_names()) >= 60",
        "and import one": "import refundry.plugins as p; p.load_connector('made7')",
        "and the client": "from refundry import RefundClient; RefundClient('made7')",
    }
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        for number in range(options.plugins):
            install(site, number)
        environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": ""}
        works = {name: fresh_start(["-c", code], environment) for name, code in steps.items()}
        rows = start_rows(take_turns(works, options.rounds, 1))
    title = f"Finding one connector among {options.plugins}"
    Table("plugins", title, STARTS, rows).publish(options.results)


if __name__ == "__main__":
    main()
