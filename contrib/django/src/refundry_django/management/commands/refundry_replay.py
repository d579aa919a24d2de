"""``manage.py refundry_replay``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from refundry.errors import RefundryError
from refundry_django import conf
from refundry_django.rendering import pass_lines


class Command(BaseCommand):
    """Stored webhooks, mapped again."""

    help = "Maps again the stored webhooks that could not be mapped, after an upgrade of the account's connector."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", metavar="ACCOUNT")

    def handle(self, *args: Any, account: str, **options: Any) -> None:
        try:
            done = conf.ledger().replay(conf.client(account))
        except RefundryError as error:
            raise CommandError(str(error)) from None
        for line in pass_lines(done, "webhooks mapped"):
            self.stdout.write(line)
        if done.failed:
            raise CommandError("some webhooks still cannot be mapped")
