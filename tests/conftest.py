"""What all tests share: no network but loopback, and a skip that is a failure in CI."""

from __future__ import annotations

import gc
import os
import socket
import sys
from typing import Any

import pytest

# Hundreds of processes are started here. Where an image forbids it to keep bytecode, as many do, each of them would
# compile every module that it imports anew, which takes longer than what most of these tests ask of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_connect, _getaddrinfo = socket.socket.connect, socket.getaddrinfo


def _guarded_connect(self: socket.socket, address: Any) -> None:
    if isinstance(address, tuple) and address[0] not in LOOPBACK:
        raise RuntimeError("a test reached for the network")
    _connect(self, address)


def _guarded_getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
    name = host.decode() if isinstance(host, bytes) else host
    if name not in (*LOOPBACK, None, ""):
        raise socket.gaierror(f"a test asked the DNS for {name}")
    return _getaddrinfo(host, *rest, **named)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage no more in what was imported and collected: it stays, and looking took a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets and DNS lead to this machine alone."""
    monkeypatch.setattr(socket.socket, "connect", _guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", _guarded_getaddrinfo)


@pytest.fixture(autouse=True)
def no_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No account or credential of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("REFUNDRY_")]:
        monkeypatch.delenv(name)
