"""For authors of connectors: the contract that every connector keeps, as tests. Needs ``refundry[testing]``."""

from refundry.testing.clock import FakeClock
from refundry.testing.contract import ConnectorContract
from refundry.testing.wiring import Wiring

__all__ = ["ConnectorContract", "FakeClock", "Wiring"]
