"""Cashfree keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from refundry import Delivery, ErrorInfo, Money, Refund, RefundClient, RefundQuery, Window, errors
from refundry.http import Response
from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_cashfree import Cashfree

SECRET = "our own client secret"
KEYS: dict[str, Any] = {"client_id": "our own client", "client_secret": SECRET}
IDS: dict[str, Any] = {"connector_transaction_id": "order-17", "merchant_refund_id": "return_17"}
HOOKS = connector_hooks(Cashfree(**KEYS))
NOW = datetime(2026, 2, 15, 9, 0, 0, 250_000, tzinfo=UTC)
WINDOW = Window(since=datetime(2026, 2, 1, tzinfo=UTC), until=NOW, page_size=2)


class TestCashfree(ConnectorContract):
    connector = Cashfree
    # cashfree.com/docs: the list of values and the description of refund_status, and the questions about refunds
    documented = {"SUCCESS", "PENDING", "CANCELLED", "ONHOLD", "FAILED"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "cf_payment_id": "70017",
        "cf_refund_id": "80017",
        "refund_id": "return_17",
        "order_id": "order-17",
        "refund_amount": 12.30,
        "refund_currency": "INR",
        "refund_note": "one cup was broken",
        "refund_status": "SUCCESS",
        "status_description": "Done",
        "refund_arn": "ARN0017",
        "created_at": "2026-02-14T08:30:00+05:30",
        "processed_at": "2026-02-15T09:45:10+05:30",
        **changes,
    }


def answer(body: object, status_code: int = 200, **headers: str) -> Response:
    return Response(status_code, {"Content-Type": "application/json", **headers}, json.dumps(body).encode())


def mapped(**changes: object) -> Refund:
    refund = HOOKS.map_refund(RefundQuery(), answer(entity(**changes)), ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        **IDS,
        connector_refund_id="80017",
        status=SUCCEEDED,
        connector_status="SUCCESS",
        refund_amount=Money(1230, "INR"),
        refund_reason="one cup was broken",
        created_at=datetime(2026, 2, 14, 3, 0, tzinfo=UTC),
        processed_at=datetime(2026, 2, 15, 4, 15, 10, tzinfo=UTC),
        acquirer_reference_number="ARN0017",
        metadata={"cf_payment_id": "70017"},
    )


WORDS = {"PENDING": PENDING, "SUCCESS": SUCCEEDED, "ONHOLD": MANUAL_REVIEW, "CANCELLED": FAILED, "FAILED": FAILED}
OTHERS = {"OK": UNKNOWN, "Success": UNKNOWN, "REVERSED": UNKNOWN, None: UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *OTHERS.items()])
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(refund_status=word)
    error = ErrorInfo(message="Done") if status in (FAILED, MANUAL_REVIEW) else None
    assert (refund.status, refund.connector_status, refund.error) == (status, word, error)


@pytest.mark.parametrize(("number", "minor"), [(2.00, 200), (39, 3900), (0.1, 10), (2.001, None), (-1, None)])
def test_amounts_are_decimal_numbers_in_major_units(number: float, minor: int | None) -> None:
    refund = mapped(refund_amount=number)
    assert refund.refund_amount == (None if minor is None else Money(minor, "INR"))
    assert bool(refund.problems) is (minor is None)


def test_a_get_names_the_merchants_own_ids_and_the_version() -> None:
    wiring = Wiring(Cashfree, [mapped()])
    wiring.client({**wiring.settings, "api_version": "2022-09-01"}).get(**IDS)
    sent = wiring.sent[0]
    assert sent.url == "https://sandbox.cashfree.com/pg/orders/order-17/refunds/return_17"
    key = (wiring.settings["client_id"], wiring.settings["client_secret"], "2022-09-01")
    assert tuple(sent.headers[name] for name in ("x-client-id", "x-client-secret", "x-api-version")) == key


def asked(status_code: int, kind: object, **headers: str) -> errors.RefundryError:
    wiring = Wiring(Cashfree)
    body = {"message": "Kim Miller's refund", "code": "ours", "type": kind}
    wiring.tamper = lambda _: answer(body, status_code, **{"x-request-id": "req-17", **headers})
    with pytest.raises(errors.RefundryError) as caught:
        wiring.client().get(**IDS)
    assert "Miller" not in str(caught.value)
    return caught.value


KINDS: dict[Any, list[tuple[int, object]]] = {
    errors.ConnectorError: [(400, "validation_error"), (409, "idempotency_error"), (422, "invalid_request_error")],
    errors.AuthenticationError: [(401, "authentication_error"), (404, "authentication_error"), (401, None)],
    errors.RefundNotFound: [(404, "invalid_request_error"), (404, ["odd"])],
    errors.ProcessorUnavailable: [(500, "api_connection_error"), (502, "bad_gateway_error"), (500, None)],
    errors.RateLimited: [(429, "rate_limit_error"), (429, "authentication_error"), (429, None)],
    errors.MappingError: [(200, "invalid_request_error")],
}


@pytest.mark.parametrize(("expected", "answers"), KINDS.items())
def test_every_documented_error(expected: Any, answers: list[tuple[int, object]]) -> None:
    for status_code, kind in answers:
        assert type(asked(status_code, kind)) is expected
    error = asked(403, "feature_not_enabled")
    assert (type(error), error.code, error.request_id) == (errors.AuthenticationError, "ours", "req-17")


@pytest.mark.parametrize(("given", "wait"), [("40", 40), ("", 50), ("soon", 50), ("-1", 50), ("9" * 5000, 50)])
def test_a_busy_processor_says_how_long_to_wait(given: str, wait: int) -> None:
    error = asked(429, "rate_limit_error", **{"x-ratelimit-retry": given, "Retry-After": "50"})
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after == timedelta(seconds=wait)


def row(**changes: object) -> dict[str, Any]:
    facts = {"event_type": "REFUND", "event_status": "SUCCESS", "event_amount": 12.30, "event_currency": "INR"}
    return {**facts, "order_id": "order-17", "refund_id": "return_17", "cf_payment_id": 70017, **changes}


def test_the_ledger_is_asked_in_whole_seconds_and_page_by_page() -> None:
    for cursor in (None, "what Cashfree gave"):
        request = HOOKS.fetch_refunds(WINDOW, cursor)
        filters = {"start_date": "2026-02-01T00:00:00Z", "end_date": "2026-02-15T09:00:00Z"}
        assert (request.method, request.path) == ("POST", "/recon")
        assert request.json == {"pagination": {"limit": 2, "cursor": cursor}, "filters": filters}


def test_the_ledger_ends_without_a_cursor_or_without_rows() -> None:
    for rows, cursor, following in (([row()], "x", "x"), ([row()], 7, "7"), ([row()], None, None), ([], "x", None)):
        found = HOOKS.map_refunds(WINDOW, None, answer({"cursor": cursor, "limit": 2, "data": rows}))
        assert found.cursor == following
    for odd in (row(), row(data={}), row(data=[row()], cursor={"odd": 1})):
        with pytest.raises(errors.MappingError):
            HOOKS.map_refunds(WINDOW, None, answer(odd))


def test_only_refunds_in_the_ledger_are_asked_for() -> None:
    others = ("PAYMENT", "SETTLEMENT", "DISPUTE", "DISPUTE_REVERSAL", "CHARGEBACK", "CHARGEBACK_REVERSAL")
    rows = [row(), *(row(event_type=kind) for kind in (*others, "OTHER_ADJUSTMENT", "REFUND_REVERSAL"))]
    odd = [row(event_type=None), row(refund_id=None), row(order_id={}), row(refund_id="a\nb"), None, {}]
    found = HOOKS.map_refunds(WINDOW, None, answer({"cursor": None, "data": [*rows, *odd]}))
    assert found.hints == [RefundQuery(**IDS), RefundQuery(**IDS)]
    assert (list(found.refunds), len(found.problems)) == ([], len(odd))


def test_the_refunds_of_one_order_come_as_a_bare_array() -> None:
    window = attrs.evolve(WINDOW, connector_transaction_id="order/17")
    request = HOOKS.fetch_refunds(window, None)
    assert (request.method, request.path) == ("GET", "/orders/order%2F17/refunds")
    found = HOOKS.map_refunds(window, None, answer([entity(), {"odd": True}]))
    assert (list(found.refunds), len(found.problems), found.cursor) == ([mapped()], 1, None)
    with pytest.raises(errors.MappingError):
        HOOKS.map_refunds(window, None, answer({"data": []}))


def body_of(kind: object = "REFUND_STATUS_WEBHOOK", place: str = "refund", **changes: object) -> bytes:
    return json.dumps({"data": {place: entity(**changes)}, "event_time": "2026-02-15T14:30:00", "type": kind}).encode()


def delivered(body: bytes, *, sent: str | None = None, between: str = "", key: str = SECRET, **more: Any) -> Delivery:
    stamp = str(int(NOW.timestamp() * 1000)) if sent is None else sent
    digest = hmac.new(key.encode(), f"{stamp}{between}".encode() + body, hashlib.sha256).digest()
    headers = {"x-webhook-timestamp": stamp, "x-webhook-signature": base64.b64encode(digest).decode()}
    client = RefundClient("cashfree", client_secret=SECRET, **more)
    return client.handle_event(body=body, headers=headers, received_at=NOW)


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_an_event_holds_the_refund_with_identifiers_as_numbers(word: str, status: object) -> None:
    raw = body_of(cf_refund_id=80017, cf_payment_id=70017, refund_status=word)
    delivery = delivered(raw)
    (event,) = delivery.events
    assert event.refund is not None
    assert (event.refund.status, event.refund.connector_refund_id) == (status, "80017")
    assert event.query == RefundQuery(
        **IDS, connector_refund_id="80017", currency="INR", metadata={"cf_payment_id": "70017"}
    )
    assert delivery.reply.status_code == 200


def test_an_automatic_refund_may_have_no_order() -> None:
    changes = {"order_id": None, "refund_id": None, "refund_note": None, "refund_reason": "paid twice"}
    (event,) = delivered(body_of("AUTO_REFUND_STATUS_WEBHOOK", "auto_refund", **changes)).events
    assert event.refund is not None
    assert (event.refund.status, event.refund.refund_reason) == (SUCCEEDED, "paid twice")
    assert (event.query.connector_refund_id, event.query.connector_transaction_id) == ("80017", None)
    with pytest.raises(errors.MappingError):
        delivered(body_of("REFUND_STATUS_WEBHOOK", "auto_refund"))


@pytest.mark.parametrize("kind", ["PAYMENT_SUCCESS_WEBHOOK", "WEBHOOK", "", None])
def test_an_event_about_something_else_is_acknowledged_and_ignored(kind: object) -> None:
    delivery = delivered(body_of(kind))
    assert (list(delivery.events), delivery.reply.status_code) == ([], 200)


def test_the_raw_body_is_signed_right_after_the_time() -> None:
    raw = body_of().replace(b"12.3,", b"12.30,")
    (event,) = delivered(raw).events
    assert event.query.connector_refund_id == "80017"
    with pytest.raises(errors.SignatureError):
        delivered(raw, between=".")


@pytest.mark.parametrize("sent", ["", "soon", "-1", "0", str(int(NOW.timestamp())), "9" * 30, "१७"])
def test_a_time_that_is_not_in_milliseconds_is_refused(sent: str) -> None:
    with pytest.raises(errors.SignatureError):
        delivered(body_of(), sent=sent)


def test_another_active_key_may_sign() -> None:
    assert delivered(body_of(), key="the oldest", webhook_secret=["the oldest", "another"]).events
    assert delivered(body_of(), webhook_secret="the oldest").events
    with pytest.raises(errors.SignatureError):
        delivered(body_of(), key="the oldest")
