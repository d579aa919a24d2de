"""``manage.py refundry_show``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from refundry_django import conf
from refundry_django.rendering import observation_line, refund_line


class Command(BaseCommand):
    """Refunds by any identifier, with their history."""

    help = "Shows every refund with this identifier and everything that was said about it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("identifier", metavar="ID", help="the processor's, the merchant's or the payment's")

    def handle(self, *args: Any, identifier: str, **options: Any) -> None:
        found = conf.ledger().find(identifier)
        if not found:
            raise CommandError("the ledger does not know this refund: refundry_add puts it there")
        for refund in found:
            self.stdout.write(refund_line(refund))
            for one in conf.ledger().history(refund.account, refund.id).observations:
                self.stdout.write(observation_line(one))
