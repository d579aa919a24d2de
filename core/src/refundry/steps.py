"""The steps of an operation: what it asks whoever drives it to do."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

import attrs

from refundry.http import WireRequest

T = TypeVar("T")


@attrs.frozen
class Send:
    """Send this request before the deadline (of the policy's monotonic clock) and answer with the `Response`."""

    request: WireRequest
    deadline: float
    limit: int
    """The most bytes an answer may have, unpacked."""


@attrs.frozen
class Pause:
    """Wait this many seconds."""

    seconds: float


@attrs.frozen
class NeedToken:
    """Answer with an access token other than the stale one, or None; one thread or task at a time asks for it."""

    stale: str | None
    deadline: float


Step: TypeAlias = Send | Pause | NeedToken
Steps: TypeAlias = Generator[Step, Any, T]
