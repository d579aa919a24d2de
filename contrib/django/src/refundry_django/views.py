"""The view that takes webhooks: stored first, acknowledged then."""

from __future__ import annotations

import logging

from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from sqlalchemy.exc import SQLAlchemyError

from refundry.errors import RefundryError, SignatureError, UnsupportedOperation
from refundry.http import Response
from refundry_django import conf

BODY_LIMIT = 1 << 20
_AGAIN_AFTER = {"Retry-After": "60"}
logger = logging.getLogger("refundry_django.views")


@csrf_exempt
@require_http_methods(["GET", "POST"])
@transaction.non_atomic_requests
def webhook(request: HttpRequest, account: str) -> HttpResponse:
    """Verify and store a webhook of this account, and reply as its processor expects.

    404 for an account that there is not, 413 for a body over 1 MiB, and 503, upon which processors send it again, while
    it cannot be stored.
    """
    try:
        if account not in conf.account_names():
            return HttpResponse("no such account", status=404, content_type="text/plain")
        return _stored(request, account)
    except RequestDataTooBig:
        return HttpResponse(status=413)
    except UnreadablePostError:
        return HttpResponse(status=400)
    except UnsupportedOperation as error:
        return HttpResponse(str(error), status=404, content_type="text/plain")
    except (RefundryError, SQLAlchemyError) as error:
        # SQLAlchemy's own texts hold the statement and its values.
        reason = str(error) if isinstance(error, RefundryError) else type(error).__name__
        logger.error("a webhook of account %s could not be stored: %s", account, reason)
        return HttpResponse(status=503, headers=_AGAIN_AFTER)


def _stored(request: HttpRequest, account: str) -> HttpResponse:
    try:
        receipt = conf.ledger().receive(
            conf.client(account),
            body=_body(request),
            headers=request.headers,
            method=request.method or "POST",
            url=request.build_absolute_uri(),
        )
    except SignatureError as error:
        return _reply(error.reply or Response(400))
    return _reply(receipt.reply)


def _body(request: HttpRequest) -> bytes:
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdigit() and int(declared) > BODY_LIMIT:
        raise RequestDataTooBig
    body = request.body
    if len(body) > BODY_LIMIT:  # a body without a length is known only now
        raise RequestDataTooBig
    return body


def _reply(reply: Response) -> HttpResponse:
    return HttpResponse(reply.body, status=reply.status_code, headers=reply.headers)
