"""What the pages' forms do: sign in and out, ask a processor, say that somebody looked. Each has a CSRF token."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from refundry.errors import RefundryError
from refundry_web.access import DeskOf, PageOperator, csrf_checked, signed_in
from refundry_web.access import sign_in as begin
from refundry_web.access import sign_out as end
from refundry_web.pages.finding import Number, record_of, refund_page
from refundry_web.pages.rendering import clean, path_to, sentence, show
from refundry_web.problems import Problem, problem_of

router = APIRouter()

_CHECKED = [Depends(csrf_checked)]
_LONGEST_PATH = 2000
LanguageField = Annotated[str, Form(max_length=35)]


@router.get("/sign-in")
def sign_in_form(request: Request, next: Annotated[str, Query(max_length=_LONGEST_PATH)] = "") -> Response:  # noqa: A002
    """The form that takes a token."""
    if signed_in(request):
        return RedirectResponse(_own_path(request, next), status_code=303)
    return show(request, "sign_in.html", title="Sign in", next=next, wrong=None)


@router.post("/sign-in", dependencies=_CHECKED)
def sign_in(
    request: Request,
    token: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form(max_length=_LONGEST_PATH)] = "",  # noqa: A002
) -> Response:
    """Begin a session, and go on to where the person wanted to go."""
    try:
        begin(request, token)
    except Problem as problem:
        wrong = sentence(problem.detail)
        page = show(request, "sign_in.html", status_code=problem.status, title="Sign in", next=next, wrong=wrong)
        page.headers.update(problem.headers)
        return page
    return RedirectResponse(_own_path(request, next), status_code=303)


@router.post("/sign-out", dependencies=_CHECKED)
def sign_out(request: Request) -> Response:
    """End the session."""
    end(request)
    return RedirectResponse(path_to(request, "sign_in"), status_code=303)


@router.post("/refunds/{refund_id}/ask", dependencies=_CHECKED)
def ask(
    request: Request, desk: DeskOf, person: PageOperator, refund_id: Number, language: LanguageField = "en"
) -> Response:
    """Ask the processor now, and show what came of it."""
    known = record_of(desk, refund_id)
    client = desk.clients.get(known.account)
    if client is None:
        raise Problem(409, f"no client of the account {known.account!r} is set up here")
    try:
        desk.ledger.ask_now(client, known.id)
    except RefundryError as error:
        problem = problem_of(error)
        trouble = sentence(problem.detail)
        return refund_page(request, desk, person, refund_id, language, trouble=trouble, status_code=problem.status)
    done = urlencode({"asked": "true", "language": language})
    return RedirectResponse(f"{path_to(request, 'refund', refund_id=refund_id)}?{done}", status_code=303)


@router.post("/refunds/{refund_id}/acknowledge", dependencies=_CHECKED)
def acknowledge(
    request: Request,
    desk: DeskOf,
    person: PageOperator,
    refund_id: Number,
    back: Annotated[str, Form()] = "",
    reasons: Annotated[str, Form()] = "",
) -> Response:
    """Somebody has looked at it: it needs a person again only for something new.

    Where there are other ``reasons`` by now than the page showed them, nothing is done, and they see the new ones.
    """
    known = record_of(desk, refund_id)
    is_new = bool(reasons) and reasons != clean(known.attention or "")
    if not is_new:
        desk.ledger.acknowledge(known.id, seen=known.attention)
    to_list = back == "attention" and not is_new
    path = path_to(request, "attention") if to_list else path_to(request, "refund", refund_id=known.id)
    return RedirectResponse(path, status_code=303)


def _own_path(request: Request, wanted: str) -> str:
    """A path of this desk; anything else becomes the first page."""
    home = path_to(request, "home")
    is_own = wanted.startswith(home) and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_own else home
