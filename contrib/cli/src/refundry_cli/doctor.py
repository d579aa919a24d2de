"""``refundry doctor``: whether the installation, every plugin and every account are in order."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.metadata import Distribution, PackageNotFoundError, distributions, entry_points, version
from pathlib import Path
from typing import TypeAlias

import typer
from packaging.requirements import InvalidRequirement, Requirement

from refundry.account import HOOKS
from refundry.accounts import account_names, config_path
from refundry.connector import missing_settings
from refundry.errors import ConfigurationError, RefundryError
from refundry.plugins import CONNECTORS, connector_names, load_connector, load_sandbox, sandbox_hooks
from refundry_cli.catalogue import operations
from refundry_cli.connect import Target, open_client
from refundry_cli.exits import ExitCode
from refundry_cli.render import clean

Check: TypeAlias = tuple[str, Callable[[], str]]
"""What is looked at, and what says how it is or raises."""

_OLDEST_PYTHON = (3, 11)


def examine(config: Path | None) -> ExitCode:
    """Say of everything whether it is well. `ExitCode.FAULT` if anything is not."""
    faults = 0
    for what, check in _checks(config):
        fault, text = _verdict(check)
        faults += fault
        typer.echo(clean(f"{'wrong' if fault else 'ok':<6} {what}: {text}"))
    typer.echo(f"\n{faults} thing{'' if faults == 1 else 's'} wrong" if faults else "\nall is well")
    return ExitCode.FAULT if faults else ExitCode.SUCCEEDED


def _verdict(check: Callable[[], str]) -> tuple[bool, str]:
    try:
        return False, check()
    except RefundryError as error:
        return True, error.message
    # A plugin is a stranger's code: it may even try to end the program.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return True, f"{type(error).__name__}: {error}; reinstall or update it"


def _checks(config: Path | None) -> Iterator[Check]:
    yield "Python", _check_python
    for package in _packages():
        yield package.name, partial(_check_package, package)
    for name in connector_names():
        yield f"connector {name}", partial(_check_connector, name)
    file = config_path(config)
    yield file.name, partial(_check_file, file, config)
    with suppress(ConfigurationError):
        for name in account_names(config):
            yield f"account {name}", partial(_check_account, name, config)


def _check_python() -> str:
    if sys.version_info < _OLDEST_PYTHON:
        raise RefundryError(f"{platform.python_version()} is too old: use 3.11 or newer")
    return f"{platform.python_version()} on {platform.system()}"


def _packages() -> list[Distribution]:
    """Refundry's own distributions and those that bring connectors, sorted by name; each once, as it is imported."""
    plugins = {point.dist.name for point in entry_points(group=CONNECTORS) if point.dist}
    found: dict[str, Distribution] = {}
    for one in distributions():
        name = one.metadata["Name"] or ""
        if name == "refundry" or name.startswith("refundry-") or name in plugins:
            found.setdefault(name, one)
    return [found[name] for name in sorted(found)]


def _check_package(package: Distribution) -> str:
    unmet = [text for text in package.requires or () if _is_unmet(text)]
    if unmet:
        raise RefundryError(f"{package.version} wants {', '.join(unmet)}: update it, or what it wants")
    return package.version


def _is_unmet(text: str) -> bool:
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return True
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return False
    try:
        return not wanted.specifier.contains(version(wanted.name), prereleases=True)
    except PackageNotFoundError:
        return True


def _check_connector(name: str) -> str:
    connector = load_connector(name)
    if connector.name != name:
        raise RefundryError(f"its class calls itself {connector.name!r}: the entry point must have the same name")
    can = operations(connector)
    sandbox = load_sandbox(name)
    if sandbox:
        sandbox_hooks(sandbox(connector(**sandbox.settings)))
    return f"{', '.join(can) or 'can do nothing'}{'' if sandbox else '; no sandbox'}"


def _check_file(file: Path, config: Path | None) -> str:
    if file.exists():
        return f"accounts: {', '.join(account_names(config)) or 'none'}"
    if config:
        raise ConfigurationError(f"there is no file {file}")
    return "there is none, so there are no accounts to check"


def _check_account(name: str, config: Path | None) -> str:
    with open_client(Target(name=name, config=config)) as client:
        account = client.account
    parts = [f"{account.connector.name}, {account.connector.environment}"]
    for operation in HOOKS:
        if account.can(operation):
            missing = missing_settings(account.connector, operation)
            parts.append(f"{operation} lacks {' and '.join(missing)}" if missing else f"{operation} ready")
    return "; ".join(parts)
