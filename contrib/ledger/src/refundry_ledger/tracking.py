"""The tracker: asks for what is due, one run per account at a time, and no account waits for another."""

from __future__ import annotations

import hashlib
import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from time import perf_counter
from uuid import uuid4

import attrs

from refundry.client import RefundClient
from refundry.errors import (
    AuthenticationError,
    ConfigurationError,
    RefundNotFound,
    RefundryError,
    UnsupportedOperation,
)
from refundry.model import Refund, RefundQuery
from refundry.policy import Clock
from refundry.state import Source, observe, observe_gone
from refundry_ledger.accounts import Locked, insert_or_update, lock_account
from refundry_ledger.claims import begin_run, claim_due, claim_one, complete, end_run, release, renew
from refundry_ledger.database import AWAY, Database
from refundry_ledger.folding import row_of
from refundry_ledger.recording import drop, record
from refundry_ledger.records import Claim, Pass, RefundRecord, record_of
from refundry_ledger.scheduling import Next, Plan, after_answer, after_error, plan_of
from refundry_ledger.schema import answers

_THE_ACCOUNTS = (AuthenticationError, ConfigurationError)
"""Errors after which no refund of the account can be asked for."""
LONGEST_ANSWER = 1 << 17
"""A longer one is a page of a list: only its digest is kept."""
_MOST_ACCOUNTS_AT_ONCE = 32
_CLAIMS_PER_WORKER = 4
_ROUNDS = _CLAIMS_PER_WORKER + 1
"""A lease outlasts so many operations of which each takes all the time that its client allows."""
logger = logging.getLogger("refundry_ledger.tracking")


@attrs.frozen
class Asked:
    """What the processor answered: refunds, or the error that came instead."""

    refunds: tuple[Refund, ...] = ()
    source: Source = "get"
    error: Exception | None = None


@attrs.frozen(kw_only=True)
class Tracker:
    """One pass over the accounts of these clients."""

    database: Database
    clock: Clock
    clients: Mapping[str, RefundClient]
    limit: int = 1000
    """The most refunds of one account that a pass asks for."""
    concurrency: int = 4
    """How many requests of one account are under way at once."""
    lease: timedelta
    """For a client whose operations may take long the lease is longer, see `lease_for`."""
    stop: threading.Event = attrs.field(factory=threading.Event)
    keep_answers: bool = True
    chance: Callable[[], float] = random.random
    owner: str = attrs.field(factory=lambda: str(uuid4()))

    def ask_now(self, refund_id: int) -> None:
        """Ask for one refund, due or not. Raises what came instead of an answer, once it is written."""
        (client,) = self.clients.values()
        now, lease = self.clock.now(), lease_for(client, self.lease)
        with self.database.leasing() as connection:
            claim = claim_one(connection, refund_id, client.account.name, self.owner, now=now, lease=lease)
        if claim is None:
            return
        asked = ask(client, claim.refund.query)
        self._settle(claim, asked)
        if asked.error is not None:
            raise asked.error

    def run(self) -> Pass:
        """Ask for everything that is due now; what becomes due meanwhile is left for the next pass."""
        started, began = self.clock.now(), perf_counter()
        with ThreadPoolExecutor(min(len(self.clients), _MOST_ACCOUNTS_AT_ONCE) or 1) as pool:
            passes = list(pool.map(lambda name: self._run_account(name, started), self.clients))
        return sum(passes, Pass(elapsed=timedelta(seconds=perf_counter() - began)))

    def _run_account(self, name: str, started: datetime) -> Pass:
        try:
            return self._run_while_mine(name, started)
        except Exception as error:  # noqa: BLE001  one account must not end the pass of the others
            logger.error("the pass of account %s ended early: %s", name, type(error).__name__)
            told = str(error) if isinstance(error, RefundryError) else type(error).__name__
            return Pass(errors={name: told})

    def _run_while_mine(self, name: str, started: datetime) -> Pass:
        total, asked = Pass(), 0
        size = self.concurrency * _CLAIMS_PER_WORKER
        try:
            with ThreadPoolExecutor(self.concurrency) as pool:
                while not self.stop.is_set():
                    claims = self._claim(name, min(size, self.limit - asked), started)
                    asked += len(claims)
                    total = sum(pool.map(self.check, claims), total)
                    if total.errors or not claims:
                        break
            return total
        finally:
            with self.database.leasing() as connection:
                end_run(connection, name, self.owner)

    def _claim(self, name: str, limit: int, due_by: datetime) -> list[Claim]:
        now, lease = self.clock.now(), lease_for(self.clients[name], self.lease)
        with self.database.leasing() as connection:
            if limit <= 0 or not begin_run(connection, name, self.owner, now=now, lease=lease):
                return []
            return claim_due(connection, limit, self.owner, now=now, lease=lease, account=name, due_by=due_by)

    def check(self, claim: Claim) -> Pass:
        """Ask for one refund that was claimed and write what is answered; nothing once the claim's lease has ended."""
        client = self.clients[claim.refund.account]
        if not self._is_held(claim, client):
            return Pass()
        return self._settle(claim, None if self.stop.is_set() else ask(client, claim.refund.query))

    def _is_held(self, claim: Claim, client: RefundClient) -> bool:
        """Whether nobody else may ask for this refund until an operation that begins now has ended."""
        now = self.clock.now()
        if now + timedelta(seconds=client.timeout) < claim.until:
            return True
        with self.database.leasing() as connection:
            return renew(connection, claim, now=now, lease=lease_for(client, self.lease))

    def _settle(self, claim: Claim, asked: Asked | None) -> Pass:
        if asked is not None and not isinstance(asked.error, _THE_ACCOUNTS):
            return self._write(claim, asked)
        with self.database.leasing() as connection:
            release(connection, claim)
        return Pass(errors={claim.refund.account: str(asked.error)}) if asked else Pass()

    def _write(self, claim: Claim, asked: Asked) -> Pass:
        try:
            self._write_once(claim, asked)
        except AWAY:
            raise  # not the answer is odd: once the claim's lease has ended it is asked for again
        except Exception as error:  # noqa: BLE001  what cannot be written of one refund must not come first for ever
            logger.error("an answer of account %s cannot be kept: %s", claim.refund.account, type(error).__name__)
            asked = Asked(error=error)
            self._write_once(claim, asked)
        return Pass(failed=1) if asked.error else Pass(done=1)

    def _write_once(self, claim: Claim, asked: Asked) -> None:
        owner = self.clients[claim.refund.account].account
        with self.database.writing() as connection:
            account = lock_account(connection, owner.name, self.clock.now(), owner.connector.name)
            if self.keep_answers:
                keep_answers(account, asked.refunds)
            write_answer(account, claim, asked, plan_of(owner), self.chance())


def lease_for(client: RefundClient, least: timedelta) -> timedelta:
    """The lease of a refund, or of an account, that this client asks for: it outlasts what is claimed at a time."""
    return max(least, _ROUNDS * timedelta(seconds=client.timeout))


def by_name(clients: Mapping[str, RefundClient] | Iterable[RefundClient]) -> dict[str, RefundClient]:
    """The clients by the names of their accounts. Raises `ConfigurationError` for one under another name."""
    if not isinstance(clients, Mapping):
        return {one.account.name: one for one in clients}
    for name, client in clients.items():
        if name != client.account.name:
            raise ConfigurationError(
                f"the client for {name!r} is of the account {client.account.name!r}: make it with account_name={name!r}"
            )
    return dict(clients)


def ask(client: RefundClient, query: RefundQuery) -> Asked:
    """Ask for one refund: by itself if the processor can and the identifiers suffice, else by its payment."""
    try:
        if _can_get(client, query):
            return Asked((client.get(query),))
        if _can_list(client, query):
            listed = tuple(client.list(connector_transaction_id=query.connector_transaction_id))
            return Asked(_fitting(listed, query), "list")
        if client.account.can("get"):
            return Asked((client.get(query),))  # which says what is missing
        raise UnsupportedOperation(f"{client.account.connector.title} cannot be asked for this refund")
    except RefundryError as error:
        return Asked(error=error)
    except Exception as error:  # noqa: BLE001  a strange transport must not harm other refunds
        logger.error("asking account %s raised %s", client.account.name, type(error).__name__)
        return Asked(error=error)


def keep_answers(account: Locked, answered: Iterable[Refund]) -> None:
    """Keep what these refunds were read from, each body once; one that is too long only by its digest."""
    for raw in {one.raw for one in answered if 0 < len(one.raw) <= LONGEST_ANSWER}:
        row = {"digest": hashlib.sha256(raw).hexdigest(), "body": raw, "heard_at": account.now}
        insert_or_update(account.connection, answers, row, ("digest",), "heard_at")


def write_answer(account: Locked, claim: Claim, asked: Asked, plan: Plan, chance: float) -> None:
    """Write what the processor answered, and when to ask again, in one transaction."""
    before = row_of(account.connection, claim.refund.id)
    for refund in asked.refunds:
        said = observe(account.name, refund, source=asked.source, observed_at=account.now)
        whole = asked.source == "get"
        record(account, said, query=refund.query(), asked=claim.refund.id if whole else None)
    # Its kinds say something else: that the identifier is a payment's, or that several refunds have it.
    if type(asked.error) is RefundNotFound and claim.refund.first_observed is not None:
        gone = observe_gone(account.name, claim.refund.query, observed_at=account.now)
        record(account, gone, asked=claim.refund.id)
    row = row_of(account.connection, claim.refund.id)
    if row["merged_into"] is not None:
        return
    following = _following(plan, record_of(row, account.name), asked, account.now, chance)
    if following.dropped:
        drop(account, claim.refund.id)
    else:
        complete(account, claim, before, following)


def _following(plan: Plan, refund: RefundRecord, asked: Asked, now: datetime, chance: float) -> Next:
    if asked.error is not None:
        return after_error(plan, refund, asked.error, now, chance)
    if refund.status is not None:
        return after_answer(plan, refund, now, chance)
    # Only a list leaves it without a status: it named others.
    if asked.refunds and refund.origin == "hint":
        return Next(due=None, dropped=True)
    return after_error(plan, refund, RefundNotFound("the payment's list does not show it"), now, chance)


def _can_get(client: RefundClient, query: RefundQuery) -> bool:
    given = query.given()
    return client.account.can("get") and any(names <= given for names in client.account.connector.identifiers)


def _can_list(client: RefundClient, query: RefundQuery) -> bool:
    listing = client.account.connector.listing
    by_payment = listing is not None and (listing.by_payment or listing.basis == "payment")
    return by_payment and client.account.can("list") and query.connector_transaction_id is not None


def _fitting(listed: Sequence[Refund], query: RefundQuery) -> tuple[Refund, ...]:
    wanted = query.connector_refund_id
    found = tuple(one for one in listed if wanted in (None, one.connector_refund_id))
    if wanted is not None and not found:
        raise RefundNotFound("the payment's list does not show this refund")
    return found
