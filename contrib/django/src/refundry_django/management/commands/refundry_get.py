"""``manage.py refundry_get``."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from refundry.errors import RefundryError
from refundry.state import observe
from refundry_django import conf
from refundry_django.management.commands.refundry_add import add_identifiers, query_of


class Command(BaseCommand):
    """One refund, asked for now."""

    help = "Asks the processor for one refund, keeps the answer in the ledger, and writes it as JSON."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", metavar="ACCOUNT")
        add_identifiers(parser)

    def handle(self, *args: Any, account: str, **options: Any) -> None:
        try:
            refund = conf.client(account).get(query_of(options))
        except RefundryError as error:
            raise CommandError(str(error)) from None
        ledger = conf.ledger()
        said = observe(account, refund, source="get", observed_at=ledger.clock.now())
        ledger.observe(said, query=refund.query())
        self.stdout.write(json.dumps(refund.to_dict()))
