"""What the two interfaces of TrustPay share."""

from __future__ import annotations

from refundry.errors import InvalidQuery
from refundry.model import RefundQuery

DOCUMENTATION = {
    "cards": "https://doc.trustpay.eu/",
    "bank transfers": "https://doc.trustpay.eu/aapi",
    "statuses": "https://github.com/juspay/hyperswitch-prism",
}


def asked_id(query: RefundQuery) -> str:
    """The refund's id. Raises `InvalidQuery` for the payment's, whose answer would look like a refund's."""
    if query.connector_refund_id == query.connector_transaction_id:
        raise InvalidQuery("connector_refund_id is the payment's: give the id that TrustPay gave to the refund")
    return query.connector_refund_id or ""
