"""The reconciliation of one account, where `refundry-reconcile` is installed."""

from __future__ import annotations

from importlib.util import find_spec

from refundry.client import RefundClient
from refundry.errors import ConfigurationError
from refundry_ledger import Ledger


def reconcile(ledger: Ledger, client: RefundClient) -> None:
    """Compare the ledger's books of this account with the processor's. Raises `ConfigurationError`."""
    if find_spec("refundry_reconcile") is None:
        raise ConfigurationError("the reconciliation is not installed; try: pip install refundry-reconcile")
    raise NotImplementedError
