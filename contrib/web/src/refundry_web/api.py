"""The API for applications, version 1."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AfterValidator, AwareDatetime

from refundry.errors import RefundNotFound
from refundry.model import RefundStatus
from refundry.times import to_utc
from refundry_ledger import Filters, RefundRecord
from refundry_web import shapes
from refundry_web.access import ApiAdmin, ApiOperator, ApiReader, Credentials, DeskOf, admit_bearer
from refundry_web.audit import read_entries
from refundry_web.describing import (
    FROM_PROCESSOR,
    LIMITED,
    NOT_FOUND,
    REFUSED,
    SEEN_ANOTHER,
    UNAUTHORIZED,
    UNREADABLE,
    documented,
    only,
)
from refundry_web.desk import Desk
from refundry_web.problems import Problem
from refundry_web.tokens import Person

_FILTERS = ("account", "status", "needs_attention", "open", "since", "until", "cursor", "limit")
router = APIRouter(prefix="/v1", responses=documented(UNAUTHORIZED | LIMITED | REFUSED))
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="The ledger's number of the refund.")]
Wanted = Annotated[str, Query(min_length=1, max_length=512)]
Moment = Annotated[AwareDatetime, AfterValidator(to_utc)]
Name = Annotated[str | None, Query(max_length=200, description="The name of an account.")]
Cursor = Annotated[str | None, Query(pattern="^[0-9]{1,18}$", description="The cursor of the page before.")]


def reader_or_operator(request: Request, credentials: Credentials, force: bool = False) -> Person:
    """A dependency: asking the processor takes the role operate, looking does not."""
    return admit_bearer(request, credentials, "operate" if force else "read")


@router.get("/refunds/find", dependencies=[Depends(only("identifier"))])
def find_refunds(desk: DeskOf, person: ApiReader, identifier: Wanted) -> shapes.FoundShape:
    """Find refunds by any identifier: the processor's, yours, the payment's, or the acquirer's reference."""
    return shapes.FoundShape(refunds=[shapes.RefundShape.of(one) for one in desk.ledger.find(identifier)])


@router.get("/refunds", dependencies=[Depends(only(*_FILTERS))])
def list_refunds(
    desk: DeskOf,
    person: ApiReader,
    account: Name = None,
    status: RefundStatus | None = None,
    needs_attention: bool | None = None,
    is_open: Annotated[bool | None, Query(alias="open", description="Not settled yet; or settled.")] = None,
    since: Annotated[Moment | None, Query(description="In the ledger from this time on.")] = None,
    until: Annotated[Moment | None, Query(description="In the ledger before this time.")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> shapes.PageShape:
    """List refunds, newest first. With ``needs_attention=true`` those that a person should look at."""
    filters = Filters(
        account=account,
        status=status,
        needs_attention=needs_attention,
        open=is_open,
        since=since,
        until=until,
    )
    return shapes.PageShape.of(desk.ledger.page(filters, cursor=cursor, limit=limit))


@router.post("/refunds", status_code=201, dependencies=[Depends(only())], responses=documented(NOT_FOUND | UNREADABLE))
def track_refund(desk: DeskOf, person: ApiOperator, refund: shapes.NewRefund) -> shapes.RefundShape:
    """Track a refund: it is asked for from now on. Tracking it again changes nothing."""
    if refund.account not in desk.clients:
        raise Problem(404, "there is no such account here")
    expected = refund.expected.money() if refund.expected else None
    return shapes.RefundShape.of(desk.ledger.track(refund.account, refund.query(), expected_amount=expected))


@router.get(
    "/refunds/{number}", dependencies=[Depends(only("force"))], responses=documented(NOT_FOUND | FROM_PROCESSOR)
)
def show_refund(
    desk: DeskOf,
    person: Annotated[Person, Depends(reader_or_operator)],
    number: Number,
    force: Annotated[bool, Query(description="Ask the processor first; takes the role operate.")] = False,
) -> shapes.HistoryShape:
    """Show one refund with everything that was said about it."""
    record = _known(desk, number)
    if force:
        desk.ask_now(record)
    return shapes.HistoryShape.of(desk.ledger.history(record.account, record.id))


@router.post(
    "/refunds/{number}/acknowledge",
    dependencies=[Depends(only())],
    responses=documented(NOT_FOUND | UNREADABLE | SEEN_ANOTHER),
)
def acknowledge_refund(
    desk: DeskOf, person: ApiOperator, number: Number, looked: shapes.LookedShape | None = None
) -> shapes.RefundShape:
    """Say that somebody has looked at a refund: it needs attention again only for something new.

    With ``seen`` nothing is done where there is another reason by now; a 409 has it as its member ``attention``.
    """
    seen = looked.seen if looked else None
    record = desk.ledger.acknowledge(_known(desk, number).id, seen=seen)
    if seen is not None and record.needs_attention:
        raise Problem(409, "there is another reason by now: look at it first", more={"attention": record.attention})
    return shapes.RefundShape.of(record)


@router.get("/refunds/{number}/raw", dependencies=[Depends(only())], responses=documented(NOT_FOUND))
def show_raw(desk: DeskOf, person: ApiOperator, number: Number) -> shapes.RawShape:
    """Show the raw bodies behind a refund. They hold personal data."""
    record = _known(desk, number)
    answers = desk.ledger.answers_of(record.id).items()
    return shapes.RawShape(
        answers={digest: body.decode(errors="replace") for digest, body in answers},
        events=[shapes.EventShape.of(one) for one in desk.ledger.events_of(record.id)],
    )


@router.get("/totals", dependencies=[Depends(only())])
def show_totals(desk: DeskOf, person: ApiReader) -> shapes.TotalsShape:
    """Count refunds and sum their amounts, by account, status and currency."""
    return shapes.TotalsShape(totals=[shapes.TotalShape.of(one) for one in desk.ledger.totals()])


@router.get("/audit", dependencies=[Depends(only("before", "limit"))])
def show_audit(
    desk: DeskOf,
    person: ApiAdmin,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Entries with a lower id.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> shapes.EntriesShape:
    """Show who asked what, newest first."""
    return shapes.EntriesShape.of(read_entries(desk.ledger.database, before=before, limit=limit))


def _known(desk: Desk, number: int) -> RefundRecord:
    found = desk.ledger.find(number)
    if not found:
        raise RefundNotFound("the ledger has no refund of this number")
    return found[0]
