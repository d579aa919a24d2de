"""What the OpenAPI document says and the service keeps: the problems of each operation, and no other parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Request

from refundry_web.problems import MEDIA_TYPE, Problem
from refundry_web.shapes import ProblemShape

UNAUTHORIZED = {401: "No token, or one that is wrong or revoked."}
LIMITED = {429: "Too many requests; Retry-After says when to come again."}
AWAY = {503: "The database or the processor does not answer; Retry-After says when to come again."}
REFUSED = {403: "The token's role does not suffice.", 422: "The request is not understood.", **AWAY}
UNREADABLE = {400: "The body is no JSON."}
NOT_FOUND = {404: "There is no such refund, or no such account."}
SEEN_ANOTHER = {409: "There is another reason for attention than the one that was seen: the member `attention`."}
FROM_PROCESSOR = {
    409: "The processor cannot be asked for this refund, or several have this identifier.",
    502: "The processor refused, or its answer was not understood.",
}


def documented(problems: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """The responses of an operation that are problems."""
    content = {MEDIA_TYPE: {"schema": ProblemShape.model_json_schema()}}
    return {status: {"description": text, "content": content} for status, text in problems.items()}


def only(*names: str) -> Callable[[Request], None]:
    """A dependency: refuses other query parameters, for a filter that is misspelt would let everything through."""

    def dependency(request: Request) -> None:
        unknown = sorted(set(request.query_params) - set(names))
        if unknown:
            known = ", ".join(names) or "none"
            raise Problem(422, f"there is a query parameter that is not known here; known: {known}")

    return dependency
