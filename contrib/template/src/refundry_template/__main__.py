"""The command line: ``python -m refundry_template NAME [DIRECTORY]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from refundry.errors import RefundryError
from refundry_template.generating import ask, new, questions


def main(arguments: list[str] | None = None) -> int:
    """Make a project; see ``--help``. Returns the exit code."""
    answers = vars(_parser().parse_args(arguments))
    name, directory, defaults = (answers.pop(key) for key in ("name", "directory", "defaults"))
    make = new if defaults or not sys.stdin.isatty() else ask
    try:
        project = make(name, directory, **answers)
    except RefundryError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(f'{project}\nNext, in that directory: pip install -e ".[dev]" && pytest\n')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m refundry_template",
        description="Write the project of a new connector. What is not given is asked in a terminal.",
    )
    parser.add_argument("name", help="the connector's name, for example acme-pay")
    parser.add_argument("directory", nargs="?", help="where to; refundry-NAME if not given")
    parser.add_argument("--defaults", action="store_true", help="ask nothing: what is not given has its default")
    for key, details in questions().items():
        parser.add_argument(
            f"--{key.replace('_', '-')}", default=argparse.SUPPRESS, help=details["help"], **_takes(details)
        )
    return parser


def _takes(details: Mapping[str, Any]) -> dict[str, Any]:
    if details["type"] == "bool":
        return {"action": argparse.BooleanOptionalAction}
    return {"choices": list(details["choices"].values())} if "choices" in details else {}


if __name__ == "__main__":
    sys.exit(main())
