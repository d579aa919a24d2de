"""GoCardless keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import Delivery, RefundClient, RefundQuery, errors
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, ErrorInfo, Money, Refund, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_gocardless import GoCardless

TOKEN: dict[str, Any] = {"access_token": "sandbox_ours"}
SECRET = "our own endpoint secret"
START = datetime(2026, 2, 14, 7, 30, tzinfo=UTC)
WINDOW = Window(since=START, until=START + timedelta(days=1), page_size=2)
PM_WINDOW = Window(since=START, until=START + timedelta(days=1), connector_transaction_id="PM17")


class TestGoCardless(ConnectorContract):
    connector = GoCardless
    # developer.gocardless.com/api-reference#core-endpoints-refunds
    documented = {"created", "pending_submission", "submitted", "paid", "cancelled", "bounced", "funds_returned"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "id": "RF17",
        "amount": 1230,
        "created_at": "2026-02-14T07:30:00.250Z",
        "currency": "EUR",
        "reference": "RETURN17",
        "metadata": {"order": "return-17"},
        "fx": {"estimated_exchange_rate": None, "exchange_rate": "1.25", "fx_amount": 9999, "fx_currency": "GBP"},
        "links": {"mandate": "MD17", "payment": "PM17"},
        "status": "paid",
        **changes,
    }


def mapped(settings: dict[str, Any] = TOKEN, **changes: object) -> Refund:
    response = Response(200, {}, json.dumps({"refunds": entity(**changes)}).encode())
    refund = connector_hooks(GoCardless(**settings)).map_refund(RefundQuery(), response, ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id="RF17",
        connector_transaction_id="PM17",
        merchant_refund_id="RETURN17",
        status=SUCCEEDED,
        connector_status="paid",
        refund_amount=Money(1230, "EUR"),
        created_at=START.replace(microsecond=250_000),
    )


WORDS = {"created": PENDING, "pending_submission": PENDING, "submitted": PENDING, "paid": SUCCEEDED}
FAILURES = {"cancelled": FAILED, "bounced": FAILED, "funds_returned": FAILED}
SPELLINGS = {"canceled": UNKNOWN, "failed": UNKNOWN, "refund_settled": UNKNOWN, "Paid": UNKNOWN, None: UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *FAILURES.items(), *SPELLINGS.items()])
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status, refund.error) == (status, word, None)


def test_the_merchants_id_is_the_reference_or_what_the_metadata_hold() -> None:
    settings = {**TOKEN, "metadata_key": "order"}
    assert mapped(settings).merchant_refund_id == "return-17"
    assert mapped(settings, metadata={}).merchant_refund_id is None
    assert mapped(reference=None).merchant_refund_id is None


@pytest.mark.parametrize(
    ("links", "payment"), [({"mandate": "MD17"}, "MD17"), ({"payment": "PM17"}, "PM17"), ({}, None), (None, None)]
)
def test_a_refund_may_belong_to_a_mandate_alone(links: object, payment: str | None) -> None:
    assert mapped(links=links).connector_transaction_id == payment


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [("1230", "GBP", Money(1230, "GBP")), (7, "SEK", Money(7, "SEK")), (12.3, "GBP", None), (7, None, None)],
)
def test_amounts_are_in_the_smallest_unit_as_number_or_text(amount: object, currency: object, expected: object) -> None:
    refund = mapped(amount=amount, currency=currency)
    assert refund.refund_amount == expected
    assert bool(refund.problems) is (expected is None)


def test_a_request_names_the_version_and_no_credential() -> None:
    request = connector_hooks(GoCardless(**TOKEN)).fetch_refund(RefundQuery(connector_refund_id="RF17"))
    assert (request.path, dict(request.headers)) == ("/refunds/RF17", {"GoCardless-Version": "2015-07-06"})


def refusal(reason: str | None, kind: str = "invalid_api_usage") -> dict[str, Any]:
    reasons = [{"reason": reason, "message": "a customer's name"}] if reason else [{"field": "id"}]
    return {"error": {"type": kind, "message": "a customer's name", "errors": reasons, "request_id": "our-request"}}


@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (400, refusal("missing_version_header"), errors.ConnectorError, "missing_version_header"),
        (401, refusal("unauthorized"), errors.AuthenticationError, "unauthorized"),
        (401, refusal("access_token_not_found"), errors.AuthenticationError, "access_token_not_found"),
        (403, refusal("insufficient_permissions"), errors.AuthenticationError, "insufficient_permissions"),
        (404, refusal("resource_not_found"), errors.RefundNotFound, "resource_not_found"),
        (404, {"error": "not found"}, errors.RefundNotFound, None),
        (422, refusal(None, "validation_failed"), errors.ConnectorError, "validation_failed"),
        (429, refusal("rate_limit_exceeded"), errors.RateLimited, "rate_limit_exceeded"),
        (500, refusal(None, "gocardless"), errors.ProcessorUnavailable, "gocardless"),
        (500, {"error": {"errors": ["odd"]}}, errors.ProcessorUnavailable, None),
    ],
)
def test_an_error_keeps_reason_and_request_id_and_shows_no_text(
    status: int, body: dict[str, Any], expected: Any, code: str | None
) -> None:
    wiring = Wiring(GoCardless)
    wiring.tamper = lambda _: Response(status, {}, json.dumps(body).encode())
    with pytest.raises(errors.RefundryError) as caught:
        wiring.client().get(connector_refund_id="RF17")
    assert (type(caught.value), caught.value.code) == (expected, code)
    assert caught.value.request_id == ("our-request" if code else None)
    assert "customer" not in str(caught.value)


@pytest.mark.parametrize(
    ("date", "reset", "wait"),
    [
        ("Sat, 14 Feb 2026 07:30:00 GMT", "Sat, 14 Feb 2026 07:30:42 GMT", timedelta(seconds=42)),
        ("Sat, 14 Feb 2026 07:30:00 -0000", "Sat, 14 Feb 2026 07:29:00 GMT", timedelta(0)),
        ("Sat, 14 Feb 2026 07:30:00 GMT", "soon", None),
        ("Sat, 14 Feb 2026 07:30:00 GMT", "", None),
        ("today", "Sat, 14 Feb 2026 07:30:42 GMT", None),
        ("Sat, 14 Feb 99999999999999999999 07:30:00 GMT", "Sat, 14 Feb 2026 07:30:42 GMT", None),
        ("", "Sat, 14 Feb 2026 07:30:42 GMT", None),
    ],
)
def test_the_wait_is_from_the_date_of_the_answer_to_the_reset(date: str, reset: str, wait: timedelta | None) -> None:
    for body in (refusal("rate_limit_exceeded"), {"error": "Rate limit exceeded"}):
        response = Response(429, {"Date": date, "RateLimit-Reset": reset}, json.dumps(body).encode())
        error = connector_hooks(GoCardless(**TOKEN)).map_error(response)
        assert isinstance(error, errors.RateLimited)
        assert error.retry_after == wait


def made(number: int, payment: str) -> Refund:
    ids: dict[str, Any] = {"connector_refund_id": f"RF{number}", "connector_transaction_id": payment}
    return Refund(status=SUCCEEDED, connector_status="paid", created_at=START + timedelta(hours=number), **ids)


def test_a_list_has_the_refunds_of_payments_and_then_those_of_mandates() -> None:
    wiring = Wiring(GoCardless, [made(1, "PM1"), made(2, "MD2"), made(3, "PM1"), made(4, "MD4"), made(24, "PM1")])
    listed = wiring.client().list(since=START, until=START + timedelta(days=1), page_size=1)
    assert [one.connector_refund_id for one in listed] == ["RF3", "RF1", "RF4", "RF2"]


@pytest.mark.parametrize(("payment", "ids", "calls"), [("PM1", ["RF3", "RF1"], 2), ("MD2", ["RF2"], 1)])
def test_one_payments_or_mandates_refunds_are_listed_whenever_made(payment: str, ids: list[str], calls: int) -> None:
    wiring = Wiring(GoCardless, [made(1, "PM1"), made(2, "MD2"), made(3, "PM1"), made(-9999, "MD4")])
    listed = wiring.client().list(connector_transaction_id=payment, page_size=1)
    assert [one.connector_refund_id for one in listed] == ids
    assert len(wiring.sent) == calls


@pytest.mark.parametrize("meta", [None, {}, {"cursors": None}, {"cursors": []}, {"cursors": {"after": ["odd"]}}])
def test_a_page_that_does_not_say_whether_more_follows_is_no_end(meta: object) -> None:
    response = Response(200, {}, json.dumps({"refunds": [entity()], "meta": meta}).encode())
    with pytest.raises(errors.MappingError, match="cursors"):
        connector_hooks(GoCardless(**TOKEN)).map_refunds(PM_WINDOW, None, response)


def event(action: str, **changes: object) -> dict[str, Any]:
    """An event of the documented shape."""
    details = {"origin": "gocardless", "cause": f"refund_{action}", "description": "ours", "reason_code": "R-17"}
    facts = {"id": "EV17", "created_at": "2026-02-14T07:30:00.000Z", "resource_type": "refunds", "action": action}
    return {**facts, "links": {"refund": "RF17"}, "details": details, "metadata": {}, **changes}


def delivered(*events: object, body: bytes | None = None, secret: str = SECRET, signature: str = "") -> Delivery:
    raw = json.dumps({"events": events, "meta": {"webhook_id": "WB17"}}).encode() if body is None else body
    headers = {"Webhook-Signature": signature or hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}
    return RefundClient("gocardless", webhook_endpoint_secret=secret).handle_event(body=raw, headers=headers)


def test_a_signature_of_the_sdks_own_tests() -> None:
    # Secret, body and signature from the webhook tests of gocardless/gocardless-pro-python.
    body = (
        b'{"events":[{"id":"EV00BD05S5VM2T","created_at":"2018-07-05T09:13:51.404Z","resource_type":"subscriptions",'
        b'"action":"created","links":{"subscription":"SB0003JJQ2MR06"},"details":{"origin":"api",'
        b'"cause":"subscription_created","description":"Subscription created via the API."},"metadata":{}},'
        b'{"id":"EV00BD05TB8K63","created_at":"2018-07-05T09:13:56.893Z","resource_type":"mandates","action":"created",'
        b'"links":{"mandate":"MD000AMA19XGEC"},"details":{"origin":"api","cause":"mandate_created",'
        b'"description":"Mandate created via the API."},"metadata":{}}]}'
    )
    signature = "2693754819d3e32d7e8fcb13c729631f316c6de8dc1cf634d6527f1c07276e7e"
    delivery = delivered(body=body, secret="ED7D658C-D8EB-4941-948B-3973214F2D49", signature=signature)
    assert (list(delivery.events), delivery.reply.status_code) == ([], 200)


SAID = {"created": PENDING, "paid": SUCCEEDED, "failed": FAILED, "funds_returned": FAILED}


@pytest.mark.parametrize(("action", "status"), SAID.items())
def test_an_event_says_the_status_and_why_it_failed(action: str, status: object) -> None:
    (one,) = delivered(event(action)).events
    assert one.refund is not None
    assert (one.event_id, one.refund.status, one.refund.updated_at) == ("EV17", status, START)
    assert one.refund.connector_status == ("bounced" if action == "failed" else action)
    error = ErrorInfo(code=f"refund_{action}", message="ours", network_code="R-17")
    assert one.refund.error == (error if status is FAILED else None)


@pytest.mark.parametrize("action", ["refund_settled", "unheard_of", "bounced", None])
def test_an_event_that_says_nothing_of_the_status_is_a_hint(action: Any) -> None:
    (one,) = delivered(event(action, details=["odd"])).events
    assert one.is_hint
    assert one.query == RefundQuery(connector_refund_id="RF17")


def test_a_batch_costs_the_events_that_cannot_be_read() -> None:
    others = [event("paid", resource_type="payments", links={"payment": "PM17"}), event("paid", links={}), ["odd"]]
    delivery = delivered(*others, event("failed", details="odd"))
    assert [one.query.connector_refund_id for one in delivery.events] == ["RF17"]
    assert [problem.field for problem in delivery.problems] == ["links.refund", "body"]


def test_a_wrong_signature_is_answered_with_498() -> None:
    with pytest.raises(errors.SignatureError) as caught:
        delivered(event("paid"), signature="ab" * 32)
    assert caught.value.reply == Response(498)
