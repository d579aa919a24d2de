"""The reconciliation of one account, where `refundry-reconcile` is installed."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from refundry.client import RefundClient
from refundry.errors import ConfigurationError
from refundry_ledger import Ledger


def reconcile(ledger: Ledger, client: RefundClient, since: datetime, until: datetime, folder: Path) -> Path:
    """Compare the ledger's books of a period with what this account's processor says; where the report is.

    Raises `ConfigurationError`, also where `refundry-reconcile` is not installed.
    """
    if find_spec("refundry_reconcile") is None:
        raise ConfigurationError("the reconciliation is not installed; try: pip install refundry-reconcile")
    battery = import_module("refundry_reconcile")
    books = battery.LedgerBooks(ledger, [client.account.name])
    with battery.reconcile(books, [client], since=since, until=until, folder=folder) as done:
        return Path(done.write_report())
