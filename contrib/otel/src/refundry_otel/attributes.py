"""What spans and metrics say. Names are those of OpenTelemetry's semantic conventions where there is one.

Nothing here comes from a body, a path, a query string, a header or an error's text: those may hold identifiers. What is
left takes few values, as a metric needs it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from opentelemetry.util.types import AttributeValue

from refundry.hookspecs import Attempt

ACCOUNT = "refundry.account"
CONNECTOR = "refundry.connector"
OPERATION = "refundry.operation"
OUTCOME = "refundry.outcome"
PREVIOUS_STATUS = "refundry.refund.previous_status"
SOURCE = "refundry.observation.source"
STATUS = "refundry.refund.status"

ERROR_TYPE = "error.type"
METHOD = "http.request.method"
RESEND_COUNT = "http.request.resend_count"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
STATUS_CODE = "http.response.status_code"

OK = "ok"
ABANDONED = "abandoned"


def outcome(error: BaseException | None) -> str:
    """How it ended in one word: `OK`, `ABANDONED`, or the name of the error's class."""
    if error is None:
        return OK
    return ABANDONED if isinstance(error, GeneratorExit) else type(error).__name__


def error_type(error: BaseException | None) -> dict[str, AttributeValue]:
    """The class of an error; nothing for none."""
    return {} if error is None else {ERROR_TYPE: outcome(error)}


def of_operation(account: str, operation: str) -> dict[str, AttributeValue]:
    """Whose operation it is."""
    return {ACCOUNT: account, OPERATION: operation}


def of_attempt(attempt: Attempt) -> dict[str, AttributeValue]:
    """Who was asked, how, and what came of it."""
    return {
        **of_operation(attempt.account, attempt.operation),
        CONNECTOR: attempt.connector,
        METHOD: attempt.request.method,
        **_server(attempt.host),
        **({STATUS_CODE: attempt.response.status_code} if attempt.response else {}),
        **error_type(attempt.error),
    }


def resends(attempt: Attempt) -> dict[str, AttributeValue]:
    """How often the request had been sent before; nothing for the first time."""
    return {RESEND_COUNT: attempt.number - 1} if attempt.number > 1 else {}


def _server(host: str) -> dict[str, AttributeValue]:
    parts = urlsplit(f"//{host}")
    port: dict[str, AttributeValue] = {SERVER_PORT: parts.port} if parts.port else {}
    return {SERVER_ADDRESS: parts.hostname or "", **port}
