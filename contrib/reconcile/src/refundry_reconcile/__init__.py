"""The merchant's books against what payment processors say, for Refundry."""

from refundry_reconcile.books import Books, Columns, LedgerBooks
from refundry_reconcile.gathering import Period, Progress
from refundry_reconcile.reconciliation import Reconciliation, reconcile
from refundry_reconcile.summary import Summary
from refundry_reconcile.verdicts import EXPLANATIONS, Finding, Verdict

__all__ = [
    "EXPLANATIONS",
    "Books",
    "Columns",
    "Finding",
    "LedgerBooks",
    "Period",
    "Progress",
    "Reconciliation",
    "Summary",
    "Verdict",
    "reconcile",
]
