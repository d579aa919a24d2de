"""What an answer comes to where its connector has no objection of its own."""

from __future__ import annotations

from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
)
from refundry.http import Response


def default_error(response: Response, operation: str) -> RefundryError | None:
    """What an HTTP status alone says, where the connector had no objection of its own."""
    status = response.status_code
    if 200 <= status < 300:
        return None
    if operation == "token" and status in (400, 401, 403):
        return AuthenticationError("the processor gave no access token: check the credentials and the environment")
    if status in (401, 403):
        return AuthenticationError("the credentials were refused: check them, their rights and the environment")
    if status in (404, 410) and operation == "get" and not response.is_html:
        return RefundNotFound("the processor does not know this refund: check the identifier and the environment")
    if status == 429:
        return RateLimited("the processor asks for fewer requests: try again later")
    if status >= 500 or status == 408:
        return ProcessorUnavailable("the processor is not available: try again later")
    if 300 <= status < 400:
        return ConnectorError("the answer is a redirect, which is never followed: check base_url")
    return ConnectorError("the processor refused the request: check the identifiers and base_url")
