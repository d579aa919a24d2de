"""The command ``refundry prune`` and its options."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from refundry_cli.track import Config, Ledger

_AGE = re.compile(r"([1-9][0-9]{0,4})([dw])", re.ASCII)
_DAYS = {"d": 1, "w": 7}


def prune(
    older_than: Annotated[str, typer.Option(metavar="AGE", help="Of raw bodies, in days or weeks: 400d, 57w.")],
    audit_older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Of the desk's audit trail; all of it is kept if not given.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="The most of each kind in this run.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    ledger: Ledger = None,
    config: Config = None,
) -> None:
    """Delete the raw bodies of old answers and webhooks.

    What was said about a refund stays, and so does every webhook that is still to be read.
    """
    from refundry_cli.pruning import prune_ledger

    bodies, audit = read_age("--older-than", older_than), None
    if audit_older_than is not None:
        audit = read_age("--audit-older-than", audit_older_than)
        if audit <= bodies:
            raise typer.BadParameter("--audit-older-than must be longer than --older-than: it says who saw the bodies")
    raise typer.Exit(prune_ledger(bodies, audit, limit=limit, dry_run=dry_run, ledger=ledger, config=config))


def read_age(option: str, text: str) -> timedelta:
    """An age from the command line. Raises `typer.BadParameter`."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{option} takes days or weeks: 400d, 57w")
    return timedelta(days=int(found[1]) * _DAYS[found[2]])
