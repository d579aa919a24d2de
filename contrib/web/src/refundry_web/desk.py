"""`Desk`: what every part of the service works with."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from fastapi import Request

from refundry.client import RefundClient
from refundry.errors import UnsupportedOperation
from refundry.policy import Clock
from refundry_ledger import Ledger, RefundRecord
from refundry_web.settings import Settings


def _by_account(clients: Mapping[str, RefundClient]) -> dict[str, RefundClient]:
    return dict(sorted(clients.items()))


@attrs.frozen(kw_only=True)
class Desk:
    """A ledger, the clients of its accounts by account name, and the settings."""

    ledger: Ledger
    clients: Mapping[str, RefundClient] = attrs.field(converter=_by_account)
    settings: Settings = attrs.field(factory=Settings)

    @property
    def clock(self) -> Clock:
        """The ledger's clock."""
        return self.ledger.clock

    def title_of(self, account: str) -> str:
        """How a person calls the processor of an account; the account's name where no client is known."""
        client = self.clients.get(account)
        return client.account.connector.title if client else account

    def ask_now(self, refund: RefundRecord) -> RefundRecord:
        """Ask the processor for a refund now. Raises `UnsupportedOperation` without a client, and what came instead."""
        client = self.clients.get(refund.account)
        if client is None:
            raise UnsupportedOperation("the desk has no credentials for this refund's account")
        return self.ledger.ask_now(client, refund.id)


def desk_of(request: Request) -> Desk:
    """The desk of the application that got this request: a dependency."""
    desk: Desk = request.app.state.desk
    return desk
