"""What a running desk keeps beside its data: limits, counters, and the threads behind the endpoint for webhooks."""

from __future__ import annotations

from typing import Self

import attrs
from fastapi import Request

from refundry_ledger.inbox import Inbox
from refundry_web.desk import Desk
from refundry_web.intake import Intake
from refundry_web.limiting import Limits, UsedCodes
from refundry_web.metrics import Metrics
from refundry_web.reading import Reader


@attrs.frozen(kw_only=True)
class Service:
    """One application's own things."""

    limits: Limits
    metrics: Metrics
    intake: Intake
    reader: Reader
    used_codes: UsedCodes = attrs.field(factory=UsedCodes)

    @classmethod
    def of(cls, desk: Desk) -> Self:
        """Those of this desk. No thread runs until a webhook comes, or `start`."""
        inbox = Inbox(desk.ledger)
        reader = Reader(inbox, desk.clients)
        intake: Intake

        def stored() -> None:
            reader.start(intake.is_busy)
            reader.wake()

        intake = Intake(inbox, desk.clients, desk.settings.webhooks_waiting, stored)
        return cls(limits=Limits(desk.settings), metrics=Metrics(desk.ledger), intake=intake, reader=reader)

    def start(self) -> None:
        """Read webhooks that an earlier process stored."""
        self.reader.start(self.intake.is_busy)

    def close(self) -> None:
        """Store what has arrived, and end every thread."""
        self.intake.close()
        self.reader.close()


def service_of(request: Request) -> Service:
    """The service of the application that got this request: a dependency."""
    service: Service = request.app.state.service
    return service
