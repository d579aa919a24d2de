"""Square keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import RefundClient, errors
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, ErrorInfo, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_square import Square

KEY = "our own signature key"
URL = "https://shop.example.com/webhooks/square?shop=1"
TOKEN: dict[str, Any] = {"access_token": "our own access token"}
START = datetime(2026, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = Window(since=START, until=START + DAY, page_size=50)
PAYMENT = Window(since=START, until=START + DAY, connector_transaction_id="OurOwnPayment")


class TestSquare(ConnectorContract):
    connector = Square
    # developer.squareup.com/reference/square/objects: PaymentRefund, Refund (APPROVED), TerminalRefund (the last three)
    documented = {"PENDING", "COMPLETED", "REJECTED", "FAILED", "APPROVED"}
    documented |= {"IN_PROGRESS", "CANCEL_REQUESTED", "CANCELED"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "id": "OurOwnPayment_OurOwnRefund",
        "status": "COMPLETED",
        "amount_money": {"amount": 1230, "currency": "USD"},
        "payment_id": "OurOwnPayment",
        "destination_type": "CARD",
        "destination_details": {"card_details": {"auth_result_code": "70A17B"}},
        "reason": "one cup was broken",
        "created_at": "2026-02-14T07:30:00.250Z",
        "updated_at": "2026-02-15T07:30:00Z",
        **changes,
    }


def answer(body: object, status_code: int = 200) -> Response:
    return Response(status_code, {}, json.dumps(body).encode())


def mapped(changes: dict[str, object], **beside: object) -> Refund:
    response = answer({"refund": entity(**changes), **beside})
    refund = connector_hooks(Square(**TOKEN)).map_refund(RefundQuery(), response, ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    assert mapped({}) == Refund(
        connector_refund_id="OurOwnPayment_OurOwnRefund",
        connector_transaction_id="OurOwnPayment",
        status=SUCCEEDED,
        connector_status="COMPLETED",
        refund_amount=Money(1230, "USD"),
        refund_reason="one cup was broken",
        created_at=datetime(2026, 2, 14, 7, 30, 0, 250_000, tzinfo=UTC),
        updated_at=datetime(2026, 2, 15, 7, 30, tzinfo=UTC),
    )


WORDS = {"PENDING": PENDING, "COMPLETED": SUCCEEDED, "REJECTED": FAILED, "FAILED": FAILED}
OTHERS = {"APPROVED": UNKNOWN, "CANCELED": UNKNOWN, "Completed": UNKNOWN, None: UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *OTHERS.items()])
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped({"status": word})
    assert (refund.status, refund.connector_status) == (status, word)


@pytest.mark.parametrize(
    ("word", "given", "error"),
    [
        ("FAILED", [{"code": "REFUND_DECLINED", "detail": "no"}, {}], ErrorInfo(code="REFUND_DECLINED", message="no")),
        ("REJECTED", [], None),
        ("COMPLETED", [{"code": "REFUND_DECLINED"}], None),
        ("FAILED", [{}], None),
        ("FAILED", ["odd"], None),
        ("FAILED", {"code": "odd"}, None),
    ],
)
def test_errors_beside_a_failed_refund_say_why(word: str, given: object, error: ErrorInfo | None) -> None:
    refund = mapped({"status": word}, errors=given)
    assert (refund.status, refund.error) == (WORDS[word], error)


@pytest.mark.parametrize(("amount", "currency"), [(295, "JPY"), (99, "GBP"), (-1, None), (1.5, None), ("much", None)])
def test_amounts_are_in_the_smallest_unit(amount: Any, currency: str | None) -> None:
    refund = mapped({"amount_money": {"amount": amount, "currency": currency or "EUR"}})
    assert refund.refund_amount == (Money(amount, currency) if currency else None)
    assert bool(refund.problems) is (currency is None)


def test_a_refund_without_its_payment_is_one() -> None:
    refund = mapped({"payment_id": None, "unlinked": True})
    assert (refund.status, refund.connector_transaction_id, refund.problems) == (SUCCEEDED, None, ())


@pytest.mark.parametrize("body", [{}, {"refund": None}, {"errors": [{"code": "NOT_FOUND"}]}, {"payment": {"id": "1"}}])
def test_a_good_answer_without_the_refund_is_a_mapping_error(body: object) -> None:
    with pytest.raises(errors.MappingError, match="id is missing"):
        connector_hooks(Square(**TOKEN)).map_refund(RefundQuery(), answer(body), ())


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "INVALID_CURSOR", errors.ConnectorError),
        (401, "UNAUTHORIZED", errors.AuthenticationError),
        (401, "ACCESS_TOKEN_EXPIRED", errors.AuthenticationError),
        (401, "ACCESS_TOKEN_REVOKED", errors.AuthenticationError),
        (403, "FORBIDDEN", errors.AuthenticationError),
        (403, "INSUFFICIENT_SCOPES", errors.AuthenticationError),
        (404, "NOT_FOUND", errors.RefundNotFound),
        (404, ["odd"], errors.RefundNotFound),
        (500, "NOT_FOUND", errors.ProcessorUnavailable),
    ],
)
def test_errors_are_told_by_their_code(status: int, code: object, expected: Any) -> None:
    wiring = Wiring(Square)
    wiring.tamper = lambda _: answer({"errors": [{"code": code, "detail": "a customer's name"}]}, status)
    with pytest.raises(expected) as caught:
        wiring.client().get(connector_refund_id="1")
    known = expected in (errors.RefundNotFound, errors.AuthenticationError) and isinstance(code, str)
    assert (type(caught.value), caught.value.code) == (expected, code if known else None)
    assert "customer" not in str(caught.value)


def test_the_version_is_a_header_and_the_location_a_filter() -> None:
    hooks = connector_hooks(Square(**TOKEN, api_version="2026-08-19", location_id="L1"))
    request = hooks.fetch_refunds(WINDOW, "next")
    assert dict(request.headers) == {"Square-Version": "2026-08-19"}
    times = {"begin_time": "2026-01-31T23:59:59Z", "end_time": "2026-02-02T00:00:01Z"}
    assert dict(request.params) == {**times, "location_id": "L1", "limit": 50, "cursor": "next"}
    assert not connector_hooks(Square(**TOKEN)).fetch_refund(RefundQuery(connector_refund_id="1")).headers


@pytest.mark.parametrize(
    ("body", "found", "cursor"),
    [
        ({"cursor": "next"}, 0, "next"),
        ({"refunds": [], "cursor": "next"}, 0, "next"),
        ({"refunds": [entity()], "cursor": ""}, 1, None),
        ({"refunds": [entity()]}, 1, None),
        ({}, 0, None),
    ],
)
def test_the_cursor_alone_ends_a_list(body: dict[str, Any], found: int, cursor: str | None) -> None:
    page = connector_hooks(Square(**TOKEN)).map_refunds(WINDOW, None, answer(body))
    assert (len(page.refunds), page.cursor) == (found, cursor)


@pytest.mark.parametrize(
    ("window", "body"),
    [
        (WINDOW, {"errors": [{"code": "NOT_FOUND"}]}),
        (WINDOW, {"refunds": {}}),
        (WINDOW, {"refunds": [], "cursor": ["odd"]}),
        (PAYMENT, {}),
        (PAYMENT, {"payment": {"refund_ids": []}}),
        (PAYMENT, {"payment": {"id": "OurOwnPayment", "refund_ids": "odd"}}),
    ],
)
def test_an_odd_list_is_no_empty_one(window: Window, body: object) -> None:
    with pytest.raises(errors.MappingError):
        connector_hooks(Square(**TOKEN)).map_refunds(window, None, answer(body))


def test_a_payment_names_its_refunds_which_are_looked_up() -> None:
    facts: dict[str, Any] = {"status": SUCCEEDED, "connector_status": "COMPLETED", "connector_transaction_id": "pay/1"}
    made = [Refund(connector_refund_id=str(day), created_at=START - day * DAY, **facts) for day in range(3)]
    wiring = Wiring(Square, made)
    listed = wiring.client().list(connector_transaction_id="pay/1", since=START)
    assert [one.connector_refund_id for one in listed] == ["0", "1", "2"]
    assert str(wiring.sent[0].url).endswith("/v2/payments/pay%2F1")
    odd = answer({"payment": {"id": "1", "refund_ids": [[]]}})
    page = connector_hooks(Square(**TOKEN)).map_refunds(PAYMENT, None, odd)
    assert (len(page.hints), len(page.problems)) == (0, 1)


def delivered(body: object, signature: str | None = None, **settings: Any) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = base64.b64encode(hmac.digest(KEY.encode(), URL.encode() + raw, hashlib.sha256)).decode()
    client = RefundClient("square", **{"webhook_signature_key": KEY, "webhook_url": URL, **settings})
    headers = {"x-square-hmacsha256-signature": signature or made}
    return client.handle_event(body=raw, headers=headers, url="https://proxy.example.com/hook?shop=1")


def envelope(**changes: object) -> dict[str, Any]:
    data = {"type": "refund", "id": "1", "object": {"refund": entity(status="FAILED", version=10)}}
    facts = {"merchant_id": "OUROWN", "type": "refund.updated", "event_id": "our-own-event"}
    return {**facts, "created_at": "2026-02-15T07:30:01.037339943Z", "data": data, **changes}


# From tests/integration/test_webhooks_helper.py of square/square-python-sdk.
NOTIFICATION = (
    b'{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification",'
    b'"event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z",'
    b'"data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}'
)
SITE = "https://webhook.site/"
FIRST = ("Ibxx_5AKakO-3qeNVR61Dw", f"{SITE}679a4f3a-dcfa-49ee-bac5-9d0edad886b9", NOTIFICATION)
SECOND = ("signature-key", f"{SITE}webhooks", b'{"data":{"type":"webhooks","id":">id<"}}')


@pytest.mark.parametrize(
    ("key", "url", "body", "signature"),
    [
        (*FIRST, "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="),
        (*SECOND, "Cxt7+aTi4rKgcA0bC4g9EHdVtLSDWdqccmL5MvihU4U="),
    ],
)
def test_published_signatures(key: str, url: str, body: bytes, signature: str) -> None:
    assert delivered(body, signature, webhook_signature_key=key, webhook_url=url).events == []
    with pytest.raises(errors.SignatureError):
        delivered(body, signature, webhook_signature_key=key, webhook_url=f"{url}/")


@pytest.mark.parametrize(("own", "foreign"), [(None, False), ("OUROWN", False), ("ANOTHER", True)])
def test_the_refund_says_its_status_and_the_event_its_id_and_seller(own: str | None, foreign: bool) -> None:
    (event,) = delivered(envelope(type="refund.created"), merchant_id=own).events
    assert event.refund is not None
    assert (event.refund.status, event.event_id, event.foreign) == (FAILED, "our-own-event", foreign)


def test_the_time_of_an_event_orders_refunds_that_come_without_theirs() -> None:
    (event,) = delivered(envelope()).events
    assert event.occurred_at == datetime(2026, 2, 15, 7, 30, 1, 37_339, tzinfo=UTC)
    (event,) = delivered(envelope(created_at=None)).events
    assert event.occurred_at is None


@pytest.mark.parametrize("data", [None, {}, {"object": None}, {"object": {"refund": {}}}, {"object": {"refund": []}}])
def test_a_refund_event_without_its_refund_is_a_mapping_error(data: object) -> None:
    with pytest.raises(errors.MappingError):
        delivered(envelope(data=data))


def test_without_the_registered_url_no_event_can_be_verified() -> None:
    with pytest.raises(errors.ConfigurationError, match="webhook_url"):
        delivered(envelope(), webhook_url=None, **TOKEN)
