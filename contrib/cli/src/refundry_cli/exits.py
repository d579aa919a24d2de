"""How the command ends: its exit codes, and the one line that says what went wrong."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from refundry.errors import RefundryError
    from refundry.model import RefundStatus
    from refundry.waiting import WaitOutcome


class ExitCode(IntEnum):
    """What the command's exit code means."""

    SUCCEEDED = 0
    FAULT = 1
    USAGE = 2
    OPEN = 3
    FAILED = 4
    NOT_FOUND = 5
    UNAVAILABLE = 6
    AUTHENTICATION = 7
    SIGNATURE = 8
    NOT_UNDERSTOOD = 9
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.SUCCEEDED: "the refund succeeded; for other commands: done",
    ExitCode.FAULT: "doctor or demo found something wrong; reconcile found differences; a refund needs attention",
    ExitCode.USAGE: "wrong usage or configuration, or the processor lacks the operation",
    ExitCode.OPEN: "the refund is pending, under review, or in a state not known",
    ExitCode.FAILED: "the refund failed",
    ExitCode.NOT_FOUND: "the processor does not know the refund (which never means failed)",
    ExitCode.UNAVAILABLE: "network trouble, or the processor or the ledger's database is down or asks to slow down",
    ExitCode.AUTHENTICATION: "the processor refused the credentials",
    ExitCode.SIGNATURE: "the webhook's signature is missing or wrong",
    ExitCode.NOT_UNDERSTOOD: "the processor refused the request, or its answer was not understood",
    ExitCode.INTERRUPTED: "stopped with Ctrl-C",
}


def help_text() -> str:
    """The exit codes, as ``--help`` shows them."""
    lines = "\n".join(f"  {code:<4}{meaning}" for code, meaning in MEANINGS.items())
    return f"\b\nExit codes:\n{lines}"


def code_of_status(status: RefundStatus) -> ExitCode:
    """The exit code for a refund in this state."""
    if not status.is_settled:
        return ExitCode.OPEN
    return ExitCode.SUCCEEDED if status == "SUCCEEDED" else ExitCode.FAILED


def code_of_outcome(outcome: WaitOutcome) -> ExitCode:
    """The exit code for the end of a wait."""
    if outcome.reason == "not found":
        return ExitCode.NOT_FOUND
    if outcome.reason == "unreachable" or outcome.refund is None:
        return ExitCode.UNAVAILABLE
    return code_of_status(outcome.refund.status)


def code_of_error(error: RefundryError) -> ExitCode:
    """The exit code for an error."""
    from refundry import errors

    match error:
        case errors.ConfigurationError() | errors.InvalidQuery() | errors.UnsupportedOperation():
            return ExitCode.USAGE
        case errors.RefundNotFound():
            return ExitCode.NOT_FOUND
        case errors.RetryableError():
            return ExitCode.UNAVAILABLE
        case errors.AuthenticationError():
            return ExitCode.AUTHENTICATION
        case errors.SignatureError():
            return ExitCode.SIGNATURE
        case _:
            return ExitCode.NOT_UNDERSTOOD


def report(error: Exception) -> ExitCode:
    """Say on stderr what went wrong and what may help. Raises the error again when nobody knows what it means."""
    from refundry.errors import RefundryError
    from refundry_cli.render import clean

    if _is_of_database(error):
        # Its own text is long, and holds the statement.
        typer.echo(f"error: the database of the ledger does not answer as it should ({type(error).__name__})", err=True)
        typer.echo("hint: check its address and its server, then try again", err=True)
        return ExitCode.UNAVAILABLE
    if not isinstance(error, RefundryError):
        raise error
    typer.echo(f"error: {clean(str(error))}", err=True)
    hint = hint_of(error)
    if hint:
        typer.echo(f"hint: {clean(hint)}", err=True)
    return code_of_error(error)


def _is_of_database(error: Exception) -> bool:
    # By its name, for SQLAlchemy is there only where the ledger is.
    return any(kind.__module__ == "sqlalchemy.exc" for kind in type(error).__mro__)


def hint_of(error: RefundryError) -> str | None:
    """What to try on the command line; None where the error's own text says all."""
    from refundry import errors

    name = error.connector
    match error:
        case errors.UnknownConnector():
            return "refundry connectors lists what is installed"
        case errors.ConfigurationError() if name:
            return f"refundry connectors {name} lists its settings and their variables"
        case errors.InvalidQuery() if name:
            return f"refundry connectors {name} says what it needs"
        case errors.AuthenticationError():
            return "a key of one environment is refused by the other: see --environment"
        case errors.RefundNotFound():
            return "check the identifier, the account and --environment; it never means that the refund failed"
        case errors.SignatureError():
            return "give the body byte for byte as it came, all its headers, and for an old event --received-at"
        case errors.RetryableError() if error.retry_after:
            return f"try again in {error.retry_after.total_seconds():.0f} s"
        case errors.RetryableError():
            return "nothing is known about the refund; try again later"
        case _:
            return None
