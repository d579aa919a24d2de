"""The endpoint for webhooks: acknowledged once stored, in the way that each processor expects."""

from __future__ import annotations

import asyncio
from time import perf_counter

from fastapi import Request, Response
from starlette.routing import Route

from refundry.errors import MappingError, RefundryError, SignatureError, UnsupportedOperation
from refundry.http import Event
from refundry.http import Response as Reply
from refundry_web.desk import desk_of
from refundry_web.problems import Problem, problem_of
from refundry_web.service import service_of


async def receive_webhook(request: Request) -> Response:
    """Store one webhook and acknowledge it. One that is not stored is refused, or answered with 503 to come again."""
    began, metrics = perf_counter(), service_of(request).metrics
    account = request.path_params["account"]
    if account not in desk_of(request).clients:
        raise Problem(404, "there is no such account here")
    outcome = "unavailable"
    try:
        event = await _event(request)
        answer = await asyncio.wrap_future(service_of(request).intake.submit(account, event))
        outcome = "refused" if isinstance(answer, RefundryError) else "stored"
        return _refused(answer) if isinstance(answer, RefundryError) else _plain(answer)
    finally:
        metrics.webhooks.labels(account, outcome).inc()
        metrics.webhook_seconds.observe(perf_counter() - began)


async def _event(request: Request) -> Event:
    return Event(
        method=request.method,
        url=str(request.url),
        headers=request.headers.items(),
        body=await request.body(),
        received_at=desk_of(request).clock.now(),
    )


def _refused(error: RefundryError) -> Response:
    match error:
        case SignatureError() if error.reply is not None:
            return _plain(error.reply)
        case SignatureError() | MappingError():
            return Problem(400, error.message).document()
        case UnsupportedOperation():
            return Problem(404, "this account takes no webhooks").document()
        case _:
            return problem_of(error).document()


def _plain(reply: Reply) -> Response:
    return Response(reply.body, reply.status_code, dict(reply.headers))


# A route of Starlette's: whatever FastAPI would do for it costs more than all the rest.
route = Route("/webhooks/{account}", receive_webhook, methods=["GET", "POST"])
