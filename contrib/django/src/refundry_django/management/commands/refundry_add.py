"""``manage.py refundry_add``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from refundry.errors import InvalidQuery
from refundry.model import RefundQuery
from refundry.money import from_decimal
from refundry_django import conf
from refundry_django.rendering import refund_line

IDENTIFIERS = ("connector_refund_id", "connector_transaction_id", "merchant_refund_id")


class Command(BaseCommand):
    """One refund into the merchant's books."""

    help = "Puts a refund into the ledger; refundry_track asks for it from then on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", metavar="ACCOUNT")
        add_identifiers(parser)
        parser.add_argument("--amount", help="what it should be, in major units; anything else is flagged")

    def handle(self, *args: Any, account: str, amount: str | None, **options: Any) -> None:
        if account not in conf.account_names():
            raise CommandError(f"there is no account {account!r}: there is {', '.join(conf.account_names()) or 'none'}")
        try:
            query = query_of(options)
            expected = from_decimal(amount, query.currency or "") if amount else None
        except (InvalidQuery, ValueError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(refund_line(conf.ledger().track(account, query, expected_amount=expected)))


def add_identifiers(parser: ArgumentParser) -> None:
    """The options that name a refund."""
    for name in (*IDENTIFIERS, "currency"):
        parser.add_argument(_option(name))


def query_of(options: dict[str, Any]) -> RefundQuery:
    """The refund that the options name. Raises `InvalidQuery`."""
    given = {name: options[name] for name in (*IDENTIFIERS, "currency") if options[name]}
    if not given.keys() & set(IDENTIFIERS):
        raise InvalidQuery(
            "give at least one of --connector-refund-id, --connector-transaction-id, --merchant-refund-id"
        )
    return RefundQuery.of(given)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
