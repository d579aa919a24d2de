"""From a name and a few answers to a project on disk."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import copier
import yaml
from copier.errors import UserMessageError

from refundry.errors import ConfigurationError
from refundry_template.names import check_name, distribution_name
from refundry_template.recording import record_cassettes

PROJECT = Path(__file__).parent / "project"
"""The copier template."""


def new(name: str, directory: str | Path | None = None, **answers: str | bool) -> Path:
    """Write the project of a new connector, with cassettes, and return its directory.

    Args:
        name: the connector's name, for example ``"acme-pay"``: lower-case letters, digits, single hyphens.
        directory: where to; ``refundry-<name>`` in the current directory if not given. It must not exist yet.
        answers: answers to the questions of `questions`; each that is not given has its default.

    Raises `ConfigurationError` for a name that cannot be used or is installed already, for a directory that exists, and
    for an answer that cannot be used.
    """
    return _generate(name, directory, answers, defaults=True)


def ask(name: str, directory: str | Path | None = None, **answers: str | bool) -> Path:
    """The same as `new`, but what is not answered is asked in the terminal."""
    return _generate(name, directory, answers, defaults=False)


def questions() -> dict[str, Mapping[str, Any]]:
    """The questions beside the name, in order: ``type``, ``help``, ``default``, and ``choices`` where there are."""
    found: dict[str, Mapping[str, Any]] = yaml.safe_load((PROJECT / "copier.yml").read_bytes())
    return {
        key: details
        for key, details in found.items()
        if key != "name" and not key.startswith("_") and details.get("when") is not False
    }


def _generate(name: str, directory: str | Path | None, answers: Mapping[str, str | bool], *, defaults: bool) -> Path:
    check_name(name)
    _check_answers(answers)
    project = Path(directory or distribution_name(name)).absolute()
    if project.exists() or project.is_symlink():
        raise ConfigurationError(f"{project} exists already: name a directory that does not")
    try:
        copier.run_copy(str(PROJECT), project, data={"name": name, **answers}, defaults=defaults, quiet=True)
    except (ValueError, UserMessageError) as error:
        raise ConfigurationError(str(error)) from None
    record_cassettes(project, name)
    return project


def _check_answers(answers: Mapping[str, str | bool]) -> None:
    asked = questions()
    for key, value in answers.items():
        if key not in asked:
            close = get_close_matches(key, asked, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the questions are {', '.join(asked)}"
            raise ConfigurationError(f"there is no question {key!r}: {hint}")
        wanted = bool if asked[key]["type"] == "bool" else str
        if not isinstance(value, wanted):
            raise ConfigurationError(f"the answer to {key} must be {wanted.__name__}, not {type(value).__name__}")
