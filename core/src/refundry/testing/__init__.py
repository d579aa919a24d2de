"""For authors of connectors: the contract that every connector keeps, as tests. Needs ``refundry[testing]``.

```python
class TestAcme(ConnectorContract):
    connector = Acme
    documented = {"pending", "done", "declined"}
```

What does not apply is skipped by what the connector declares and implements, never by its test.
"""

import pytest

_PARTS = ("cassettes", "declaring", "listing", "mapping", "refusing", "webhooks")
pytest.register_assert_rewrite(*(f"refundry.testing.{part}" for part in _PARTS))

from refundry.testing.cassettes import CassetteContract  # noqa: E402
from refundry.testing.declaring import DeclarationContract  # noqa: E402
from refundry.testing.listing import ListingContract  # noqa: E402
from refundry.testing.mapping import MappingContract  # noqa: E402
from refundry.testing.refusing import RefusalContract  # noqa: E402
from refundry.testing.webhooks import WebhookContract  # noqa: E402
from refundry.testing.wiring import FakeClock, Wiring  # noqa: E402

__all__ = ["ConnectorContract", "FakeClock", "Wiring"]


class ConnectorContract(
    DeclarationContract, MappingContract, RefusalContract, ListingContract, WebhookContract, CassetteContract
):
    """Inherit it, name the connector, and list by hand what the processor documents."""
