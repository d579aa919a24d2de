"""Sends webhooks to a desk at a steady rate, kills it with -9 half way, and looks whether all it acknowledged is there.

PYTHONPATH=tests/support python tests/benchmarks/web_load.py --seconds 60 --rate 1000 [--database postgresql]
    [--servers 2]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from ledgers import DATABASES, empty_database, stream, stripe_event, stripe_refund
from sqlalchemy import select

from refundry.http import Event
from refundry.testing import Wiring
from refundry_ledger import Ledger
from refundry_ledger.inbox import Inbox
from refundry_ledger.schema import events
from refundry_stripe import Stripe

SERVER = Path(__file__).parents[1] / "support" / "desk_server.py"
CONNECTIONS = 64
READ = 300
"""So many of the webhooks are read in the end, to say how long that takes."""


@attrs.define
class Servers:
    """Desks over one database, which can be killed and started again."""

    url: str
    processes: list[subprocess.Popen[bytes]] = attrs.field(factory=list)
    ports: list[int] = attrs.field(factory=list)
    cpu: float = 0.0

    def start(self, count: int) -> None:
        """Start so many, ready to answer."""
        command = [sys.executable, str(SERVER), self.url]
        self.processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]  # noqa: S603
        self.ports = [int(stream(one.stdout).readline()) for one in self.processes]

    def kill(self) -> None:
        """Kill them as a crash does."""
        for one in self.processes:
            self.cpu += cpu_seconds(one.pid)
            one.kill()
            one.wait()
            stream(one.stdout).close()
        self.processes = []


@attrs.define
class Load:
    """Requests to be sent, each at its time, and what came of them."""

    requests: list[bytes]
    rate: float
    servers: Servers
    began: float = 0.0
    next: int = 0
    acknowledged: set[int] = attrs.field(factory=set)
    latencies: list[float] = attrs.field(factory=list)
    resent: int = 0
    down: float = 0.0
    """Seconds in which no desk ran."""

    async def run(self, kill_after: float | None) -> float:
        """Send all; how many seconds it took."""
        self.began = time.perf_counter()
        parts = [asyncio.create_task(self._send_some(number)) for number in range(CONNECTIONS)]
        if kill_after is not None:
            await asyncio.sleep(kill_after)
            count, killed = len(self.servers.processes), time.perf_counter()
            await asyncio.to_thread(self.servers.kill)
            await asyncio.to_thread(self.servers.start, count)
            self.down = time.perf_counter() - killed
        await asyncio.gather(*parts)
        return time.perf_counter() - self.began

    async def _send_some(self, connection: int) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while self.next < len(self.requests):
            number, self.next = self.next, self.next + 1
            await asyncio.sleep(max(0.0, self.began + number / self.rate - time.perf_counter()))
            while number not in self.acknowledged:
                try:
                    streams = streams or await self._connect(connection)
                    await self._send(number, *streams)
                except (OSError, asyncio.IncompleteReadError, ValueError):
                    # As a processor does: what was not acknowledged is sent again.
                    streams, self.resent = None, self.resent + 1
                    await asyncio.sleep(0.1)
        if streams:
            streams[1].close()

    async def _connect(self, connection: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ports = self.servers.ports
        return await asyncio.open_connection("127.0.0.1", ports[connection % len(ports)])

    async def _send(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = time.perf_counter()
        writer.write(self.requests[number])
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        await reader.readexactly(length)
        if status != 200:
            raise ValueError(status)
        self.acknowledged.add(number)
        self.latencies.append(time.perf_counter() - sent)


def cpu_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wire(event: Event) -> bytes:
    """A webhook as it goes over the wire."""
    lines = ["POST /webhooks/stripe HTTP/1.1", "host: localhost", f"content-length: {len(event.body)}"]
    lines += [f"{name}: {value}" for name, value in event.headers.items() if name.lower() != "content-length"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + event.body


@contextmanager
def running(url: str, count: int) -> Iterator[Servers]:
    """Desks that are gone when the block ends."""
    servers = Servers(url)
    servers.start(count)
    try:
        yield servers
    finally:
        servers.kill()


def measure(url: str, rate: float, seconds: float, count: int, *, kill: bool) -> int:
    """Print what came of the load; how many acknowledged webhooks are missing."""
    wiring = Wiring(Stripe)
    wiring.clock.advance(datetime.now(UTC) - wiring.clock.now())
    sent = [stripe_event(wiring, stripe_refund("succeeded", number)) for number in range(int(rate * seconds))]
    with running(url, count) as servers:
        load = Load([wire(event) for event in sent], rate, servers)
        mine = time.process_time()
        took = asyncio.run(load.run(seconds / 2 if kill else None))
        mine = time.process_time() - mine
    with Ledger(url, clock=wiring.clock) as ledger:
        with ledger.database.reading() as connection:
            stored = set(connection.execute(select(events.c.digest)).scalars())
        missing = sum(sent[number].digest not in stored for number in load.acknowledged)
        milliseconds = sorted(1000 * one for one in load.latencies)
        middle, late = statistics.median(milliseconds), milliseconds[int(len(milliseconds) * 0.99)]
        up = took - load.down
        print(
            f"{len(load.acknowledged):,} webhooks in {up:.1f} s, and {load.down:.1f} s without a desk: "
            f"{len(load.acknowledged) / up:,.0f} a second (asked for: {rate:,.0f})"
        )
        print(
            f"answered after {middle:.0f} ms, 99 % within {late:.0f} ms; {load.resent:,} tries to send again; "
            f"{missing} acknowledged and missing"
        )
        print(
            f"a webhook took {1e6 * servers.cpu / len(load.acknowledged):,.0f} µs of the desk's CPU, with what it read "
            f"meanwhile, and {1e6 * mine / len(load.acknowledged):,.0f} µs of the sender's"
        )
        print(how_reading_goes(ledger, wiring))
    return missing


def how_reading_goes(ledger: Ledger, wiring: Wiring) -> str:
    """How long it takes to read a webhook that is stored."""
    inbox, began = Inbox(ledger), time.perf_counter()
    waiting = inbox.waiting().get("stripe", 0)
    done = inbox.read(wiring.client(), limit=READ)
    each = 1000 * (time.perf_counter() - began) / max(1, done.done)
    return f"{waiting:,} webhooks were still to be read; reading takes {each:.1f} ms each"


def main() -> int:
    """The number of missing webhooks is the exit code, at most 1."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--no-kill", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as folder, empty_database(options.database, Path(folder)) as url:
        Ledger.open(url).close()
        print(f"{options.database}, {options.servers} processes")
        return min(1, measure(url, options.rate, options.seconds, options.servers, kill=not options.no_kill))


if __name__ == "__main__":
    sys.exit(main())
