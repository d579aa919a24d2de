"""The contract of a connector, of its sandbox, and of an observer.

A hook implementation takes only the arguments that it needs; arguments are only ever added. Connector and sandbox hooks
are pure: they build requests and read answers, and never open a socket, sleep, read the clock, draw a random number or
touch global state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
import pluggy

from refundry.errors import MappingError, RefundryError
from refundry.http import Event, Moment, Request, Response, Token
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, RefundStatus, Window

if TYPE_CHECKING:
    from refundry.observation import Observation
    from refundry.sandbox import Book, Call

hookspec = pluggy.HookspecMarker("refundry")
hookimpl = pluggy.HookimplMarker("refundry")


class ConnectorSpecs:
    """What a connector may implement. What it implements is what it can do."""

    @hookspec(firstresult=True)
    def fetch_refund(self, query: RefundQuery) -> Request:  # type: ignore[empty-body]
        """The request that asks for one refund."""

    @hookspec(firstresult=True)
    def map_refund(  # type: ignore[empty-body]
        self, query: RefundQuery, response: Response, previous: Sequence[Response]
    ) -> Refund | Request:  # pyright: ignore[reportReturnType]
        """The refund in the answer, or the next request where one answer is not enough.

        ``previous`` has the earlier answers, oldest first. Raises `RefundNotFound`, `NotARefund`, `AmbiguousRefund` or
        `MappingError`.
        """

    @hookspec(firstresult=True)
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:  # type: ignore[empty-body]
        """The request for one page of refunds; ``cursor`` is None for the first."""

    @hookspec(firstresult=True)
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:  # type: ignore[empty-body]
        """The page in the answer; build it with `refundry.reading.page`."""

    @hookspec(firstresult=True)
    def fetch_token(self) -> Request | None:
        """The request for an access token, or None where this account needs none."""

    @hookspec(firstresult=True)
    def map_token(self, response: Response) -> Token:  # type: ignore[empty-body]
        """The token in the answer. Raises `MappingError`."""

    @hookspec(firstresult=True)
    def map_error(self, response: Response) -> RefundryError | None:
        """The error to raise for this answer, or None: no objection.

        Sees every answer of every operation first, 2xx too. Where it says None, or raises `MappingError` on an answer
        that is not 2xx, the default by HTTP status acts.
        """

    @hookspec(firstresult=True)
    def verify_event(self, event: Event, response: Response | None) -> bool | Request:  # type: ignore[empty-body]
        """True: the event is authentic. False: this processor's scheme proves nothing about the body.

        Raises `SignatureError` when the signature is wrong or missing. May return a `Request` first, for a key or a
        certificate; it is then called again with the answer.
        """

    @hookspec(firstresult=True)
    def map_event(self, event: Event) -> Sequence[RefundEvent | MappingError]:  # type: ignore[empty-body]
        """The refunds that the event speaks of; none for an event that is about something else.

        In a batch, an item that cannot be read stands as its `MappingError`; see `refundry.reading.each_event`.
        """

    @hookspec(firstresult=True)
    def acknowledge_event(self, event: Event, accepted: bool) -> Response | None:
        """The reply that this processor expects, or None for the default: 200 or 400."""


class SandboxSpecs:
    """What a connector's sandbox implements: the processor's side, as small as it can be."""

    @hookspec
    def check_call(self, call: Call, book: Book) -> None:
        """Raise `AuthenticationError` for a call that the processor would refuse."""

    @hookspec(firstresult=True)
    def answer_call(self, call: Call, book: Book) -> Response:  # type: ignore[empty-body]
        """The processor's answer to a call. Raises `RefundNotFound` or `ConnectorError`."""

    @hookspec(firstresult=True)
    def render_refund(self, refund: Refund) -> Response:  # type: ignore[empty-body]
        """The inverse of `map_refund`: the answer that maps to this refund."""

    @hookspec(firstresult=True)
    def render_error(self, error: RefundryError) -> Response:  # type: ignore[empty-body]
        """The inverse of `map_error`: the answer that maps to this kind of error."""

    @hookspec(firstresult=True)
    def render_event(self, refund: Refund, moment: Moment) -> Event:  # type: ignore[empty-body]
        """The inverse of `verify_event` and `map_event`: the signed webhook that says how this refund stands."""


@attrs.frozen
class Attempt:
    """One request and what came of it."""

    account: str
    connector: str
    operation: str
    request: Request
    host: str
    number: int
    """Counts the attempts at this request from 1."""
    response: Response | None
    error: BaseException | None
    """None: it was answered well. `GeneratorExit`: it was abandoned."""
    elapsed: timedelta


class ObserverSpecs:
    """What an observer may implement. One that raises is logged and harms nobody."""

    @hookspec
    def refund_observed(self, observation: Observation) -> None:
        """A processor said something about a refund."""

    @hookspec
    def refund_status_changed(self, previous: RefundStatus | None, current: Observation) -> None:
        """What a processor said changed the status that was known."""

    @hookspec
    def request_sent(self, account: str, operation: str, request: Request) -> None:
        """A request is about to go out. It holds no credentials: those are added after."""

    @hookspec
    def response_received(self, account: str, operation: str, response: Response, elapsed: timedelta) -> None:
        """An answer came in."""

    @hookspec
    def attempt_ended(self, attempt: Attempt) -> None:
        """A request is over."""

    @hookspec
    def operation_started(self, account: str, operation: str) -> None:
        """A get, a page of a list, a token or a webhook begins. A token is asked for within another operation."""

    @hookspec
    def operation_ended(self, account: str, operation: str, error: BaseException | None) -> None:
        """It ended, in the same thread or task; ``error`` is `GeneratorExit` for one that was abandoned."""


__all__ = ["Attempt", "ConnectorSpecs", "ObserverSpecs", "SandboxSpecs", "hookimpl", "hookspec"]
