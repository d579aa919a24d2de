"""``manage.py refundry_track``."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from refundry.errors import RefundryError
from refundry_django import conf
from refundry_django.rendering import pass_lines
from refundry_django.signals import tell_changes
from refundry_ledger.watching import rest, tried, until_signal


class Command(BaseCommand):
    """One pass of the tracker, or passes without end."""

    help = "Asks processors for every refund that is due, then sends the signals of what changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("accounts", nargs="*", metavar="ACCOUNT", help="only these accounts")
        parser.add_argument("--watch", action="store_true", help="go on until SIGINT or SIGTERM")
        parser.add_argument("--concurrency", type=int, default=4, help="requests of one account at once")

    def handle(self, *args: Any, accounts: list[str], watch: bool, concurrency: int, **options: Any) -> None:
        try:
            clients = conf.clients(*accounts)
        except RefundryError as error:
            raise CommandError(str(error)) from None
        with until_signal() as stop:
            while True:
                done = conf.ledger().run_once(clients, concurrency=concurrency, stop=stop)
                for line in (*pass_lines(done, "refunds asked"), *pass_lines(tried(tell_changes), "changes told")):
                    self.stdout.write(line)
                if not watch or stop.wait(rest(conf.ledger()).total_seconds()):
                    break
        if done.errors:
            raise CommandError("an account could not be asked at all")
