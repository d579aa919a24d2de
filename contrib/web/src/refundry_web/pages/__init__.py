"""The pages for people: find a refund, see its history, see what needs a person. They work without scripts."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from refundry_web.access import signed_in
from refundry_web.pages import acting, finding, watching
from refundry_web.pages.rendering import Static, path_to, sentence, show
from refundry_web.problems import Problem, SignInNeeded

__all__ = ["install", "problem_page"]

_FAULTS = 500
_ADVICE = {
    401: "Sign in again.",
    403: "Whoever runs this desk can give your token another role.",
    404: "It may have been typed in another way, or it is not in the ledger yet.",
    429: "Wait a moment, then load the page again.",
    503: "Nothing is lost: load the page again in a moment.",
}


def install(app: FastAPI) -> None:
    """Add the pages to the desk's application."""
    app.mount("/static", Static(packages=[("refundry_web", "static")]), name="static")
    for part in (finding, acting, watching):
        app.include_router(part.router, include_in_schema=False)


def problem_page(request: Request, problem: Problem) -> Response:
    """The page that tells an error. Where the service failed it asks no database, for that may be why."""
    if isinstance(problem, SignInNeeded):
        target = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        back = f"?next={quote(target)}" if request.method == "GET" else ""
        return RedirectResponse(path_to(request, "sign_in") + back, status_code=303)
    page = show(
        request,
        "problem.html",
        person=signed_in(request) if problem.status < _FAULTS else None,
        status_code=problem.status,
        title=problem.title,
        status=problem.status,
        detail=sentence(problem.detail),
        advice=_ADVICE.get(problem.status),
    )
    page.headers.update(problem.headers)
    return page
