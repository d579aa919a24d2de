"""Which row of the books is which refund: by identifiers, and by nothing else where these do not say it."""

from __future__ import annotations

from refundry_reconcile.store import Store, read_sql

_OF_REFERENCE = ("account", "merchant_refund_id")
_MONEY = ("amount", "currency")
_PAYMENT = "connector_transaction_id"
_ANY = "true"
_UNNAMED = "connector_refund_id IS NULL"
"""An id of the processor's is an identity: a row that names one is no other refund."""


def match(store: Store) -> None:
    """Pair rows with refunds, mark duplicates and what is ambiguous, and give every row and refund its verdict."""
    with store.writing():
        store.run_file("refunds.sql")
        store.run_file("link_ids.sql")
        _by_reference(store)
        for rows, refunds in ((_UNNAMED, _ANY), (_ANY, _UNNAMED)):
            _by_payment(store, rows, refunds)
        store.run_file("duplicates.sql")
        store.run_file("judge.sql")


def _by_reference(store: Store) -> None:
    one = "least(n_rows, n_refunds) = 1 AND NOT two_ids"
    _pair(store, _OF_REFERENCE, "your reference", "n_rows = 1 AND n_refunds = 1 AND NOT two_ids")
    _pair(store, (*_OF_REFERENCE, _PAYMENT, *_MONEY), "your reference, payment and amount", one)
    _pair(store, (*_OF_REFERENCE, *_MONEY), "your reference and amount", f"{one} AND n_payments <= 1")
    reason = """CASE WHEN two_ids AND n_rows = 1 AND n_refunds = 1
        THEN 'your reference is there, under another refund id than the books have'
        ELSE n_rows || ' of the books and ' || n_refunds || ' of the processor share your reference' END"""
    _leave(store, _OF_REFERENCE, reason)


def _by_payment(store: Store, rows: str, refunds: str) -> None:
    keys = ("account", _PAYMENT, *_MONEY)
    alone = "n_rows = 1 AND n_refunds = 1 AND n_references <= 1"
    _pair(store, keys, "payment and amount", alone, rows, refunds)
    reason = """CASE WHEN n_rows = 1 AND n_refunds = 1
        THEN 'payment and amount are the same, your references differ'
        ELSE n_rows || ' of the books and ' || n_refunds || ' of the processor have this payment and amount' END"""
    _leave(store, keys, reason, rows, refunds)


def _pair(
    store: Store, keys: tuple[str, ...], matched_by: str, when: str, rows: str = _ANY, refunds: str = _ANY
) -> None:
    _group(store, keys, rows, refunds)
    filled = {"keys": ", ".join(keys), "matched_by": matched_by, "when": when, "rows": rows, "refunds": refunds}
    store.run(read_sql("pair.sql").format_map(filled))


def _leave(store: Store, keys: tuple[str, ...], reason: str, rows: str = _ANY, refunds: str = _ANY) -> None:
    _group(store, keys, rows, refunds)
    filled = {"keys": ", ".join(keys), "reason": reason, "rows": rows, "refunds": refunds}
    store.run(read_sql("ambiguous.sql").format_map(filled))


def _group(store: Store, keys: tuple[str, ...], rows: str, refunds: str) -> None:
    given = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    filled = {"keys": ", ".join(keys), "given": given, "rows": rows, "refunds": refunds}
    store.run(read_sql("groups.sql").format_map(filled))
