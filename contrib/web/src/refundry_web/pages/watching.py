"""The pages that show many refunds: what needs a person, the overview, and for admins the audit trail."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Annotated

import attrs
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from refundry.model import RefundStatus
from refundry_web.access import DeskOf, PageAdmin, PageReader
from refundry_web.audit import read_entries
from refundry_web.pages.finding import MOST_WAITING, count_of, waiting_for_a_person
from refundry_web.pages.plots import DAYS, SECONDS, span_plot, states_plot, sums_of
from refundry_web.pages.rendering import show
from refundry_web.pages.viewing import Line, line_of, name_of
from refundry_web.pages.words import KINDS, When, when

router = APIRouter()

_ENTRIES = 100


@attrs.frozen
class Tab:
    """One kind of reason, with how many refunds have it."""

    kind: str
    title: str
    count: int


@attrs.frozen
class Tile:
    """One number of the overview."""

    name: str
    value: str


@attrs.frozen(kw_only=True)
class Access:
    """One line of the audit trail."""

    at: When | None
    person: str
    method: str
    target: str
    allowed: bool


@router.get("/attention")
def attention(
    request: Request, desk: DeskOf, person: PageReader, kind: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """The refunds that a person should look at, all or those of one kind."""
    waiting = waiting_for_a_person(desk)
    lines = [line_of(desk, record) for record in waiting[:MOST_WAITING]]
    return show(
        request,
        "attention.html",
        person=person,
        title="Needs attention",
        waiting=count_of(waiting),
        tabs=_tabs(lines),
        kind=kind,
        lines=[line for line in lines if not kind or kind in _kinds(line)],
        cut=len(waiting) > MOST_WAITING,
    )


@router.get("/overview")
def overview(request: Request, desk: DeskOf, person: PageReader) -> Response:
    """How all refunds stand, in numbers and plots."""
    totals, spans, waiting = desk.ledger.totals(), desk.ledger.spans(), waiting_for_a_person(desk)
    numbers: Counter[RefundStatus | None] = Counter()
    for total in totals:
        numbers[total.status] += total.refunds
    named = partial(name_of, desk)
    settled = sum(number for status, number in numbers.items() if status and status.is_settled)
    return show(
        request,
        "overview.html",
        person=person,
        title="Overview",
        waiting=count_of(waiting),
        tiles=[
            Tile("Refunds", f"{numbers.total():,}"),
            Tile("Open", f"{numbers.total() - settled:,}"),
            Tile("Succeeded", f"{numbers[RefundStatus.SUCCEEDED]:,}"),
            Tile("Failed", f"{numbers[RefundStatus.FAILED]:,}"),
            Tile("Need attention", count_of(waiting) or "0"),
        ],
        states=states_plot(totals, named),
        spans=[
            span_plot("settling", "Time to settle", spans.settling, DAYS, "settled refunds", named),
            span_plot("age", "Age of open refunds", spans.open_for, DAYS, "open refunds", named),
            span_plot("lag", "Webhook lag", spans.webhook_lag, SECONDS, "webhooks", named),
        ],
        sums=sums_of(totals),
    )


@router.get("/audit")
def audit(
    request: Request,
    desk: DeskOf,
    person: PageAdmin,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """Who asked what, newest first."""
    entries = read_entries(desk.ledger.database, before=before, limit=_ENTRIES)
    return show(
        request,
        "audit.html",
        person=person,
        title="Audit trail",
        waiting=count_of(waiting_for_a_person(desk)),
        entries=[
            Access(at=when(one.at), person=one.person, method=one.method, target=one.target, allowed=one.allowed)
            for one in entries
        ],
        before=entries[-1].id if len(entries) == _ENTRIES else None,
    )


def _tabs(lines: list[Line]) -> list[Tab]:
    counts = Counter(kind for line in lines for kind in _kinds(line))
    kinds = [Tab(kind, title, counts[kind]) for kind, title in KINDS.items()]
    return [Tab("", "All", len(lines)), *kinds]


def _kinds(line: Line) -> set[str]:
    return {reason.kind for reason in line.reasons}
