"""`Sandbox`: every installed processor on this machine."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Self, TypeAlias
from uuid import UUID, uuid4, uuid5

import requests
import requests.adapters

from refundry.client import RefundClient
from refundry.connector import Connector
from refundry.errors import ConfigurationError
from refundry.http import Event
from refundry.model import Money, Refund
from refundry.plugins import connector_names, load_connector, load_sandbox, sandbox_hooks
from refundry.sandbox import ConnectorSandbox
from refundry_sandbox.clock import SandboxClock
from refundry_sandbox.faults import Fault, Plan
from refundry_sandbox.server import Server, make_application
from refundry_sandbox.webhooks import disordered, post
from refundry_sandbox.world import Processor

_TIMEOUT = 30.0
_POOL = 32

Pair: TypeAlias = tuple[type[Connector], type[ConnectorSandbox[Any]]]

logger = logging.getLogger("refundry.sandbox")


class Sandbox:
    """Processors on this machine: a real HTTP server on loopback that answers as each of them does.

    It runs from when it is made until `close`; it is a context manager and safe to share between threads.

    Args:
        connectors: names of installed connectors; all of them if not given. One whose sandbox cannot be imported is
            then left out, with a warning in the log.
        port: the port on 127.0.0.1; a free one if not given.
        speed: how many times as fast as the machine's its clock runs; 0 for a clock that is only moved by hand.
        start: the time that the clock starts at; now if not given.

    Raises:
        UnknownConnector: no such connector is installed.
        ConfigurationError: a connector that was named has no sandbox, or it cannot be imported.
        OSError: the port is taken.
    """

    def __init__(
        self,
        connectors: Iterable[str] | None = None,
        *,
        port: int = 0,
        speed: float = 1.0,
        start: datetime | None = None,
    ) -> None:
        found = _installed() if connectors is None else {name: _load(name) for name in connectors}
        self.clock = SandboxClock(speed, start)
        """A `refundry.policy.Clock` that all its processors share."""
        self._stopping = threading.Event()
        self._nonces = uuid5(UUID(int=0), start.isoformat()) if start else uuid4()
        self._events = count(1)
        self._session = _session()
        self._processors: dict[str, Processor] = {}
        self._server = Server(make_application(self._processors), port)
        for name, (connector, sandbox) in found.items():
            self._processors[name] = Processor(
                connector,
                sandbox,
                clock=self.clock,
                public_url=f"{self.url}/{name}/api",
                wait=self._stopping.wait,
            )

    @property
    def url(self) -> str:
        """Where it answers: ``http://127.0.0.1:41234``."""
        return self._server.url

    @property
    def names(self) -> tuple[str, ...]:
        """The connectors that it answers for, sorted."""
        return tuple(sorted(self._processors))

    def settings(self, name: str) -> dict[str, Any]:
        """The made-up credentials of the account that it plays."""
        return dict(self._processor(name).sandbox.settings)

    def base_urls(self, name: str) -> dict[str, str]:
        """By base name, the URL that stands for the processor's own: pass it to `RefundClient` as ``base_url``."""
        return {base: f"{self.url}/{name}/{base}" for base in self._processor(name).connector.base_urls}

    def lives(self, name: str) -> dict[str, tuple[str, ...]]:
        """What refunds live through at this processor, in its status words."""
        return dict(self._processor(name).sandbox.lives)

    def client(self, name: str, **options: Any) -> RefundClient:
        """A client of this account on the sandbox's clock, without a rate limit; ``options`` are `RefundClient`'s.

        It uses no proxy, and its timeout grows with the clock's speed, since a deadline is on the client's clock.
        """
        ours = {
            "base_url": self.base_urls(name),
            "clock": self.clock,
            "rate_limit": math.inf,
            "session": self._session,
            "timeout": _TIMEOUT * max(1.0, self.clock.speed),
        }
        return RefundClient(self._processor(name).connector, **{**ours, **self.settings(name), **options})

    def add(
        self,
        name: str,
        life: str = "settles",
        amount: Money | None = None,
        after: timedelta = timedelta(days=3),
        *,
        words: Sequence[str] | None = None,
        documented: bool = True,
        **fields: Any,
    ) -> Refund:
        """Make a refund that stands at the first word of its life; each further word comes ``after`` later.

        Args:
            name: the connector.
            life: ``settles``, ``fails``, ``returned``, ``held`` or ``cancelled``; not every processor has them all.
            amount: 10.50 in the account's currency if not given.
            after: on the sandbox's clock.
            words: words of the connector's status table, in place of a life.
            documented: False also takes words that are not in the table, as a processor may say one tomorrow.
            fields: fields of `Refund` that this processor can express; others are made up where it has them.

        Raises `ConfigurationError` for a life, a word or a field that this processor does not have.
        """
        processor = self._processor(name)
        return processor.add(words or processor.life(life), amount, after, fields, documented=documented)

    def add_all(self) -> list[tuple[str, str, Refund]]:
        """Make one refund of every life at every processor: the connector's name, the life's, and the refund."""
        return [(name, life, self.add(name, life)) for name in self.names for life in self.lives(name)]

    def refund(self, name: str, connector_refund_id: str) -> Refund:
        """A refund as it stands now. Raises `RefundNotFound`."""
        return self._processor(name).refund(connector_refund_id)

    def event(self, name: str, connector_refund_id: str) -> Event:
        """The signed webhook that says how a refund stands now. Raises `RefundNotFound`."""
        nonce = uuid5(self._nonces, str(next(self._events)))
        return self._processor(name).event(connector_refund_id, str(nonce))

    def deliver(self, name: str, connector_refund_id: str, url: str, *, copies: int = 1) -> list[int]:
        """Send that webhook to an endpoint on this machine, as often as ``copies`` says; the replies' HTTP statuses.

        Raises `ConfigurationError` for a URL that leads off this machine, and what `requests` raises where nobody
        listens.
        """
        event = self.event(name, connector_refund_id)
        return [post(self._session, event, url) for _ in range(copies)]

    def deliver_all(
        self,
        refunds: Iterable[tuple[str, str]],
        *,
        url_for: Callable[[str], str],
        copies: int = 1,
        shuffle: Random | None = None,
    ) -> list[int]:
        """Send the webhooks of several refunds, given as connector and id, repeated and out of order as asked.

        ``url_for`` says where the webhooks of a connector go. Returns and raises what `deliver` does.
        """
        events = [(url_for(name), self.event(name, refund_id)) for name, refund_id in refunds]
        return [post(self._session, event, url) for url, event in disordered(events, copies, shuffle)]

    def inject(
        self,
        name: str,
        fault: Fault,
        times: int = 1,
        retry_after: timedelta | float | None = None,
        *,
        seconds: float = 1.0,
    ) -> None:
        """Let a fault happen to the next calls, whatever they ask for: an access token too.

        Args:
            name: the connector.
            fault: what happens.
            times: to how many calls.
            retry_after: the wait that `Fault.RATE_LIMITED` asks for, in whole seconds; none if not given.
            seconds: how late `Fault.SLOW` is, on the machine's clock.
        """
        wait = retry_after if isinstance(retry_after, timedelta | None) else timedelta(seconds=retry_after)
        self._processor(name).inject(Plan(fault=fault, retry_after=wait, seconds=seconds), times)

    def requests(self, name: str) -> int:
        """How many calls have reached this processor, those that met a fault included."""
        return self._processor(name).calls

    def close(self) -> None:
        """Stop answering and close every connection."""
        self._stopping.set()
        self._session.close()
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _processor(self, name: str) -> Processor:
        try:
            return self._processors[name]
        except KeyError:
            known = ", ".join(self.names) or "none"
            raise ConfigurationError(f"the sandbox does not play {name!r}: it plays {known}") from None


def _installed() -> dict[str, Pair]:
    found = {}
    for name in connector_names():
        try:
            found[name] = _load(name)
        except Exception as error:  # noqa: BLE001  one odd plugin must not take the others along
            logger.warning("%s is left out of the sandbox: %s", name, error)
    return found


def _load(name: str) -> Pair:
    connector, sandbox = load_connector(name), load_sandbox(name)
    if sandbox is None:
        raise ConfigurationError("its plugin has no sandbox", connector=name)
    sandbox_hooks(sandbox(connector(**sandbox.settings)))
    return connector, sandbox


def _session() -> requests.Session:
    session = requests.Session()
    # A proxy of the environment would be asked for this very machine.
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=_POOL, max_retries=0))
    return session
