"""Errors as RFC 9457 has them: every one that leaves the service is a problem document, or a page for people."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import attrs
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from refundry import errors
from refundry.errors import RefundryError, RetryableError

MEDIA_TYPE = "application/problem+json"
FOR_PROGRAMS = ("/v1", "/webhooks", "/health", "/ready", "/metrics")
"""Paths whose errors are always documents."""
RETRY_SECONDS = "30"

logger = logging.getLogger("refundry_web")


@attrs.define(eq=False)
class Problem(Exception):
    """An error that the service tells. ``detail`` never holds a body or a credential."""

    status: int
    detail: str
    headers: Mapping[str, str] = attrs.field(factory=dict)
    more: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def title(self) -> str:
        """The phrase of its status."""
        return HTTPStatus(self.status).phrase

    def document(self) -> Response:
        """It as a problem document."""
        content = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        headers = dict(self.headers)
        return JSONResponse({**content, **self.more}, self.status, headers, media_type=MEDIA_TYPE)


class SignInNeeded(Problem):
    """Nobody is signed in: a page sends them to sign in."""


_STATUSES: tuple[tuple[type[RefundryError], int], ...] = (
    (errors.AmbiguousRefund, 409),
    (errors.RefundNotFound, 404),
    (errors.InvalidQuery, 422),
    (errors.UnsupportedOperation, 409),
    (errors.RetryableError, 503),
    (errors.ConfigurationError, 500),
    (errors.RefundryError, 502),
)


def problem_of(error: Exception) -> Problem:
    """The problem that an error is. What is not known is a 500 that says nothing."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return Problem(422, "the request is not understood", more={"errors": _plain(error)})
        case HTTPException():
            return Problem(error.status_code, str(error.detail), error.headers or {})
        case RefundryError():
            return _of_refundry(error)
        case DBAPIError() | PoolTimeout():
            return Problem(503, "the database does not answer: come again", {"Retry-After": RETRY_SECONDS})
        case _:
            return Problem(500, "the service failed; its log says more")


def install(app: FastAPI) -> None:
    """Have the application answer every error as a problem."""
    for kind in (Problem, RequestValidationError, HTTPException, RefundryError, DBAPIError, PoolTimeout, Exception):
        app.add_exception_handler(kind, _answer)


def _answer(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status >= 500:
        # The route, for a path may hold an identifier, or line breaks.
        route = getattr(request.scope.get("route"), "path", "none")
        logger.error("%s %s: %s", request.method, route, type(error).__name__)
    if _is_for_people(request):
        from refundry_web import pages  # which takes its errors from here

        return pages.problem_page(request, problem)
    return problem.document()


def _is_for_people(request: Request) -> bool:
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    return "text/html" in request.headers.get("accept", "") and not path.startswith(FOR_PROGRAMS)


def _of_refundry(error: RefundryError) -> Problem:
    status = next(number for kind, number in _STATUSES if isinstance(error, kind))
    wait = error.retry_after if isinstance(error, RetryableError) else None
    headers = (
        {"Retry-After": str(max(1, int(wait.total_seconds())) if wait else RETRY_SECONDS)} if status == 503 else {}
    )
    facts = {
        "error": type(error).__name__,
        "connector": error.connector,
        "code": error.code,
        "request_id": error.request_id,
    }
    return Problem(status, error.message, headers, {name: value for name, value in facts.items() if value})


def _plain(error: RequestValidationError) -> list[dict[str, str]]:
    """Where and why, without what was given: that may be a secret in the wrong place."""
    return [{"where": ".".join(map(str, one["loc"])), "why": str(one["msg"])} for one in error.errors()]
