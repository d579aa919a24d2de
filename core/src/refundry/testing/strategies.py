"""Hypothesis strategies for what a connector's sandbox can express."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from iso4217 import Currency

from refundry.connector import Connector
from refundry.model import FAILED, SUCCEEDED, ErrorInfo, Money, Refund
from refundry.sandbox import ConnectorSandbox

CURRENCIES = sorted(one.code for one in Currency if one.exponent is not None)
AMOUNTS = (0, 1, 9, 10, 99, 100, 10**9, 2**53 + 1)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_times = st.datetimes(min_value=datetime(2012, 1, 1), max_value=datetime(2037, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


def identifiers(longest: int = 20) -> st.SearchStrategy[str]:
    """Identifiers as processors give them out."""
    return st.text(_LETTERS, min_size=1, max_size=longest)


@st.composite
def refunds(
    draw: st.DrawFn, connector: type[Connector], sandbox: type[ConnectorSandbox[Any]], words: tuple[str, ...]
) -> Refund:
    """Refunds with one of these status words and no more than the sandbox can express."""
    word = draw(st.sampled_from(words))
    status = connector.statuses[word]
    currency = connector.only_currency or sandbox.settings.get("currency") or draw(st.sampled_from(CURRENCIES))
    amount = draw(st.sampled_from(AMOUNTS) | st.integers(0, 10**12))
    needed = frozenset.intersection(*connector.identifiers)
    fields: dict[str, st.SearchStrategy[Any]] = {
        "connector_transaction_id": identifiers(),
        "merchant_refund_id": identifiers() if "merchant_refund_id" in needed else st.none() | identifiers(),
        "created_at": _times,
        "updated_at": _times,
        "processed_at": _times,
        "refund_reason": st.none() | identifiers(),
        "acquirer_reference_number": st.from_regex(r"[0-9]{23}", fullmatch=True) if status is SUCCEEDED else st.none(),
        "error": st.builds(ErrorInfo, code=identifiers()) if status is FAILED else st.none(),
    }
    drawn = {name: draw(strategy) for name, strategy in fields.items() if name in sandbox.expressible}
    return Refund(
        connector_refund_id=draw(identifiers()),
        status=status,
        connector_status=word,
        refund_amount=Money(amount, currency) if "refund_amount" in sandbox.expressible else None,
        **drawn,
    )
