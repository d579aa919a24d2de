"""Asking for refunds one by one: many at a time with `refundry-aio` where it is installed, else over threads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import attrs

from refundry.client import RefundClient
from refundry.errors import (
    AuthenticationError,
    ConfigurationError,
    RefundNotFound,
    RefundryError,
    RetryableError,
    UnsupportedOperation,
)
from refundry.model import Refund, RefundQuery

if TYPE_CHECKING:
    from refundry_aio import AsyncRefundClient

MOST_IN_VAIN = 20
"""After so many questions in a row without an answer, the account is taken to be down."""
_THREADS = 8


@attrs.frozen(kw_only=True)
class Question(RefundQuery):
    """A query with the key that its answer is written down with."""

    key: str = ""
    """What the table ``answers`` knows it by."""


Outcome: TypeAlias = Refund | tuple[Refund, ...] | RefundryError
"""The refund itself, the refunds of its payment, or the error that came instead."""
Keep: TypeAlias = Callable[[Question, Outcome], None]
Q = TypeVar("Q")


class AccountRefused(Exception):
    """The account cannot be asked: the rest of its refunds need not be tried."""


def read_question(key: str) -> Question:
    """The question of a key, which is the JSON that ``question_of`` in ``books.sql`` makes."""
    names = ("connector_refund_id", "merchant_refund_id", "connector_transaction_id", "currency")
    given = dict(zip(names, json.loads(key), strict=True))
    return Question(**{name: value for name, value in given.items() if value}, key=key)


def can_get(client: RefundClient, query: RefundQuery) -> bool:
    """Whether the processor can be asked for this refund by itself."""
    given = query.given()
    return client.account.can("get") and any(names <= given for names in client.account.connector.identifiers)


def can_list_payment(client: RefundClient, query: RefundQuery) -> bool:
    """Whether the processor can be asked for the refunds of this one's payment."""
    return lists_payments(client) and query.connector_transaction_id is not None


def lists_payments(client: RefundClient) -> bool:
    """Whether the processor can list the refunds of one payment."""
    listing = client.account.connector.listing
    by_payment = listing is not None and (listing.by_payment or listing.basis == "payment")
    return by_payment and client.account.can("list")


def ask_all(client: RefundClient, questions: Iterable[Question], keep: Keep, *, concurrency: int) -> None:
    """Ask each question and hand its outcome to ``keep``, in the order in which they come.

    Raises `AccountRefused` once the account turns out to be refused or down.
    """
    guard = _Guard(keep)
    by_payment: dict[str, list[Question]] = {}

    def gets() -> Iterator[Question]:
        for question in questions:
            if can_get(client, question):
                yield question
            else:
                by_payment.setdefault(question.connector_transaction_id or "", []).append(question)

    try:
        if not client.account.can("get"):
            assert not list(gets()), "without a get, every question is put aside for its payment"
        elif (same := _async_client(client)) is not None:
            asyncio.run(_ask_async(same, gets(), guard, concurrency))
        else:
            _ask_threads(client.get, gets(), guard)
        _ask_payments(client, by_payment, guard)
    except (AuthenticationError, ConfigurationError, UnsupportedOperation) as error:
        raise AccountRefused(error.message) from None


def _ask_payments(client: RefundClient, by_payment: Mapping[str, Sequence[Question]], guard: _Guard) -> None:
    def ask(payment: str) -> tuple[Refund, ...]:
        return tuple(client.list(connector_transaction_id=payment))

    def keep(payment: str, outcome: Outcome) -> None:
        for question in by_payment[payment]:
            guard(question, outcome)

    _ask_threads(ask, by_payment, keep)


@attrs.define
class _Guard:
    """Passes outcomes on until the account turns out to be refused or down."""

    keep: Keep
    in_vain: int = 0

    def __call__(self, question: Question, outcome: Outcome) -> None:
        if isinstance(outcome, AuthenticationError | ConfigurationError):
            raise AccountRefused(outcome.message)
        self.in_vain = self.in_vain + 1 if isinstance(outcome, RetryableError) else 0
        self.keep(question, outcome)
        if isinstance(outcome, RetryableError) and self.in_vain >= MOST_IN_VAIN:
            raise AccountRefused(outcome.message)


def is_absent(error: RefundryError) -> bool:
    """Whether the processor said that it knows no such refund; its kinds of "not found" say something else."""
    return type(error) is RefundNotFound


def _ask_threads(
    ask: Callable[[Q], Refund | tuple[Refund, ...]], questions: Iterable[Q], keep: Callable[[Q, Outcome], None]
) -> None:
    waiting = iter(questions)
    with ThreadPoolExecutor(_THREADS) as pool:
        while chunk := list(islice(waiting, _THREADS * 4)):
            futures = [(one, pool.submit(ask, one)) for one in chunk]
            try:
                for one, future in futures:
                    keep(one, _outcome(future))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _outcome(future: Future[Refund | tuple[Refund, ...]]) -> Outcome:
    try:
        return future.result()
    except RefundryError as error:
        return error


def _async_client(client: RefundClient) -> AsyncRefundClient | None:
    """The same account for asyncio; None where that is not installed, or the client has a session of its own."""
    if find_spec("refundry_aio") is None:
        return None
    from refundry_aio import AsyncRefundClient

    like = getattr(AsyncRefundClient, "like", None)
    if like is None:
        return None
    try:
        made: AsyncRefundClient = like(client)
    except ConfigurationError:
        return None
    return made


async def _ask_async(client: AsyncRefundClient, questions: Iterator[Question], keep: Keep, concurrency: int) -> None:
    async with client, aclosing(client.get_many(questions, concurrency=concurrency)) as outcomes:
        async for question, outcome in outcomes:
            keep(question, outcome)
