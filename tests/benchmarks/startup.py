"""How long the command line takes to start, beside Python alone.

python tests/benchmarks/startup.py [--rounds N]
"""

from __future__ import annotations

from measuring import STARTS, Table, fresh_start, read_options, start_rows, take_turns


def main() -> None:
    """Let the ways take turns."""
    options = read_options(__doc__, rounds=9)
    works = {
        "python -c pass": fresh_start(["-c", "pass"]),
        "import refundry": fresh_start(["-c", "import refundry"]),
        "import requests, typer, rich": fresh_start(["-c", "import requests, typer, rich"]),
        "refundry --help": fresh_start(["-m", "refundry_cli", "--help"]),
        "refundry connectors": fresh_start(["-m", "refundry_cli", "connectors"]),
    }
    rows = start_rows(take_turns(works, options.rounds, 1))
    Table("startup", "Start of the command line", STARTS, rows).publish(options.results)


if __name__ == "__main__":
    main()
