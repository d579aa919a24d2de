"""Stripe keeps the contract, and what is particular to it."""

from refundry.testing import ConnectorContract
from refundry_stripe import Stripe


class TestStripe(ConnectorContract):
    connector = Stripe
    documented = {"pending", "requires_action", "succeeded", "failed", "canceled"}  # docs.stripe.com/api/refunds/object
