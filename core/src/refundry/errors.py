"""Every error that Refundry raises on purpose, by what the caller can do about it.

The text of an error says whose fault it is and what to do. It never holds a response body or a credential.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refundry.http import Response


class RefundryError(Exception):
    """The base of all errors of Refundry.

    Attributes:
        connector: name of the connector, for example ``"stripe"``.
        operation: ``"get"``, ``"list"``, ``"token"`` or ``"webhook"``.
        status_code: HTTP status of the processor's answer.
        code: the processor's own error code, verbatim.
        request_id: what the processor's support asks for.
        retryable: True when the same call may succeed later without any change.
    """

    retryable: bool = False

    def __init__(
        self,
        message: str = "",
        *,
        connector: str | None = None,
        operation: str | None = None,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.connector = connector
        self.operation = operation
        self.status_code = status_code
        self.code = code
        self.request_id = request_id

    def __str__(self) -> str:
        where = f"{self.connector}: " if self.connector else ""
        facts = [
            f"{label} {value}"
            for label, value in (
                ("operation", self.operation),
                ("HTTP", self.status_code),
                ("code", self.code),
                ("request id", self.request_id),
            )
            if value is not None
        ]
        details = f" ({', '.join(facts)})" if facts else ""
        return f"{where}{self.message}{details}"


class ConfigurationError(RefundryError):
    """A setting is missing, empty or wrong: mend the account's settings."""


class UnknownConnector(ConfigurationError):
    """No installed plugin has this name: install it, or mend the spelling."""


class UnsupportedOperation(RefundryError):
    """This processor cannot do what was asked; the text says what to do instead."""


class InvalidQuery(RefundryError):
    """An identifier is missing or malformed. Raised before any request is sent."""


class AuthenticationError(RefundryError):
    """The processor refused the credentials, or they lack a permission."""


class RefundNotFound(RefundryError):
    """The processor does not know this refund, or not yet. It never means that the refund failed."""


class NotARefund(RefundNotFound):
    """The identifier belongs to something else, usually to the payment."""


class AmbiguousRefund(RefundNotFound):
    """The identifiers fit several refunds: ask with the refund's own identifier."""


class ConnectorError(RefundryError):
    """The processor refused the request for a reason that another try does not cure."""


class MappingError(RefundryError):
    """The answer was not understood. ``field`` names the part that was missing or odd.

    For an authentic webhook ``reply`` is what acknowledges it: give it only once the body is stored, to be read later.
    """

    reply: Response | None = None

    def __init__(self, message: str = "", *, field: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.field = field


class RetryableError(RefundryError):
    """The base of errors that pass by themselves.

    ``retry_after`` is the wait that the processor asked for, where it said so.
    """

    retryable = True

    def __init__(self, message: str = "", *, retry_after: timedelta | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class RateLimited(RetryableError):
    """Too many requests for this account, said by the processor or by the account's own limit."""


class ProcessorUnavailable(RetryableError):
    """The processor is down or overloaded; it said nothing about the refund."""


class NetworkError(RetryableError):
    """The processor could not be reached, or the connection broke; nothing is known about the refund."""


class ConnectTimeout(NetworkError):
    """No connection within the time allowed."""


class ReadTimeout(NetworkError):
    """The request was sent and no complete answer came within the time allowed."""


class SignatureError(RefundryError):
    """A webhook's signature is missing, wrong, too old or from the future: refuse the event.

    ``reply`` is what the endpoint should answer, in the way this processor expects.
    """

    reply: Response | None = None
