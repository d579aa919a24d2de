"""What a new connector may be called: its name becomes an entry point, a module, a class and a distribution."""

from __future__ import annotations

import builtins
import re
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from refundry import connector, errors, hookspecs, http, model, reading, sandbox
from refundry.errors import ConfigurationError
from refundry.plugins import connector_names

LONGEST_NAME = 30
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# Distributions of Refundry that are no connectors.
_BATTERIES = frozenset(
    {
        "aio",
        "celery",
        "cli",
        "django",
        "explain",
        "ledger",
        "otel",
        "reconcile",
        "sandbox",
        "template",
        "testing",
        "web",
    }
)
# A connector named "refund" would hide the class `Refund` in its own module.
_TAKEN_CLASSES = frozenset(
    name for module in (builtins, connector, errors, hookspecs, http, model, reading, sandbox) for name in vars(module)
)


def distribution_name(name: str) -> str:
    """The distribution of a connector: ``refundry-acme-pay``."""
    return f"refundry-{name}"


def module_name(name: str) -> str:
    """The package of a connector: ``refundry_acme_pay``."""
    return distribution_name(name).replace("-", "_")


def class_name(name: str) -> str:
    """The class of a connector: ``AcmePay``."""
    return "".join(part.capitalize() for part in name.split("-"))


def check_name(name: str) -> None:
    """Raise `ConfigurationError` unless a new connector may have this name; the text says why not."""
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ConfigurationError(
            f"{name!r} is no name for a connector: use at most {LONGEST_NAME} lower-case letters and digits, "
            "begin with a letter, and join words with single hyphens"
        )
    if name in _BATTERIES:
        raise ConfigurationError(f"{distribution_name(name)} is a part of Refundry itself: choose another name")
    if class_name(name) in _TAKEN_CLASSES:
        raise ConfigurationError(
            f"{name!r} would make a class {class_name(name)}, which is something else already: choose another name"
        )
    if name in connector_names():
        raise ConfigurationError(f"a connector named {name!r} is installed already: choose another name")
    if _is_installed(distribution_name(name)) or find_spec(module_name(name)):
        raise ConfigurationError(f"{distribution_name(name)} is installed already: choose another name")


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
