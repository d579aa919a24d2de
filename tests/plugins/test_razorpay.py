"""Razorpay keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from refundry import RefundClient
from refundry.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    MappingError,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_razorpay import Razorpay

SECRET = "the webhook's own secret"
KEYS: dict[str, Any] = {"key_id": "rzp_test_OurOwnKeyOnly1", "key_secret": "our own key secret"}
CREATED = datetime(2026, 2, 14, 7, 30, tzinfo=UTC)


class TestRazorpay(ConnectorContract):
    connector = Razorpay
    # razorpay.com/docs/api/refunds/entity; "reversed" is in razorpay.com/docs/payments/refunds/faqs alone.
    documented = {"pending", "processed", "failed", "reversed"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    made: dict[str, Any] = {
        "id": "rfnd_Refundry000001",
        "entity": "refund",
        "amount": 12_345,
        "currency": "INR",
        "payment_id": "pay_Refundry0000001",
        "notes": {"comment": "sent back by the customer"},
        "receipt": "return-17",
        "acquirer_data": {"arn": "70000000000000000000017"},
        "created_at": int(CREATED.timestamp()),
        "batch_id": None,
        "status": "processed",
        "speed_processed": "normal",
        "speed_requested": "optimum",
    }
    return {**made, **changes}


def mapped(**changes: object) -> Refund:
    response = Response(200, {}, json.dumps(entity(**changes)).encode())
    refund = connector_hooks(Razorpay(**KEYS)).map_refund(RefundQuery(connector_refund_id="x"), response, ())
    assert isinstance(refund, Refund)
    return refund


# Get


def test_a_get_asks_for_the_refund_alone_and_carries_no_credential() -> None:
    request = connector_hooks(Razorpay(**KEYS)).fetch_refund(RefundQuery(connector_refund_id="rfnd_Refundry000001"))
    assert (request.method, request.path, dict(request.params)) == ("GET", "/v1/refunds/rfnd_Refundry000001", {})
    assert not request.headers


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id="rfnd_Refundry000001",
        connector_transaction_id="pay_Refundry0000001",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="processed",
        refund_amount=Money(12_345, "INR"),
        created_at=CREATED,
        acquirer_reference_number="70000000000000000000017",
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", PENDING),
        ("processed", SUCCEEDED),
        ("failed", FAILED),
        ("reversed", UNKNOWN),
        ("created", UNKNOWN),
        ("Processed", UNKNOWN),
        (None, UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(status=word)
    assert refund.status is status
    assert refund.connector_status == (word or None)


@pytest.mark.parametrize("word", [True, {}, ["processed"], 1.5])
def test_a_status_that_is_no_text_is_a_mapping_error(word: object) -> None:
    with pytest.raises(MappingError, match="status"):
        mapped(status=word)


def test_the_speed_is_no_status() -> None:
    refund = mapped(status="pending", speed_processed="instant", speed_requested="optimum")
    assert refund.status is PENDING


@pytest.mark.parametrize("notes", [[], {}, None, {"comment": "text"}, ["odd"], "odd"])
def test_notes_of_every_form_are_left_alone(notes: object) -> None:
    refund = mapped(notes=notes)
    assert refund.refund_reason is None
    assert refund.problems == ()


@pytest.mark.parametrize(
    ("data", "reference"),
    [
        ({"arn": "700"}, "700"),
        ({"rrn": "701"}, "701"),
        ({"utr": "702"}, "702"),
        ({"arn": None, "rrn": "701", "utr": "702"}, "701"),
        ({"arn": "", "utr": "702"}, "702"),
        ({"arn": None}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_the_bank_reference_is_an_arn_or_rrn_or_utr(data: object, reference: str | None) -> None:
    refund = mapped(acquirer_data=data)
    assert refund.acquirer_reference_number == reference
    assert refund.problems == ()


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(295, "JPY", "295 JPY"), (99_990, "KWD", "99.990 KWD"), (1, "INR", "0.01 INR"), (7, "ISK", "7 ISK")],
)
def test_amounts_are_in_the_smallest_unit(amount: int, currency: str, text: str) -> None:
    refund = mapped(amount=amount, currency=currency)
    assert str(refund.refund_amount) == text
    assert refund.refund_amount == Money(amount, currency)


@pytest.mark.parametrize(
    "changes", [{"currency": ""}, {"currency": "RUPEES"}, {"amount": "much"}, {"amount": -1}, {"amount": 1.5}]
)
def test_an_amount_that_cannot_be_read_is_none_and_reported(changes: dict[str, object]) -> None:
    refund = mapped(**changes)
    assert refund.status is SUCCEEDED
    assert refund.refund_amount is None
    assert any("amount" in problem for problem in refund.problems)


def test_absent_identifiers_and_times_are_none() -> None:
    refund = mapped(payment_id=None, receipt=None, created_at=None)
    assert (refund.connector_transaction_id, refund.merchant_refund_id, refund.created_at) == (None, None, None)
    assert refund.problems == ()


@pytest.mark.parametrize("odd", [None, "", [], {}, True])
def test_an_answer_without_the_refunds_id_is_a_mapping_error(odd: object) -> None:
    with pytest.raises(MappingError, match="id"):
        mapped(id=odd)


# Errors


def asked(status_code: int, body: object) -> type[RefundryError]:
    wiring = Wiring(Razorpay)
    wiring.tamper = lambda _: Response(status_code, {"Content-Type": "application/json"}, json.dumps(body).encode())
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(connector_refund_id="rfnd_Refundry000001")
    assert caught.value.status_code == status_code
    return type(caught.value)


def refusal(description: str, code: str = "BAD_REQUEST_ERROR") -> dict[str, object]:
    facts = {"code": code, "description": description, "source": "NA", "step": "NA", "reason": "NA", "metadata": {}}
    return {"error": facts}


@pytest.mark.parametrize(
    ("status_code", "description", "expected"),
    [
        (400, "The id provided does not exist", RefundNotFound),
        (400, "rfnd_short is not a valid id", RefundNotFound),
        (400, "The requested URL was not found on the server.", ConnectorError),
        (404, "The requested URL was not found on the server.", ConnectorError),
        (400, "The payment id field is required.", ConnectorError),
        (400, "", ConnectorError),
        (401, "The api key provided is invalid", AuthenticationError),
        (400, "The api secret provided is invalid", AuthenticationError),
        (400, "The API {key/secret} provided is invalid.", AuthenticationError),
        (400, "Authentication failed", AuthenticationError),
        (400, "Access Denied", AuthenticationError),
        (401, "", AuthenticationError),
        (401, "The id provided does not exist", AuthenticationError),
        (403, "Access Denied", AuthenticationError),
        (429, "The id provided does not exist", RateLimited),
        (429, "Too many requests", RateLimited),
        (500, "The server met an error", ProcessorUnavailable),
        (502, "The id provided does not exist", ProcessorUnavailable),
        (504, "The gateway did not answer", ProcessorUnavailable),
    ],
)
def test_a_refusal_is_told_by_its_description(status_code: int, description: str, expected: object) -> None:
    assert asked(status_code, refusal(description)) is expected


def test_a_refusal_in_its_simple_form() -> None:
    assert asked(400, {"message": "Access Denied"}) is AuthenticationError
    assert asked(400, {"message": "no"}) is ConnectorError


@pytest.mark.parametrize("body", [{"error": "odd"}, {"error": {"description": ["odd"]}}, [], None, "odd", {}])
def test_a_refusal_of_an_unknown_form_keeps_its_http_status(body: object) -> None:
    assert asked(400, body) is ConnectorError
    assert asked(401, body) is AuthenticationError
    assert asked(500, body) is ProcessorUnavailable


def test_an_error_keeps_the_code_and_shows_nothing_of_the_body() -> None:
    wiring = Wiring(Razorpay)
    body = json.dumps(refusal("rfnd_of_a_customer is not a valid id")).encode()
    wiring.tamper = lambda _: Response(400, {"Content-Type": "application/json"}, body)
    with pytest.raises(RefundNotFound) as caught:
        wiring.client().get(connector_refund_id="rfnd_Refundry000001")
    assert caught.value.code == "BAD_REQUEST_ERROR"
    assert "customer" not in str(caught.value)


def test_an_error_body_in_a_good_answer_is_no_refund() -> None:
    assert asked(200, refusal("The id provided does not exist")) is MappingError


# List


def window(**changes: Any) -> Window:
    given = {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 3, 1, 0, 0, 0, 500_000, tzinfo=UTC)}
    return Window(**{**given, **changes})


def page_of(count: int) -> Response:
    items = [entity(id=f"rfnd_{number}") for number in range(count)]
    return Response(200, {}, json.dumps({"entity": "collection", "count": count, "items": items}).encode())


def test_a_list_covers_the_window_whether_its_ends_count_or_not() -> None:
    request = connector_hooks(Razorpay(**KEYS)).fetch_refunds(window(page_size=25), None)
    params: dict[str, Any] = dict(request.params)
    assert request.path == "/v1/refunds"
    assert (params["count"], params["skip"]) == (25, 0)
    assert datetime.fromtimestamp(params["from"], UTC) < datetime(2026, 2, 1, tzinfo=UTC)
    assert datetime.fromtimestamp(params["to"], UTC) > datetime(2026, 3, 1, tzinfo=UTC)


def test_a_list_of_one_payment_is_not_cut_by_time() -> None:
    request = connector_hooks(Razorpay(**KEYS)).fetch_refunds(window(connector_transaction_id="pay_A/B"), "100")
    assert request.path == "/v1/payments/pay_A%2FB/refunds"
    assert dict(request.params) == {"count": 100, "skip": "100"}


@pytest.mark.parametrize(
    ("cursor", "items", "following"),
    [(None, 3, "3"), (None, 2, None), (None, 0, None), ("3", 3, "6"), ("6", 1, None), ("6", 0, None)],
)
def test_the_offset_is_counted_here_and_a_short_page_is_the_last(
    cursor: str | None, items: int, following: str | None
) -> None:
    page = connector_hooks(Razorpay(**KEYS)).map_refunds(window(page_size=3), cursor, page_of(items))
    assert len(page.refunds) == items
    assert page.cursor == following


@pytest.mark.parametrize("items", [None, {}, "odd", 3, True])
def test_a_page_whose_items_are_no_list_is_a_mapping_error(items: object) -> None:
    response = Response(200, {}, json.dumps({"entity": "collection", "count": 1, "items": items}).encode())
    with pytest.raises(MappingError, match="items"):
        connector_hooks(Razorpay(**KEYS)).map_refunds(window(), None, response)


def test_the_refunds_of_one_payment_are_listed_whenever_they_were_made() -> None:
    made = [
        Refund(
            connector_refund_id=f"rfnd_{year}",
            connector_transaction_id=payment,
            status=SUCCEEDED,
            connector_status="processed",
            created_at=datetime(year, 1, 1, tzinfo=UTC),
        )
        for year, payment in ((2019, "pay_A"), (2022, "pay_B"), (2026, "pay_A"))
    ]
    listed = Wiring(Razorpay, made).client().list(connector_transaction_id="pay_A", page_size=1)
    assert [refund.connector_refund_id for refund in listed] == ["rfnd_2026", "rfnd_2019"]


# Webhooks


def body_of(kind: str, **changes: object) -> bytes:
    payment = {"id": "pay_Refundry0000001", "entity": "payment", "status": "failed", "captured": False, "notes": {}}
    payload = {"refund": {"entity": entity(**changes)}, "payment": {"entity": payment}}
    return json.dumps(
        {"entity": "event", "event": kind, "contains": ["refund", "payment"], "payload": payload}
    ).encode()


def delivered(body: bytes, *, signed_with: str = SECRET, event_id: str = "", **settings: Any) -> Delivery:
    signature = hmac.new(signed_with.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Razorpay-Signature": signature, "x-razorpay-event-id": event_id}
    return RefundClient("razorpay", **{"webhook_secret": SECRET, **settings}).handle_event(body=body, headers=headers)


@pytest.mark.parametrize("kind", ["refund.created", "refund.processed", "refund.failed", "refund.speed_changed"])
@pytest.mark.parametrize(
    ("word", "status"), [("pending", PENDING), ("processed", SUCCEEDED), ("failed", FAILED), ("reversed", UNKNOWN)]
)
def test_the_refund_says_its_status_and_the_event_does_not(kind: str, word: str, status: object) -> None:
    (event,) = delivered(body_of(kind, status=word)).events
    assert event.refund is not None
    assert event.refund.status is status
    assert event.refund.connector_status == word
    assert event.query.connector_refund_id == "rfnd_Refundry000001"


@pytest.mark.parametrize("kind", ["payment.failed", "payment.captured", "refund", "refund.unheard_of", ""])
def test_an_event_about_something_else_is_acknowledged_and_ignored(kind: str) -> None:
    delivery = delivered(body_of(kind))
    assert delivery.events == []
    assert delivery.reply.status_code == 200


def test_the_event_id_stands_in_a_header() -> None:
    (event,) = delivered(body_of("refund.processed"), event_id="EvRefundry00001").events
    assert event.event_id == "EvRefundry00001"


def test_without_that_header_duplicates_still_share_an_id() -> None:
    first, second = (delivered(body_of("refund.processed")).events[0].event_id for _ in range(2))
    other = delivered(body_of("refund.failed")).events[0].event_id
    assert first
    assert first == second != other


@pytest.mark.parametrize("secrets", [["new", SECRET], [SECRET, "new"], {"new": "new", "old": SECRET}])
def test_a_retry_signed_with_the_old_secret_is_accepted(secrets: object) -> None:
    assert delivered(body_of("refund.processed"), webhook_secret=secrets).events


def test_the_key_secret_does_not_sign_webhooks() -> None:
    with pytest.raises(SignatureError):
        delivered(body_of("refund.processed"), signed_with=KEYS["key_secret"], **KEYS)


def test_a_receipt_that_is_no_identifier_does_not_stop_an_event() -> None:
    (event,) = delivered(body_of("refund.processed", receipt="return\u00a017\n")).events
    assert event.refund is not None
    assert event.refund.merchant_refund_id == "return\u00a017\n"


@pytest.mark.parametrize("payload", [None, {}, [], {"refund": []}, {"refund": {"entity": []}}, {"refund": {}}])
def test_a_refund_event_without_its_refund_is_a_mapping_error(payload: object) -> None:
    body = json.dumps({"entity": "event", "event": "refund.processed", "payload": payload}).encode()
    with pytest.raises(MappingError):
        delivered(body)


def test_a_signature_over_utf8_bytes() -> None:
    secret = "geheim-größe-₹"
    body = json.dumps({"event": "refund.processed", "payload": {"refund": {"entity": entity(receipt="Bücher ₹")}}})
    raw = body.encode().replace(b"\\u20b9", "₹".encode())
    (event,) = delivered(raw, signed_with=secret, webhook_secret=secret).events
    assert event.refund is not None
    assert event.refund.merchant_refund_id == "Bücher ₹"


# Settings


@pytest.mark.parametrize(
    ("key_id", "environment"), [("rzp_live_Refundry", "SANDBOX"), ("rzp_test_Refundry", "PRODUCTION")]
)
def test_a_key_of_the_other_environment_is_refused(key_id: str, environment: str) -> None:
    with pytest.raises(ConfigurationError, match="key_id"):
        RefundClient("razorpay", key_id=key_id, key_secret="secret", environment=environment)


def test_the_key_goes_into_basic_authentication() -> None:
    wiring = Wiring(Razorpay)
    with pytest.raises(RefundNotFound):
        wiring.client().get(connector_refund_id="rfnd_Refundry000001")
    expected = "Basic cnpwX3Rlc3RfUmVmdW5kcnlTYW5kYm94OlJlZnVuZHJ5U2FuZGJveEtleVNlY3JldA=="
    assert wiring.sent[0].headers["Authorization"] == expected


# Sandbox


def test_the_sandbox_renders_the_documented_shape() -> None:
    wiring = Wiring(Razorpay)
    body = wiring.hooks.render_refund(mapped()).json()
    assert set(body) == set(entity())
    event = wiring.event(mapped(status="failed"))
    assert event.json()["event"] == "refund.failed"
    assert event.json()["contains"] == ["refund", "payment"]


def test_the_sandbox_renders_an_unavailable_processor() -> None:
    wiring = Wiring(Razorpay)
    wiring.tamper = lambda _: wiring.hooks.render_error(ProcessorUnavailable("down"))
    with pytest.raises(ProcessorUnavailable):
        wiring.client().get(connector_refund_id="rfnd_Refundry000001")
