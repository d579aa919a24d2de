"""Each operation as a conversation without I/O, driven alike by the blocking and the asynchronous client.

An operation is a generator of steps: `Send`, `Pause`, `NeedToken`. A driver performs each step, sends the result back
in, or throws the `RefundryError` that it met.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import attrs

from refundry.account import Account
from refundry.answers import default_error
from refundry.connector import Operation
from refundry.errors import AuthenticationError, InvalidQuery, MappingError, RefundryError, RetryableError
from refundry.hookspecs import Attempt
from refundry.http import Moment, Request, Response, Token, WireRequest
from refundry.model import Refund, RefundPage, RefundQuery, Window
from refundry.observation import Source, observe
from refundry.plugins import Observers
from refundry.policy import Policy
from refundry.steps import NeedToken, Pause, Send, Steps
from refundry.times import read_retry_after
from refundry.tokens import TokenCache

T = TypeVar("T")
E = TypeVar("E", bound=RefundryError)

MOST_STEPS = 3
"""More requests than this for one refund are a connector that goes in circles."""
ANSWER_LIMIT = 1 << 20
PAGE_LIMIT = 8 << 20

logger = logging.getLogger("refundry.exchange")


@attrs.define
class Exchange:
    """The operations of one account as steps."""

    account: Account
    policy: Policy
    observers: Observers
    timeout: float
    tokens: TokenCache = attrs.field(factory=TokenCache)
    keys: dict[str, tuple[Response, float]] = attrs.field(factory=dict)
    """Keys that webhooks are verified with, by address, each with the moment until which it may be used."""

    def get(self, query: RefundQuery) -> Steps[Refund]:
        """Ask for one refund."""
        self.require("get")
        self._check_identifiers(query)
        with self.observers.operation(self.account.name, "get"):
            refund = yield from self._get(query)
        self.observed(refund, "get")
        return refund

    def page(self, window: Window, cursor: str | None) -> Steps[RefundPage]:
        """Ask for one page of a window; its refunds come completed, its hints as they are."""
        hooks = self.account.hooks
        with self.observers.operation(self.account.name, "list"):
            request = self.ask_hook("list", hooks.fetch_refunds, window, cursor)
            response = yield from self.answer(request, "list", self.deadline(), PAGE_LIMIT)
            page = self.ask_hook("list", hooks.map_refunds, window, cursor, response)
        refunds = [_complete(refund, None, response) for refund in page.refunds]
        return attrs.evolve(page, refunds=refunds)

    def token(self, deadline: float) -> Steps[Token | None]:
        """Ask for an access token."""
        request = self.ask_hook("token", self.account.hooks.fetch_token)
        if request is None:
            return None
        with self.observers.operation(self.account.name, "token"):
            response = yield from self._attempts(request, "token", None, deadline, ANSWER_LIMIT)
            return self.ask_hook("token", self.account.hooks.map_token, response)

    def observed(
        self, refund: Refund, source: Source, *, foreign: bool = False, occurred_at: datetime | None = None
    ) -> None:
        """Tell the observers what the processor said."""
        if not self.observers:
            return
        said = observe(
            self.account.name,
            refund,
            source=source,
            observed_at=self.policy.clock.now(),
            foreign=foreign,
            occurred_at=occurred_at,
        )
        self.observers.refund_observed(said)

    def _get(self, query: RefundQuery) -> Steps[Refund]:
        hooks, deadline = self.account.hooks, self.deadline()
        previous: list[Response] = []
        request = self.ask_hook("get", hooks.fetch_refund, query)
        while len(previous) < MOST_STEPS:
            response = yield from self.answer(request, "get", deadline, ANSWER_LIMIT)
            result = self.ask_hook("get", hooks.map_refund, query, response, tuple(previous), response=response)
            if isinstance(result, Refund):
                self._check_identity(query, result)
                # The refund is in the first answer; a second one only adds what the payment knows.
                return _complete(result, query, previous[0] if previous else response)
            previous.append(response)
            request = result
        raise self.named(MappingError("the connector asked too often for one refund"), "get")

    def _check_identity(self, query: RefundQuery, refund: Refund) -> None:
        """Refuse an answer about another refund; where its own id is not asked for, the merchant's tells."""
        name = "connector_refund_id" if query.connector_refund_id else "merchant_refund_id"
        asked, told = getattr(query, name), getattr(refund, name)
        if asked is None or told is None or self.account.connector.gives_other_ids:
            return
        if asked.casefold() != told.casefold():  # some processors read an id in either case
            advice = "the answer is about another refund: ask with the identifier that the refund call gave"
            raise self.named(MappingError(advice, field=name), "get")

    def answer(self, request: Request, operation: str, deadline: float, limit: int) -> Steps[Response]:
        """The processor's answer, with an access token where the connector has one, renewed once when it is refused."""
        if request.auth is None or not self.account.hooks.can("fetch_token"):
            return (yield from self._attempts(request, operation, None, deadline, limit))
        token = yield NeedToken(None, deadline)
        try:
            return (yield from self._attempts(request, operation, token, deadline, limit))
        except AuthenticationError:
            if token is None:
                raise
        token = yield NeedToken(token, deadline)
        return (yield from self._attempts(request, operation, token, deadline, limit))

    def _attempts(
        self, request: Request, operation: str, token: str | None, deadline: float, limit: int
    ) -> Steps[Response]:
        policy = self.policy
        tries = 0
        while True:
            tries += 1
            try:
                response = yield from self._attempt(request, operation, token, deadline, limit, tries)
            except RefundryError as error:
                self.named(error, operation, token=token)
                if error.retryable:
                    policy.budget.failed()
                delay = policy.retry_delay(tries, error, deadline - policy.clock.monotonic())
                if delay is None:
                    raise
                logger.debug("%s: %s, try %d in %.1f s", self.account.name, type(error).__name__, tries + 1, delay)
            else:
                policy.budget.succeeded()
                return response
            yield Pause(delay)

    def _attempt(
        self, request: Request, operation: str, token: str | None, deadline: float, limit: int, number: int
    ) -> Steps[Response]:
        policy, account = self.policy, self.account
        now = policy.clock.monotonic()
        wait = policy.limiter.reserve(now, deadline - now)
        if wait > 0:
            yield Pause(wait)
        wire = self.ask_hook(operation, self._wire, request, token)
        self.observers.request_sent(account.name, operation, request)
        started = policy.clock.monotonic()
        response: Response | None = None
        error: BaseException | None = None
        try:
            answer: Response = yield Send(wire, deadline, limit)
            response = answer
            if self.observers:
                self.observers.response_received(account.name, operation, answer, self._since(started))
            error = self._objection(answer, operation)
            if error is None:
                return answer
            raise error
        except BaseException as raised:
            error = self.named(raised, operation, token=token) if isinstance(raised, RefundryError) else raised
            raise
        finally:
            if self.observers:
                names, host = (account.name, account.connector.name, operation), urlsplit(wire.url).netloc
                self.observers.attempt_ended(
                    Attempt(*names, request, host, number, response, error, self._since(started))
                )

    def _since(self, started: float) -> timedelta:
        return timedelta(seconds=self.policy.clock.monotonic() - started)

    def _wire(self, request: Request, token: str | None) -> WireRequest:
        wire = request.to_wire(self.account.url_of(request))
        if request.auth is None:
            return wire
        return request.auth(wire, Moment(now=self.policy.clock.now(), token=token))

    def _objection(self, response: Response, operation: str) -> RefundryError | None:
        error = self._mapped_error(response, operation)
        if error is None:
            error = default_error(response, operation)
        elif operation == "token" and response.status_code in (400, 401, 403):
            error = AuthenticationError(error.message, code=error.code, request_id=error.request_id)
        if error is None:
            return None
        if isinstance(error, RetryableError) and error.retry_after is None:
            error.retry_after = read_retry_after(response.header("retry-after"), self.policy.clock.now())
        error.status_code = error.status_code or response.status_code
        header = self.account.connector.request_id_header
        error.request_id = error.request_id or (response.header(header) if header else None)
        return error

    def _mapped_error(self, response: Response, operation: str) -> RefundryError | None:
        try:
            return self.ask_hook(operation, self.account.hooks.map_error, response)
        except MappingError:
            # An error page that cannot be read still has its HTTP status; a key is read by verify_event alone.
            if 200 <= response.status_code < 300 and operation != "webhook":
                raise
            return None

    def _check_identifiers(self, query: RefundQuery) -> None:
        alternatives = self.account.connector.identifiers
        given = query.given()
        for names in alternatives:
            if names <= given:
                return
        wanted = ", or ".join(" and ".join(sorted(names)) for names in alternatives)
        raise self.named(InvalidQuery(f"a get needs {wanted}"), "get")

    def require(self, operation: Operation) -> None:
        """Raise `UnsupportedOperation` or `ConfigurationError` unless the account can do this."""
        try:
            self.account.require(operation)
        except RefundryError as error:
            raise self.named(error, operation) from None

    def deadline(self) -> float:
        """When an operation that begins now must be done."""
        return self.policy.clock.monotonic() + self.timeout

    def ask_hook(self, operation: str, hook: Callable[..., T], *arguments: Any, response: Response | None = None) -> T:
        """Call a hook; whatever else than a `RefundryError` it raises becomes a `MappingError` without the answer."""
        try:
            return hook(*arguments)
        except RefundryError as error:
            raise self.named(error, operation, response=response) from None
        except Exception as error:  # noqa: BLE001  a plugin's slip must not reach the caller as a KeyError
            text = f"{type(error).__name__} in {hook.__name__}: this is a defect of the connector, please report it"
            raise self.named(MappingError(text), operation, response=response) from None

    def named(self, error: E, operation: str, *, token: str | None = None, response: Response | None = None) -> E:
        """The error with what is known of where it happened, and without any secret in its text."""
        error.connector = error.connector or self.account.connector.name
        error.operation = error.operation or operation
        if response is not None:
            error.status_code = error.status_code or response.status_code
        error.message = self.account.scrub(error.message, token)
        error.args = (error.message,)
        return error


def _complete(refund: Refund, query: RefundQuery | None, response: Response) -> Refund:
    headers = dict(response.headers)
    headers.pop("set-cookie", None)
    asked = query.merchant_refund_id if query else None
    return attrs.evolve(
        refund,
        merchant_refund_id=refund.merchant_refund_id or asked,
        status_code=response.status_code,
        response_headers=headers,
        raw=refund.raw or response.body,
    )
