"""``manage.py refundry_attention``."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from refundry_django import conf
from refundry_django.rendering import refund_line


class Command(BaseCommand):
    """What a person should look at."""

    help = "Lists the refunds that a person should look at; ends with 1 when there is any, for a scheduler to notice."

    def handle(self, *args: Any, **options: Any) -> None:
        found = conf.ledger().needing_attention()
        for refund in found:
            self.stdout.write(refund_line(refund))
        if found:
            sys.exit(1)
