"""Refundry in a Django project: a webhook view, an admin, management commands and signals over the ledger."""
