"""What every connector must satisfy.

```python
class TestAcme(ConnectorContract):
    connector = Acme
    documented = {"pending", "done", "declined"}
```

What does not apply is skipped by what the connector declares and implements, never by its test.
"""

from __future__ import annotations

from refundry.testing.cassettes import CassetteContract
from refundry.testing.declaring import DeclarationContract
from refundry.testing.listing import ListingContract
from refundry.testing.mapping import MappingContract
from refundry.testing.refusing import RefusalContract
from refundry.testing.webhooks import WebhookContract


class ConnectorContract(
    DeclarationContract, MappingContract, RefusalContract, ListingContract, WebhookContract, CassetteContract
):
    """Inherit it, name the connector, and list by hand what the processor documents."""
