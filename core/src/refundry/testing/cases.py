"""What the cases of the contract share: a connector, its sandbox, and refunds for both."""

from __future__ import annotations

import inspect
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import assume

from refundry.account import HOOKS
from refundry.connector import Connector, Operation
from refundry.errors import RefundryError
from refundry.model import UNKNOWN, Money, Refund, RefundQuery, RefundStatus
from refundry.testing.wiring import FakeClock, Wiring, sandbox_of


class Cases:
    """The base of the contract's parts."""

    connector: ClassVar[type[Connector]]

    def needs(self, operation: Operation) -> None:
        """Skip the test where the connector does not implement the operation."""
        if not all(hasattr(self.connector, hook) for hook in HOOKS[operation]):
            pytest.skip(f"{self.connector.name} declares no {operation}")

    def wiring(self, *made: Refund) -> Wiring:
        """A sandbox that holds these refunds."""
        return Wiring(self.connector, made)

    def words(self) -> tuple[str, ...]:
        """The status words that a get may say."""
        return tuple(word for word in self.connector.statuses if word not in sandbox_of(self.connector).event_words)

    def example(self, word: str | None = None, number: int = 1) -> Refund:
        """A refund with this status word, or the first of the sandbox's lives."""
        sandbox = sandbox_of(self.connector)
        chosen = word or next(iter(sandbox.lives.values()))[0]
        fields: dict[str, Any] = {
            "connector_refund_id": sandbox.refund_ids.format(number),
            "connector_transaction_id": sandbox.payment_ids.format(1),
            "merchant_refund_id": f"order{number}",
            "refund_amount": Money(1050 + number, sandbox.settings.get("currency") or sandbox.currency),
            "created_at": FakeClock().now() - timedelta(minutes=number),
        }
        return Refund(
            status=self.connector.statuses.get(chosen, UNKNOWN),
            connector_status=chosen,
            **{name: value for name, value in fields.items() if name in sandbox.expressible},
        )

    def examples(self) -> list[Refund]:
        """A refund for each status that a get may say."""
        by_status: dict[RefundStatus, Refund] = {}
        for word in self.words():
            by_status.setdefault(self.connector.statuses[word], self.example(word))
        return list(by_status.values())

    def many(self, count: int) -> list[Refund]:
        """So many different refunds of one payment."""
        words = self.listable_words()
        return [self.example(words[number % len(words)], number) for number in range(1, count + 1)]

    def listable_words(self) -> tuple[str, ...]:
        """The words with which refunds begin their lives."""
        return tuple(dict.fromkeys(life[0] for life in sandbox_of(self.connector).lives.values()))

    def window(self, made: list[Refund]) -> dict[str, Any]:
        """What to list so that these refunds are in it."""
        listing = self.connector.listing
        if listing is not None and listing.basis == "payment":
            return {"connector_transaction_id": made[0].connector_transaction_id}
        return {"since": FakeClock().now() - timedelta(days=2)}

    def listed(self, wiring: Wiring, page_size: int) -> list[Refund]:
        """All refunds, listed with this page size."""
        return list(wiring.client().list(page_size=page_size, **self.window(list(wiring.book.refunds.values()))))

    def query(self, refund: Refund) -> RefundQuery:
        """A query with no more than a get needs."""
        wanted = frozenset(name for names in self.connector.identifiers for name in names)
        asked = refund.query()
        given = {name: value for name, value in asked.items() if name in wanted}
        return RefundQuery.of({**{name: value for name, value in given.items() if "." not in name}, **_metadata(asked)})

    def asked(self, wiring: Wiring, refund: Refund) -> Refund:
        """The refund as a client maps it."""
        try:
            mapped = wiring.client().get(self.query(refund))
        except ValueError:
            # The processor has no way to write this amount in this currency.
            assume(False)
            raise
        return attrs.evolve(mapped, status_code=None)

    def modules(self) -> list[Path]:
        """The modules of the plugin."""
        return sorted(Path(inspect.getfile(self.connector)).parent.glob("*.py"))


def _metadata(query: RefundQuery) -> dict[str, Any]:
    return {"metadata": query.metadata} if query.metadata else {}


class MayBeRefused:
    """Whatever happens, it is a typed error or none."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> bool:
        return kind is not None and issubclass(kind, RefundryError)
