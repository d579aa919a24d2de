"""What the tests of the ledger share: each runs on every database that there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ledgers
import pytest

from refundry.testing import Wiring
from refundry_ledger import Ledger


@pytest.fixture(params=ledgers.DATABASES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty ledger."""
    with ledgers.database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def ledger(address: str, wiring: Wiring) -> Iterator[Ledger]:
    """That ledger, by the clock of the test module's own ``wiring``."""
    with Ledger(address, clock=wiring.clock) as made:
        yield made
