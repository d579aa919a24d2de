"""A link that signs in once, for whoever started the demo: its code is signed, short-lived, and used up by its use."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from itsdangerous import BadData, URLSafeTimedSerializer

from refundry_web.access import begin_session
from refundry_web.desk import Desk, desk_of
from refundry_web.problems import Problem
from refundry_web.service import service_of

_VALID_SECONDS = 3600
router = APIRouter()


def entry_path(desk: Desk, token_id: str) -> str:
    """The path that signs in the holder of this token, once, within an hour."""
    return f"/enter?code={_signer(desk).dumps([token_id, secrets.token_urlsafe(12)])}"


@router.get("/enter", include_in_schema=False)
def enter(request: Request, code: str = "") -> Response:
    """Begin a session by a link, and go to the first page."""
    try:
        token_id, nonce = _signer(desk_of(request)).loads(code, max_age=_VALID_SECONDS)
    except (BadData, ValueError):
        raise Problem(403, "this link is wrong or too old") from None
    if not service_of(request).used_codes.use(nonce):
        raise Problem(403, "this link was used before: sign in with a token")
    begin_session(request, token_id)
    return RedirectResponse(f"{request.scope.get('root_path', '')}/", 303)


def _signer(desk: Desk) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(desk.settings.session_key, salt="refundry enter")
