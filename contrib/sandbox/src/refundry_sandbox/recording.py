"""Cassettes: one exchange for each scenario, with the sandbox or with the processor itself.

``python -m refundry_sandbox.recording stripe`` writes ``cassettes/stripe/*.yaml`` from real HTTP with the sandbox,
filed under the processor's own host. ``--live FILE`` asks the processor, with credentials from the environment. Needs
the extra ``refundry-sandbox[recording]``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from refundry.account import Account, open_account
from refundry.client import RefundClient
from refundry.connector import Connector, settings_of
from refundry.errors import ConfigurationError, RefundryError
from refundry.plugins import load_connector, load_sandbox
from refundry.sandbox import ConnectorSandbox, varied
from refundry.times import to_iso
from refundry_sandbox.cassettes import (
    REDACTED,
    Head,
    Replacements,
    hide,
    interaction,
    replaced_in,
    webhook_interaction,
    write,
)
from refundry_sandbox.clock import SandboxClock
from refundry_sandbox.sandbox import Sandbox
from refundry_sandbox.scenarios import START, Scenario, Stage, Take, scenarios_of, shape

_SHORTEST = 4


def record(
    name: str, directory: str | Path, scenarios: Iterable[str] | None = None, *, date: str | None = None
) -> list[Path]:
    """Record scenarios of a connector with the sandbox; all that it has if none are named.

    Writes ``<directory>/<name>/<scenario>.yaml`` and returns the paths. ``date`` is today's if not given; a file that
    would differ in nothing else keeps its own. Raises `ConfigurationError` for a scenario that the connector does not
    have.
    """
    with Sandbox([name]) as sandbox, sandbox.client(name) as client:
        known = scenarios_of(client, _played_by(name))
    chosen = list(known if scenarios is None else scenarios)
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        raise ConfigurationError(f"{name} has no scenario {unknown[0]!r}: it has {', '.join(known)}", connector=name)
    paths = [Path(directory) / name / f"{scenario}.yaml" for scenario in chosen]
    made = [_record(name, known[path.stem], path, date or _today()) for path in paths]
    return [path for path, was_made in zip(paths, made, strict=True) if was_made]


def record_live(
    name: str,
    directory: str | Path,
    queries: Mapping[str, Mapping[str, Any]],
    settings: Mapping[str, Any],
    *,
    date: str | None = None,
    **options: Any,
) -> list[Path]:
    """Record from the processor itself, in its sandbox environment.

    Args:
        name: the connector.
        directory: where the cassettes are.
        queries: by scenario, the fields of a get, or what `RefundClient.list` takes.
        settings: the account's real settings. Secret ones are redacted wherever they appear; each other one becomes
            the sandbox's made-up value, so that the cassette plays without them.
        date: today's if not given.
        options: further arguments of `RefundClient`.

    What is expected is what was mapped: read it, and the bodies, before the file is kept.
    """
    paths = []
    for scenario, query in queries.items():
        path = Path(directory) / name / f"{scenario}.yaml"
        with _session() as session, RefundClient(name, session=session, **{**options, **settings}) as client:
            with _tape() as tape:
                take = _ask(client, scenario, query)
            replacements = _for_live(client.account, settings)
            recorded = _interactions(tape, replacements)
        take = Take(replaced_in(take.call, replacements), replaced_in(take.expect, replacements))
        write(path, _head(client.account.connector, "recorded", take, date or _today()), recorded)
        paths.append(path)
    return paths


def main(arguments: list[str] | None = None) -> int:
    """The command line: see ``--help``."""
    parser = argparse.ArgumentParser(prog="python -m refundry_sandbox.recording", description="Record cassettes.")
    parser.add_argument("name", help="the connector")
    parser.add_argument("scenarios", nargs="*", help="which ones; all if none are named")
    parser.add_argument("--directory", default="cassettes", help="where the cassettes are (default: %(default)s)")
    parser.add_argument(
        "--live",
        metavar="FILE",
        type=Path,
        help="ask the processor's sandbox environment: a TOML file with a table of identifiers for each scenario; "
        "settings come from environment variables such as REFUNDRY_STRIPE_API_KEY",
    )
    given = parser.parse_args(arguments)
    try:
        if given.live is None:
            paths = record(given.name, given.directory, given.scenarios or None)
        else:
            queries = tomllib.loads(given.live.read_text())
            chosen = {name: queries[name] for name in given.scenarios or queries if name in queries}
            paths = record_live(given.name, given.directory, chosen, settings_from_environment(given.name))
    except (RefundryError, OSError, tomllib.TOMLDecodeError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.writelines(f"{path}\n" for path in paths)
    return 0


def settings_from_environment(name: str) -> dict[str, str]:
    """The settings of a connector that environment variables give: ``REFUNDRY_<CONNECTOR>_<SETTING>`` in upper case."""
    connector = load_connector(name)
    variables = {one.name: f"REFUNDRY_{name}_{one.name}".upper().replace("-", "_") for one in settings_of(connector)}
    return {setting: os.environ[name] for setting, name in variables.items() if os.environ.get(name, "").strip()}


def _record(name: str, scenario: Scenario, path: Path, date: str) -> bool:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox([name], speed=0, start=START))

        def client(**settings: Any) -> RefundClient:
            session = stack.enter_context(_session())
            # A clock of its own: its waits between tries, which are random, must not move the sandbox's.
            return sandbox.client(name, session=session, clock=SandboxClock(0, START), **settings)

        stage = Stage(name, load_connector(name), _played_by(name), sandbox, client)
        with _tape() as tape:
            take = scenario(stage)
        account = client().account
        replacements = _for_sandbox(sandbox, account)
    if take is None:
        return False
    recorded = _interactions(tape, replacements)
    if take.webhook is not None:
        event, delivery = take.webhook
        recorded.insert(0, webhook_interaction(event, delivery.reply, replacements))
    write(path, _head(account.connector, "documented shape", take, date), recorded)
    return True


@contextmanager
def _tape() -> Iterator[Any]:
    """Everything that goes over HTTP meanwhile, as a cassette of vcrpy that is not saved."""
    from vcr import VCR  # type: ignore[import-untyped]
    from vcr.persisters.filesystem import CassetteNotFoundError  # type: ignore[import-untyped]

    class Nowhere:
        @staticmethod
        def load_cassette(path: str, serializer: object) -> None:
            raise CassetteNotFoundError

        @staticmethod
        def save_cassette(path: str, cassette: object, serializer: object) -> None:
            pass

    recorder = VCR(record_mode="all", decode_compressed_response=True)
    recorder.register_persister(Nowhere)
    with recorder.use_cassette("nowhere") as tape:
        yield tape


def _ask(client: RefundClient, scenario: str, query: Mapping[str, Any]) -> Take:
    if not scenario.startswith("list"):
        call = {"operation": "get", "query": dict(query)}
        return Take(call, _outcome(lambda: {"refund": shape(client.get(query))}))
    window = _window(query)
    expect = _outcome(lambda: {"refunds": [shape(refund) for refund in client.list(**window)]})
    times = {name: to_iso(value) for name, value in window.items() if isinstance(value, datetime)}
    return Take({"operation": "list", **window, **times}, expect)


def _outcome(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except RefundryError as error:
        return {"error": type(error).__name__}


def _window(query: Mapping[str, Any]) -> dict[str, Any]:
    """What to list, with its times fixed, so that it can be asked again."""
    if "connector_transaction_id" in query:
        return dict(query)
    until = query.get("until") or datetime.now(UTC).replace(microsecond=0)
    return {"since": until - timedelta(days=30), **query, "until": until}


def _for_sandbox(sandbox: Sandbox, account: Account) -> dict[str, str]:
    name = account.connector.name
    real = open_account(type(account.connector), sandbox.settings(name)).urls
    urls = {ours: real[base] for base, ours in sandbox.base_urls(name).items()}
    return {**urls, **hide([*account.secrets, *(varied(secret) for secret in account.secrets)])}


def _for_live(account: Account, settings: Mapping[str, Any]) -> dict[str, str]:
    """Secrets are redacted; what else tells whose account it is becomes what the sandbox has in its place."""
    made_up = _played_by(account.connector.name).settings
    told = {name: value for name, value in settings.items() if name != "api_version" and isinstance(value, str)}
    swapped = {value: str(made_up.get(name, REDACTED)) for name, value in told.items() if len(value) >= _SHORTEST}
    return {**swapped, **hide(account.secrets)}


def _interactions(tape: Any, replacements: Replacements) -> list[dict[str, Any]]:
    return [interaction(request, response, replacements) for request, response in tape.data]


def _head(connector: Connector, kind: str, take: Take, date: str) -> Head:
    secret = {one.name for one in settings_of(type(connector)) if one.secret}
    made_up = _played_by(connector.name).settings
    return Head(
        kind=kind,
        documents=tuple(connector.documentation.values()),
        date=date,
        api_version=getattr(connector, "api_version", None),
        call=take.call,
        settings={name: REDACTED if name in secret else value for name, value in made_up.items()},
        expect=take.expect,
    )


def _played_by(name: str) -> type[ConnectorSandbox[Any]]:
    sandbox = load_sandbox(name)
    if sandbox is None:
        raise ConfigurationError("its plugin has no sandbox to record with", connector=name)
    return sandbox


class _Unpacked(HTTPAdapter):
    """Hands out answers unpacked: those of vcrpy are, and still say that they are packed."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        answer = super().send(request, **options)
        for name in ("Content-Encoding", "Content-Length"):
            answer.headers.pop(name, None)
        body = BytesIO(answer.raw.read(decode_content=True))
        answer.raw = HTTPResponse(body, headers=answer.headers, status=answer.status_code, preload_content=False)
        return answer


@contextmanager
def _session() -> Iterator[requests.Session]:
    # One of its own for each client: vcrpy sees only connections that were made under it.
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _Unpacked())
        session.mount("http://", _Unpacked())
        yield session


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


if __name__ == "__main__":
    sys.exit(main())
