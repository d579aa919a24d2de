"""Run all benchmarks that print ratios and keep tables and plots.

python tests/benchmarks/run.py [--results FOLDER]
"""

from __future__ import annotations

import subprocess
import sys

from measuring import HERE, read_options

SCRIPTS = ("get", "aio", "mapping", "webhooks", "plugins", "startup", "tracking")


def main() -> None:
    """One after the other, each in a process of its own."""
    options = read_options(__doc__)
    for name in SCRIPTS:
        command = [sys.executable, str(HERE / f"{name}.py"), "--results", str(options.results)]
        subprocess.run(command, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
