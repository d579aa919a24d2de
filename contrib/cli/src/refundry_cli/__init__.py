"""The command line of Refundry. `main` is the command ``refundry``."""

import sys
from io import TextIOWrapper

__version__ = "0.1.0"


def main() -> None:
    """Run the command and leave with one of `refundry_cli.exits.ExitCode`."""
    from refundry_cli.app import app

    for stream in (sys.stdout, sys.stderr):
        # What a processor wrote must not fail because the terminal's encoding lacks a letter.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="refundry")
    except Exception as error:  # noqa: BLE001  whatever is no RefundryError is raised again
        from refundry_cli.exits import report

        sys.exit(report(error))
