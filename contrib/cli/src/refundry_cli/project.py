"""``refundry new``: the project of a new connector, by way of ``refundry-template``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from refundry.errors import ConfigurationError


def write_project(name: str, more: Sequence[str]) -> int:
    """Write it and return the exit code. Raises `ConfigurationError` where the template is not installed."""
    if find_spec("refundry_template") is None:
        raise ConfigurationError("the template is not installed; try: pip install refundry-template")
    from refundry_template.__main__ import main

    return main([name, *more])
