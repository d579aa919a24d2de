"""For whoever runs the service: whether it lives, whether it can work, and its numbers."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import select

from refundry_ledger.schema import accounts
from refundry_web.access import Credentials, DeskOf, bearer
from refundry_web.describing import AWAY, LIMITED, UNAUTHORIZED, documented
from refundry_web.service import service_of
from refundry_web.shapes import StandingShape

router = APIRouter()


@router.get("/health")
def health() -> StandingShape:
    """Say that the process lives."""
    return StandingShape(status="alive")


@router.get("/ready", responses=documented(AWAY))
def ready(desk: DeskOf) -> StandingShape:
    """Say that the database answers; 503 while it does not."""
    with desk.ledger.database.reading() as connection:
        connection.execute(select(accounts.c.id).limit(1))
    return StandingShape(status="ready")


@router.get("/metrics", response_class=PlainTextResponse, responses=documented(UNAUTHORIZED | LIMITED | AWAY))
def metrics(request: Request, credentials: Credentials) -> Response:
    """Show the numbers, to any token. They name no refund, so the audit trail does not have it."""
    bearer(request, credentials)
    return Response(service_of(request).metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
