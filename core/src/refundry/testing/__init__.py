"""For authors of connectors: the contract that every connector keeps, as tests. Needs ``refundry[testing]``."""

import pytest

_PARTS = ("cassettes", "declaring", "listing", "mapping", "refusing", "webhooks")
pytest.register_assert_rewrite(*(f"refundry.testing.{part}" for part in _PARTS))

from refundry.testing.clock import FakeClock  # noqa: E402
from refundry.testing.contract import ConnectorContract  # noqa: E402
from refundry.testing.wiring import Wiring  # noqa: E402

__all__ = ["ConnectorContract", "FakeClock", "Wiring"]
