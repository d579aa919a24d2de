"""``refundry`` in processes of their own that are forked from one which has imported everything already."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory

_MODULES = ("pydantic", "rich.console", "rich.progress", "requests", "refundry_ledger.ledger", "refundry_reconcile")
_COMMANDS = ("catalogue", "demo", "desk", "doctor", "events", "follow", "importing", "listing", "lookup")
_GROUPS = ("refundry.connectors", "refundry.sandboxes")
_STREAMS = ("stdin", "stdout", "stderr")


def run_command(
    *arguments: str, cwd: Path, env: Mapping[str, str], stdin: bytes = b"", timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """``python -m refundry_cli`` with these arguments, as `subprocess.run` has it, without the time of its imports.

    The environment is its own, with what ``PYTHONPATH`` adds; modules that were imported before are not imported anew.
    Raises `subprocess.TimeoutExpired`.
    """
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in _STREAMS]
        for path in paths:
            path.write_bytes(stdin if path.name == "stdin" else b"")
        process = _forks().Process(target=_refundry, args=(arguments, str(cwd), dict(env), [str(one) for one in paths]))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout)
        out, err = (path.read_text() for path in paths[1:])
        return subprocess.CompletedProcess(arguments, process.exitcode, out, err)


@cache
def _forks() -> ForkServerContext:
    forks = get_context("forkserver")
    plugins = {point.module for group in _GROUPS for point in entry_points(group=group)}
    forks.set_forkserver_preload([*_MODULES, *(f"refundry_cli.{name}" for name in _COMMANDS), *sorted(plugins)])
    return forks


def _refundry(arguments: tuple[str, ...], cwd: str, env: dict[str, str], streams: list[str]) -> None:
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY), number)
    sys.stdin = os.fdopen(0, closefd=False)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = ["refundry", *arguments]
    from refundry_cli import main

    main()
