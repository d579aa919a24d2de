"""The pages that find a refund and show it."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import attrs
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response

from refundry.errors import RefundNotFound
from refundry_explain import LANGUAGES, Explanation, explain
from refundry_ledger import Filters, History, RefundRecord
from refundry_web.access import DeskOf, PageReader, signed_in
from refundry_web.desk import Desk
from refundry_web.pages.raws import raws_of
from refundry_web.pages.rendering import clean, path_to, show
from refundry_web.pages.timeline import timeline
from refundry_web.pages.viewing import line_of, settles_within, view_of
from refundry_web.pages.words import language_name
from refundry_web.problems import Problem
from refundry_web.service import service_of
from refundry_web.tokens import Person

router = APIRouter()

MOST_WAITING = 100
"""As many refunds that need a person are counted and shown."""
_FEW = 5
_LONGEST = 512
_MOST_DIGITS = 18

Number = Annotated[int, Path(ge=1, lt=2**63)]
LanguageCode = Annotated[str, Query(max_length=35)]


@router.get("/")
def home(request: Request, desk: DeskOf, person: PageReader) -> Response:
    """The search, with what waits and what came last."""
    waiting = waiting_for_a_person(desk)
    return show(
        request,
        "home.html",
        person=person,
        title="Where is this refund?",
        waiting=count_of(waiting),
        attention=[line_of(desk, record) for record in waiting[:_FEW]],
        latest=[line_of(desk, record) for record in desk.ledger.page(limit=2 * _FEW).refunds],
    )


@router.get("/search")
def search(request: Request, desk: DeskOf, person: PageReader, q: str = "") -> Response:
    """The refund with this identifier, or the list of those that have it."""
    text = clean(q).strip()
    found = find(desk, text)
    if len(found) == 1:
        return RedirectResponse(path_to(request, "refund", refund_id=found[0].id), status_code=303)
    return show(
        request,
        "results.html",
        person=person,
        title="Search",
        waiting=count_of(waiting_for_a_person(desk)),
        text=text,
        lines=[line_of(desk, record) for record in found],
    )


@router.get("/refunds/{refund_id}")
def refund(
    request: Request,
    desk: DeskOf,
    person: PageReader,
    refund_id: Number,
    language: LanguageCode = "en",
    asked: bool = False,
) -> Response:
    """One refund with its history."""
    return refund_page(request, desk, person, refund_id, language, asked=asked)


@router.get("/refunds/{refund_id}/part")
def refund_part(
    request: Request, desk: DeskOf, person: PageReader, refund_id: Number, language: LanguageCode = "en"
) -> Response:
    """What of a refund's page changes, for a page that is open."""
    history = history_of(desk, refund_id)
    return show(request, "refund_part.html", person=person, **_shown(desk, person, history, language))


@router.get("/refunds/{refund_id}/version")
def refund_version(request: Request, desk: DeskOf, refund_id: Number) -> Response:
    """A text that changes when the refund does. It says nothing about it, so it stands in no audit trail."""
    person = signed_in(request)
    if person is None:
        raise Problem(401, "sign in first")
    service_of(request).limits.request(person.token_id)
    return PlainTextResponse(version_of(record_of(desk, refund_id)))


def refund_page(
    request: Request,
    desk: Desk,
    person: Person,
    refund_id: int,
    language: str = "en",
    *,
    asked: bool = False,
    trouble: str | None = None,
    status_code: int = 200,
) -> Response:
    """A refund's page; after the processor was ``asked``, or with why it could not be."""
    history = history_of(desk, refund_id)
    shown = _shown(desk, person, history, language)
    return show(
        request,
        "refund.html",
        person=person,
        status_code=status_code,
        waiting=count_of(waiting_for_a_person(desk)),
        version=version_of(history.refund),
        asked=asked,
        **{**shown, "trouble": trouble},
    )


def find(desk: Desk, text: str) -> list[RefundRecord]:
    """The refunds with this identifier, however its groups are set apart; or with this number of the ledger."""
    if not text or len(text) > _LONGEST:
        return []
    joined, number = "".join(text.split()), text.removeprefix("#")
    found = desk.ledger.find(text) or (desk.ledger.find(joined) if joined != text else [])
    is_number = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    return found or (desk.ledger.find(int(number)) if is_number else [])


def history_of(desk: Desk, refund_id: int) -> History:
    """A refund's history. Raises `RefundNotFound`."""
    return desk.ledger.history(record_of(desk, refund_id).account, refund_id)


def waiting_for_a_person(desk: Desk) -> list[RefundRecord]:
    """The refunds that need a person, newest first; no more than `MOST_WAITING` and one."""
    return list(desk.ledger.page(Filters(needs_attention=True), limit=MOST_WAITING + 1).refunds)


def count_of(waiting: list[RefundRecord]) -> str | None:
    """How many wait; None for none."""
    return None if not waiting else f"{MOST_WAITING}+" if len(waiting) > MOST_WAITING else str(len(waiting))


def version_of(record: RefundRecord) -> str:
    """A text that is another one for a refund that has changed."""
    facts = (sorted(record.flags), attrs.evolve(record, flags=frozenset()))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:20]


def record_of(desk: Desk, refund_id: int) -> RefundRecord:
    """The refund of this number. Raises `RefundNotFound`."""
    found = desk.ledger.find(refund_id)
    if not found:
        raise RefundNotFound("the ledger has no refund of this number")
    return found[0]


def _shown(desk: Desk, person: Person, history: History, language: str) -> dict[str, Any]:
    may_operate = person.may("operate")
    view = view_of(desk, history, for_operator=may_operate)
    return {
        "title": f"{view.amount or 'Refund'} by {view.title}",
        "view": view,
        "told": _told(desk, history, language),
        "advice": _told(desk, history, "en").next_step,
        "language": language if language in LANGUAGES else "en",
        "languages": [(code, language_name(code)) for code in LANGUAGES],
        "groups": timeline(history.observations),
        "raws": raws_of(desk.ledger, history.refund.id, history.observations) if may_operate else None,
        "can_ask": _can_ask(desk, history.refund.account),
        "trouble": None,
    }


def _told(desk: Desk, history: History, language: str) -> Explanation:
    account = history.refund.account
    return explain(
        history,
        now=desk.clock.now(),
        locale=language,
        title=desk.title_of(account),
        settles_within=settles_within(desk, account),
    )


def _can_ask(desk: Desk, account: str) -> bool:
    client = desk.clients.get(account)
    return client is not None and (client.account.can("get") or client.account.can("list"))
