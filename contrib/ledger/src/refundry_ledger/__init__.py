"""The ledger of Refundry: every refund of a merchant and its history."""

from refundry_ledger.ledger import Ledger
from refundry_ledger.reading import Filters, Page, Spans, StoredEvent, Total
from refundry_ledger.records import Change, Claim, History, Pass, Pruned, Receipt, RefundRecord

__all__ = [
    "Change",
    "Claim",
    "Filters",
    "History",
    "Ledger",
    "Page",
    "Pass",
    "Pruned",
    "Receipt",
    "RefundRecord",
    "Spans",
    "StoredEvent",
    "Total",
]
