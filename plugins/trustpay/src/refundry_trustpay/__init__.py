"""TrustPay refunds for Refundry: of card payments and of bank transfers."""

from refundry_trustpay.bank import TrustPayBank
from refundry_trustpay.cards import TrustPayCards

__all__ = ["TrustPayBank", "TrustPayCards"]
