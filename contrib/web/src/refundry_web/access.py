"""Who is asking: by bearer token at the API, by session on the pages. Each access stands in the audit trail."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import UploadFile

from refundry_web.audit import write_entry
from refundry_web.desk import Desk, desk_of
from refundry_web.problems import Problem, SignInNeeded
from refundry_web.service import service_of
from refundry_web.sessions import end_session, has_ended
from refundry_web.tokens import Person, Role, holder_of, person_of

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_bearer = HTTPBearer(auto_error=False, description="A token of `refundry token add`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def api_person(role: str) -> Callable[..., Person]:
    """A dependency: whoever holds the bearer token, if their role suffices.

    Raises `Problem` 401, 403, or 429 where the token comes too often.
    """

    def dependency(request: Request, credentials: Credentials) -> Person:
        return admit_bearer(request, credentials, role)

    return dependency


def admit_bearer(request: Request, credentials: HTTPAuthorizationCredentials | None, role: str) -> Person:
    """Whoever holds this bearer token, if their role suffices; what `api_person` does."""
    return _admit(request, bearer(request, credentials), role)


def bearer(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Person:
    """Whoever holds this bearer token, whatever their role. Raises `Problem` 401 or 429."""
    if credentials is None:
        raise Problem(401, "give a token: Authorization: Bearer rfd_...", _CHALLENGE)
    person = identify(request, credentials.credentials)
    service_of(request).limits.request(person.token_id)
    return person


def page_person(role: str) -> Callable[[Request], Person]:
    """A dependency: whoever is signed in, if their role suffices. Raises `SignInNeeded`, or `Problem` 403 or 429."""

    def dependency(request: Request) -> Person:
        person = signed_in(request)
        if person is None:
            raise SignInNeeded(401, "sign in first")
        service_of(request).limits.request(person.token_id)
        return _admit(request, person, role)

    return dependency


def identify(request: Request, text: str) -> Person:
    """Who holds this token. Raises `Problem` 401, or 429 for one more wrong one after too many."""
    person = holder_of(desk_of(request).ledger.database, text)
    if person is None:
        # Only now: behind a proxy that is not trusted one address is everybody's, and a right token is always let in.
        service_of(request).limits.failure(request.client.host if request.client else "")
        raise Problem(401, "this token is wrong or revoked", _CHALLENGE)
    return person


def sign_in(request: Request, text: str) -> Person:
    """Begin the session of whoever holds this token. Raises what `identify` raises."""
    person = identify(request, text.strip())
    begin_session(request, person.token_id)
    return person


def begin_session(request: Request, token_id: str) -> None:
    """Begin a session, with nothing left of the one before."""
    sign_out(request)
    desk = desk_of(request)
    until = desk.clock.now() + timedelta(hours=desk.settings.session_hours)
    facts = {"id": secrets.token_urlsafe(16), "token": token_id, "until": until.timestamp()}
    request.session.update(facts, csrf=secrets.token_urlsafe(24))


def sign_out(request: Request) -> None:
    """End the session, for every copy of its cookie."""
    desk, session = desk_of(request), request.session
    if "id" in session:
        until = datetime.fromtimestamp(session["until"], UTC)
        end_session(desk.ledger.database, session["id"], until, now=desk.clock.now())
    session.clear()


def signed_in(request: Request) -> Person | None:
    """Who is signed in; None once the session is over, somebody has signed out of it, or its token is revoked."""
    desk, session = desk_of(request), request.session
    if "id" not in session or desk.clock.now().timestamp() >= session["until"]:
        return None
    if has_ended(desk.ledger.database, session["id"]):
        return None
    return person_of(desk.ledger.database, session["token"])


def csrf_token(request: Request) -> str:
    """The value of the hidden field ``csrf`` of every form; a session for it begins where there is none."""
    token: str = request.session.setdefault("csrf", secrets.token_urlsafe(24))
    return token


async def csrf_checked(request: Request) -> None:
    """A dependency of whatever a form is sent to. Raises `Problem` 403 for a form that did not come from our page."""
    given = (await request.form()).get("csrf")
    known = request.session.get("csrf")
    if (
        isinstance(given, UploadFile)
        or not given
        or not known
        or not hmac.compare_digest(given.encode(), known.encode())
    ):
        raise Problem(403, "this form is too old, or not ours: load the page again")


def _admit(request: Request, person: Person, role: str) -> Person:
    allowed = person.may(role)
    write_entry(desk_of(request), request, person, allowed=allowed)
    if not allowed:
        raise Problem(403, f"this takes the role {Role(role).value}, and {person.name} has {person.role.value}")
    return person


DeskOf = Annotated[Desk, Depends(desk_of)]
ApiReader = Annotated[Person, Depends(api_person("read"))]
ApiOperator = Annotated[Person, Depends(api_person("operate"))]
ApiAdmin = Annotated[Person, Depends(api_person("admin"))]
PageReader = Annotated[Person, Depends(page_person("read"))]
PageOperator = Annotated[Person, Depends(page_person("operate"))]
PageAdmin = Annotated[Person, Depends(page_person("admin"))]
