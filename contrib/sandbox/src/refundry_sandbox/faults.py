"""What can go wrong between a client and a processor, to be done on purpose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

import attrs

from refundry.errors import RateLimited
from refundry.http import Response
from refundry.plugins import SandboxHooks

_PAGE = b"<!doctype html><html><head><title>Maintenance</title></head><body>We are back soon.</body></html>"


class Fault(StrEnum):
    """How an answer is spoilt."""

    RATE_LIMITED = "rate limited"
    """The processor's own answer to too many requests, with a Retry-After header if one is asked for."""
    SERVER_ERROR = "server error"
    """HTTP 500 with a line of plain text, as gateways send it."""
    HTML = "html"
    """HTTP 200 with a page made for people, as proxies and maintenance pages send it."""
    TRUNCATED = "truncated"
    """The right answer cut in half, with a Content-Length that fits: the JSON breaks, not the HTTP."""
    SLOW = "slow"
    """The right answer, late."""
    RESET = "reset"
    """The connection is reset before a byte of the answer."""
    GARBAGE_GZIP = "garbage gzip"
    """An answer that says it is gzip and is not."""


@attrs.frozen(kw_only=True)
class Plan:
    """One fault that is to happen to one call."""

    fault: Fault
    retry_after: timedelta | None
    seconds: float
    """How late a slow answer is, on the machine's clock."""


def spoil(plan: Plan, hooks: SandboxHooks, answer: Callable[[], Response], wait: Callable[[float], object]) -> Response:
    """The answer that this fault makes of the right one. Raises ``ConnectionResetError`` for `Fault.RESET`."""
    match plan.fault:
        case Fault.RATE_LIMITED:
            return _rate_limited(hooks, plan.retry_after)
        case Fault.SERVER_ERROR:
            return Response(500, {"Content-Type": "text/plain"}, b"Internal Server Error")
        case Fault.HTML:
            return Response(200, {"Content-Type": "text/html; charset=utf-8"}, _PAGE)
        case Fault.TRUNCATED:
            whole = answer()
            return attrs.evolve(whole, body=whole.body[: len(whole.body) // 2])
        case Fault.SLOW:
            wait(plan.seconds)
            return answer()
        case Fault.RESET:
            raise ConnectionResetError
        case Fault.GARBAGE_GZIP:
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            return Response(200, headers, b"this is not gzip")


def _rate_limited(hooks: SandboxHooks, retry_after: timedelta | None) -> Response:
    refusal = hooks.render_error(RateLimited("the sandbox was told to say so", retry_after=retry_after))
    if retry_after is None:
        return refusal
    return attrs.evolve(refusal, headers={**refusal.headers, "retry-after": str(int(retry_after.total_seconds()))})
