"""`Ledger`: every refund, everything that was said about it, and what is still to be asked."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import requests
from sqlalchemy import func, select
from sqlalchemy.engine import URL

from refundry.client import RefundClient
from refundry.http import Event, HeaderSource
from refundry.model import Money, RefundQuery
from refundry.plugins import Observers
from refundry.policy import Clock, SystemClock
from refundry.state import Observation
from refundry_ledger import attending, claims, outbox, pruning, receiving, recording
from refundry_ledger.accounts import lock_account
from refundry_ledger.database import Database
from refundry_ledger.folding import row_of
from refundry_ledger.records import Claim, Pass, Pruned, Receipt, RefundRecord, record_of
from refundry_ledger.schema import refunds
from refundry_ledger.shelf import Shelf
from refundry_ledger.tracking import Tracker, by_name

LEASE = timedelta(minutes=5)


class Ledger(Shelf):
    """The refunds of a merchant. Safe to share between threads and processes; a context manager closes it.

    Args:
        url: a file for SQLite, or ``postgresql://...``; as text or as SQLAlchemy's `URL`.
        clock: another clock than the machine's.
        keep_answers: keep what processors answer, for people to look at; else only its digest.

    Use `Ledger.open`, which also creates or upgrades the tables. Raises `ConfigurationError` for any other address.
    """

    def __init__(self, url: str | URL, *, clock: Clock | None = None, keep_answers: bool = True) -> None:
        self.database = Database(url)
        self.clock = clock or SystemClock()
        self.keep_answers = keep_answers

    @classmethod
    def open(cls, url: str | URL, *, clock: Clock | None = None, keep_answers: bool = True) -> Self:
        """The ledger at this address, its tables created or upgraded where they need it."""
        ledger = cls(url, clock=clock, keep_answers=keep_answers)
        ledger.database.upgrade()
        return ledger

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # What is said

    def track(
        self,
        account: str,
        query: RefundQuery | None = None,
        /,
        *,
        expected_amount: Money | None = None,
        **fields: Any,
    ) -> RefundRecord:
        """Put a refund into the merchant's books and ask for it from now on. Tracking it again changes nothing.

        Takes a `RefundQuery` or its fields. ``expected_amount`` is what it should be: anything else is flagged.
        Raises `InvalidQuery` for an identifier that is none.
        """
        wanted = query if query is not None else RefundQuery.of(fields)
        with self.database.writing() as connection:
            locked = lock_account(connection, account, self.clock.now())
            refund_id = recording.track(locked, wanted, expected=expected_amount)
            return record_of(row_of(connection, refund_id), account)

    def track_many(self, account: str, wanted: Iterable[tuple[RefundQuery, Money | None]]) -> int:
        """As `track`, for many of one account, each with its expected amount: all or none of them; how many there were.

        It is one transaction, for which other writers wait: take some hundreds at a time.
        """
        with self.database.writing() as connection:
            locked = lock_account(connection, account, self.clock.now())
            return len([recording.track(locked, query, expected=expected) for query, expected in wanted])

    def observe(self, observation: Observation, *, query: RefundQuery | None = None) -> RefundRecord | None:
        """Keep one observation, whatever it came from; the same evidence is kept once.

        ``query`` is what the refund can be asked with again. None means that the observation names no refund and fits
        none, or several: it is kept in `parked` until one fits.
        """
        with self.database.writing() as connection:
            locked = lock_account(connection, observation.account, self.clock.now())
            refund_id = recording.record(locked, observation, query=query)
            return None if refund_id is None else record_of(row_of(connection, refund_id), observation.account)

    def receive(
        self,
        client: RefundClient,
        *,
        body: bytes,
        headers: HeaderSource,
        method: str = "POST",
        url: str | None = None,
        received_at: datetime | None = None,
    ) -> Receipt:
        """Verify a webhook and store it with what it says; when this returns, answer with the receipt's ``reply``.

        Arguments are those of `RefundClient.handle_event`. An authentic webhook that cannot be read is stored for
        `replay`. A duplicate stores nothing twice. Raises `SignatureError` after counting it, with nothing stored.
        """
        moment = (received_at or self.clock.now()).astimezone(UTC)
        event = Event(method=method.upper(), url=url, headers=headers, body=body, received_at=moment)
        return receiving.receive(self.database, client, event, self.clock.now())

    def replay(self, client: RefundClient) -> Pass:
        """Map again the webhooks of this account that could not be mapped, after an upgrade of its connector.

        Those that an inbox stored and nobody has read are read, too; beside others who do so, each is read once.
        """
        return receiving.replay(self.database, client, self.clock.now())

    def acknowledge(self, refund_id: int, *, seen: str | None = None) -> RefundRecord:
        """A person has looked at it: it needs attention again only for something new. Raises `RefundNotFound`.

        ``seen`` is the `attention` that they looked at; where it is another by now, nothing changes.
        """
        with self.database.writing() as connection:
            attending.acknowledge(connection, refund_id, seen)
        return self._by_number(refund_id)

    # What is still to be asked

    def next_due(self) -> datetime | None:
        """When the next refund is due; None when nothing is."""
        with self.database.reading() as connection:
            return connection.execute(select(func.min(refunds.c.next_due))).scalar_one()  # type: ignore[no-any-return]

    def due(self, limit: int = 100) -> list[RefundRecord]:
        """The refunds that are due, longest due first. Claims nothing."""
        return self._select(refunds.c.next_due <= self.clock.now(), order=refunds.c.next_due, limit=limit)

    def ask_again(self, refund_id: int) -> RefundRecord:
        """Make a refund due now, whatever its schedule. Raises `RefundNotFound`."""
        with self.database.writing() as connection:
            attending.ask_again(connection, refund_id, self.clock.now())
        return self._by_number(refund_id)

    def claim_due(
        self,
        limit: int,
        *,
        lease: timedelta = LEASE,
        account: str | None = None,
        now: datetime | None = None,
    ) -> list[Claim]:
        """Claim refunds that are due, so that no other process asks for them until the lease ends."""
        owner, moment = str(uuid4()), now or self.clock.now()
        with self.database.leasing() as connection:
            return claims.claim_due(connection, limit, owner, now=moment, lease=lease, account=account)

    def claim(self, account: str, refund_id: int, *, lease: timedelta = LEASE) -> Claim | None:
        """Claim one refund, due or not; None while another process holds it, and where the account has no such."""
        with self.database.leasing() as connection:
            now = self.clock.now()
            return claims.claim_one(connection, refund_id, account, str(uuid4()), now=now, lease=lease)

    def check(self, client: RefundClient, claim: Claim) -> Pass:
        """Ask for one claimed refund and write what is answered, with when to ask again.

        Once the claim's lease has ended it does nothing, for the refund may be another process's; a lease that is too
        short for the client's ``timeout`` is made longer. Raises `ConfigurationError` for another account's client.
        """
        return self.tracker({claim.refund.account: client}).check(claim)

    def release(self, claim: Claim) -> None:
        """Give a claim back; the refund stays due."""
        with self.database.leasing() as connection:
            claims.release(connection, claim)

    def run_once(
        self,
        clients: Mapping[str, RefundClient] | Iterable[RefundClient],
        *,
        limit: int = 1000,
        concurrency: int = 4,
        lease: timedelta = LEASE,
        stop: threading.Event | None = None,
    ) -> Pass:
        """Ask for everything that is due now, write what is answered, and say when to ask again.

        Args:
            clients: one for each account, or a mapping by account name.
            limit: the most refunds of one account in this pass.
            concurrency: the most requests of one account at once; its rate limit is the client's.
            lease: after this a refund, or an account, whose process was killed is free again; for a client with a
                long ``timeout`` after five times that.
            stop: set it to end the pass after the requests under way.

        An account that cannot be asked at all is in the pass's ``errors`` and harms no other. Raises
        `ConfigurationError` for a client under another name than its account's.
        """
        stop = stop or threading.Event()
        return self.tracker(clients, limit=limit, concurrency=concurrency, lease=lease, stop=stop).run()

    def ask_now(self, client: RefundClient, refund_id: int) -> RefundRecord:
        """Ask the processor for one refund, whatever its schedule, and write what it answers.

        Raises the error that came instead of an answer, once it is written. A refund of another account, and one that
        another process is asking for, come back as they are known.
        """
        self.tracker([client]).ask_now(refund_id)
        return self._by_number(refund_id)

    def tracker(self, clients: Mapping[str, RefundClient] | Iterable[RefundClient], **options: Any) -> Tracker:
        """What asks for refunds and writes the answers into this ledger; ``options`` are those of `Tracker`.

        Raises `ConfigurationError` for a client under another name than its account's.
        """
        ours = {"lease": LEASE, "keep_answers": self.keep_answers}
        return Tracker(database=self.database, clock=self.clock, clients=by_name(clients), **{**ours, **options})

    # What goes out

    def tell_observers(self, plugins: Iterable[object]) -> Pass:
        """Call ``refund_status_changed`` of these observers for every change not yet told, in order per refund."""
        return outbox.tell_observers(self.database, self.clock, Observers(plugins))

    def deliver_outbox(
        self,
        url: str,
        secret: str,
        *,
        session: requests.Session | None = None,
        limit: int = 1000,
        stop: threading.Event | None = None,
    ) -> Pass:
        """Send every change that is due as a signed webhook (Standard Webhooks), in order per refund.

        One that fails is sent again, ever later, for three days; a pass ends early where none of several is taken. Set
        ``stop`` to end it after the one that is being sent. Raises `ConfigurationError` for an address that is not
        secure and for a secret that is none.
        """
        to, stop = outbox.endpoint(url, secret, session), stop or threading.Event()
        return outbox.deliver(self.database, self.clock, to, limit=limit, stop=stop)

    # What need not be kept

    def prune(
        self,
        before: datetime,
        *,
        batch: int = pruning.BATCH,
        limit: int | None = None,
        dry_run: bool = False,
        stop: threading.Event | None = None,
    ) -> Pruned:
        """Delete the raw bodies of answers last heard, and of webhooks received, before this moment; aware.

        Observations stay, and so does what makes a duplicate known. Webhooks that wait to be read, or that could not
        be, are left alone, whatever their age.

        Args:
            before: the moment; every process may prune at once.
            batch: how many bodies one short transaction deletes.
            limit: the most bodies of each kind; None for all of them.
            dry_run: only count them.
            stop: set it to end after the batch under way.

        Raises `InvalidQuery` for a moment without a zone.
        """
        if dry_run:
            return pruning.count(self.database, before, limit)
        ending = stop or threading.Event()
        return pruning.prune(self.database, self.clock, before, batch=batch, limit=limit, stop=ending)
