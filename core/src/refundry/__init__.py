"""Where is this refund? One call, one refund, one history, for every payment processor."""

from typing import TYPE_CHECKING, Any

from refundry.errors import (
    AmbiguousRefund,
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    ConnectTimeout,
    InvalidQuery,
    MappingError,
    NetworkError,
    NotARefund,
    ProcessorUnavailable,
    RateLimited,
    ReadTimeout,
    RefundNotFound,
    RefundryError,
    RetryableError,
    SignatureError,
    UnknownConnector,
    UnsupportedOperation,
)
from refundry.model import (
    Delivery,
    ErrorInfo,
    Money,
    Refund,
    RefundEvent,
    RefundPage,
    RefundQuery,
    RefundStatus,
    Window,
)

if TYPE_CHECKING:
    from refundry.client import RefundClient
    from refundry.waiting import WaitEnd, WaitOutcome

__version__ = "0.1.0"

__all__ = [
    "AmbiguousRefund",
    "AuthenticationError",
    "ConfigurationError",
    "ConnectTimeout",
    "ConnectorError",
    "Delivery",
    "ErrorInfo",
    "InvalidQuery",
    "MappingError",
    "Money",
    "NetworkError",
    "NotARefund",
    "ProcessorUnavailable",
    "RateLimited",
    "ReadTimeout",
    "Refund",
    "RefundClient",
    "RefundEvent",
    "RefundNotFound",
    "RefundPage",
    "RefundQuery",
    "RefundStatus",
    "RefundryError",
    "RetryableError",
    "SignatureError",
    "UnknownConnector",
    "UnsupportedOperation",
    "WaitEnd",
    "WaitOutcome",
    "Window",
]

# requests takes a tenth of a second to import, which whoever only looks a name up should not pay.
_LATE = {"RefundClient": "refundry.client", "WaitEnd": "refundry.waiting", "WaitOutcome": "refundry.waiting"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'refundry' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATE[name]), name)
