"""Templates to answers. Whatever stands in a page is escaped, and free of control characters."""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.staticfiles import StaticFiles

from refundry_web.access import csrf_token
from refundry_web.tokens import Person

_SPACES = "\xa0\u202f"  # languages write them in amounts
_A_YEAR = "public, max-age=31536000, immutable"


class Static(StaticFiles):
    """Static files, which a browser may keep: their addresses change with their content."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = _A_YEAR
        return response


def path_to(request: Request, name: str, **parameters: Any) -> str:
    """The path of one of the desk's pages, also where the desk is mounted in another application."""
    root: str = request.scope.get("root_path", "")
    return root + str(request.app.url_path_for(name, **parameters))


def show(
    request: Request,
    template: str,
    *,
    person: Person | None = None,
    status_code: int = 200,
    **context: Any,
) -> HTMLResponse:
    """A page, or a part of one. Its forms carry the session's CSRF token."""
    given = {
        "url": partial(path_to, request),
        "static": partial(_static, request),
        "csrf": partial(_csrf, request),
        "person": person,
        "here": None,
        "waiting": None,
    }
    return HTMLResponse(_environment().get_template(template).render(**{**given, **context}), status_code)


def clean(text: str) -> str:
    """The text on one line, without what could change the direction of writing."""
    return "".join(letter if letter.isprintable() or letter in _SPACES else " " for letter in text)


def sentence(text: str) -> str:
    """A text as a sentence."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("refundry_web"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _harmless(value: object) -> object:
    """What is put into a template: texts cleaned, nothing for None; markup is the templates' own."""
    if value is None:
        return ""
    return value if hasattr(value, "__html__") else clean(str(value))


def lines(text: str) -> Markup:
    """A text of several lines for a template, each of them cleaned."""
    return Markup("\n").join(escape(clean(line)) for line in text.replace("\r\n", "\n").split("\n"))


def _static(request: Request, name: str) -> str:
    return f"{path_to(request, 'static', path=name)}?v={_digest(name)}"


@lru_cache(maxsize=16)
def _digest(name: str) -> str:
    content = (files("refundry_web") / "static" / name).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


def _csrf(request: Request) -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(csrf_token(request))
