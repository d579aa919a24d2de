"""What a session raises becomes the error that says what to do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from refundry.errors import ConnectorError, NetworkError, ReadTimeout, RefundryError
from refundry.http import WireRequest
from refundry.testing import FakeClock
from refundry.transport import RequestsTransport


class Raising(BaseAdapter):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        raise self.error

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("raised", "expected", "retryable"),
    [
        (requests.exceptions.InvalidURL("odd"), ConnectorError, False),  # it is an OSError too
        (requests.exceptions.ConnectionError("refused"), NetworkError, True),
        (requests.exceptions.ReadTimeout("slow"), ReadTimeout, True),
        (requests.exceptions.SSLError("untrusted"), NetworkError, False),
        (ConnectionResetError("reset"), NetworkError, True),
    ],
)
def test_what_a_session_raises_is_typed(raised: Exception, expected: type[RefundryError], retryable: bool) -> None:
    session = requests.Session()
    session.mount("https://", Raising(raised))
    transport = RequestsTransport(FakeClock(), session)
    with pytest.raises(RefundryError) as caught:
        transport.send(WireRequest("GET", "https://api.acme.example/refunds", {}), math.inf, 1000)
    assert type(caught.value) is expected
    assert caught.value.retryable is retryable
