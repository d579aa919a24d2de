"""``python -m refundry_ledger upgrade URL`` brings a ledger to the form that this version needs."""

from __future__ import annotations

import sys

from sqlalchemy.exc import SQLAlchemyError

from refundry.errors import ConfigurationError
from refundry_ledger.ledger import Ledger

_USAGE = "usage: python -m refundry_ledger upgrade URL\n"


def main(arguments: list[str]) -> int:
    """0: done, 1: it failed, 2: wrong arguments."""
    match arguments:
        case ["upgrade", url]:
            return _upgrade(url)
        case ["--help" | "-h"]:
            sys.stdout.write(_USAGE)
            return 0
        case _:
            sys.stderr.write(_USAGE)
            return 2


def _upgrade(url: str) -> int:
    try:
        Ledger.open(url).close()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except SQLAlchemyError as error:
        sys.stderr.write(f"the ledger cannot be opened: {type(error).__name__}; check its address and the server\n")
        return 1
    sys.stdout.write("the ledger is up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
