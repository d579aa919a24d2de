"""Rapyd keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import RefundClient, errors
from refundry.http import Moment, Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, ErrorInfo, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_rapyd import Rapyd

KEYS: dict[str, Any] = {"access_key": "OUROWNACCESSKEY00001", "secret_key": "our own secret key"}
URL = "https://shop.example.com/webhooks/rapyd?shop=7"
SENT = datetime(2026, 2, 14, 7, 30, tzinfo=UTC)
SECONDS = int(SENT.timestamp())


class TestRapyd(ConnectorContract):
    connector = Rapyd
    # docs.rapyd.net/en/retrieve-refund.html; the last without certainty about its spelling.
    documented = {"Pending", "Completed", "Error", "Rejected", "Canceled"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    made: dict[str, Any] = {
        "id": "refund_0123456789abcdef0123456789abcde7",
        "amount": 12.34,
        "payment": "payment_0123456789abcdef0123456789abcde7",
        "currency": "EUR",
        "failure_reason": "",
        "metadata": {},
        "reason": "sent back",
        "status": "Completed",
        "receipt_number": 7,
        "created_at": SECONDS,
        "updated_at": SECONDS + 60,
        "merchant_reference_id": "",
        "ewallets": [],
        "proportional_refund": True,
    }
    return {**made, **changes}


def answer(data: object) -> Response:
    call = {"error_code": "", "status": "SUCCESS", "message": "", "response_code": "", "operation_id": "our-call"}
    return Response(200, {}, json.dumps({"status": call, "data": data}).encode())


def mapped(**changes: object) -> Refund:
    hooks = connector_hooks(Rapyd(**KEYS))
    refund = hooks.map_refund(RefundQuery(connector_refund_id="x"), answer(entity(**changes)), ())
    assert isinstance(refund, Refund)
    return refund


def signed(text: str, body: bytes = b"") -> str:
    """As docs.rapyd.net describes it: base64 of the hex digits."""
    message = text.encode() + (KEYS["access_key"] + KEYS["secret_key"]).encode() + body
    digits = hmac.new(KEYS["secret_key"].encode(), message, hashlib.sha256).hexdigest()
    return base64.b64encode(digits.encode()).decode()


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id="refund_0123456789abcdef0123456789abcde7",
        connector_transaction_id="payment_0123456789abcdef0123456789abcde7",
        status=SUCCEEDED,
        connector_status="Completed",
        refund_amount=Money(1234, "EUR"),
        refund_reason="sent back",
        created_at=SENT,
        updated_at=SENT + timedelta(minutes=1),
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", PENDING),
        ("COMPLETED", SUCCEEDED),
        ("Cancelled", FAILED),
        ("SUCCESS", UNKNOWN),
        ("Expired", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_the_refunds_own_word_counts_in_any_case(word: str | None, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (status, word)


def test_a_failure_has_its_reason() -> None:
    assert mapped(status="Rejected", failure_reason="lost_or_stolen_card").error == ErrorInfo(
        code="lost_or_stolen_card"
    )
    assert mapped(failure_reason="unknown").error is None


@pytest.mark.parametrize("data", [None, [], "refund", {}])
def test_a_good_call_without_a_refund_is_a_mapping_error(data: object) -> None:
    wiring = Wiring(Rapyd)
    wiring.tamper = lambda _: answer(data)
    with pytest.raises(errors.MappingError, match="data"):
        wiring.client().get(connector_refund_id="refund_7")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "UNAUTHENTICATED_API_CALL", errors.AuthenticationError),
        (401, "UNAUTHORIZED_API_CALL", errors.AuthenticationError),
        (400, "MISSING_AUTHENTICATION_HEADERS", errors.AuthenticationError),
        (400, "ERROR_GET_REFUND", errors.RefundNotFound),
        (400, "ERROR_GET_PAYMENT", errors.RefundNotFound),
        (200, "ERROR_GET_REFUND", errors.RefundNotFound),
        (400, "ERROR_QUERY_DATE_RANGE_EXCEEDS_90_DAYS", errors.ConnectorError),
        (429, "SOME_LIMIT", errors.RateLimited),
        (500, "SOME_ERROR", errors.ProcessorUnavailable),
    ],
)
def test_a_lookup_that_fails_is_an_error_and_no_failed_refund(
    status: int, code: str, expected: type[errors.RefundryError]
) -> None:
    wiring = Wiring(Rapyd)
    call = {"error_code": code, "status": "ERROR", "message": "of a customer", "operation_id": "our-call"}
    wiring.tamper = lambda _: Response(status, {}, json.dumps({"status": call}).encode())
    with pytest.raises(expected) as caught:
        wiring.client().get(connector_refund_id="refund_7")
    assert type(caught.value) is expected
    assert "customer" not in str(caught.value)
    if status in (200, 400, 401):
        assert (caught.value.code, caught.value.request_id) == (code, "our-call")


def test_a_request_is_signed_with_its_path_and_query_as_sent() -> None:
    hooks = connector_hooks(Rapyd(**KEYS))
    window = Window(since=SENT, until=SENT, page_size=20)
    request = hooks.fetch_refunds(window, "ending_before/5/refund_a b")
    assert request.auth is not None
    wire = request.auth(request.to_wire("https://sandboxapi.rapyd.net"), Moment(now=SENT, nonce="01234567-89ab-cdef-0"))
    head = f"get/v1/refunds?limit=20&ending_before=refund_a%20b0123456789abcdef{SECONDS}"
    assert wire.headers["salt"] == "0123456789abcdef"
    assert wire.headers["signature"] == signed(head)
    assert len(wire.headers["signature"]) == 88
    assert not any(key in repr(request) for key in KEYS.values())


@pytest.mark.parametrize(
    ("created", "following"),
    [
        ([30, 20], "ending_before/20/refund_1"),
        ([20, 30], "starting_after/30/refund_1"),
        ([30, 9], None),
        ([30], None),
        ([], None),
    ],
)
def test_a_list_goes_on_in_the_order_that_it_came_in(created: list[int], following: str | None) -> None:
    window = Window(since=datetime.fromtimestamp(10, UTC), until=SENT, page_size=2)
    items = [entity(id=f"refund_{number}", created_at=when) for number, when in enumerate(created)]
    page = connector_hooks(Rapyd(**KEYS)).map_refunds(window, None, answer(items))
    assert (len(page.refunds), page.cursor) == (len(created), following)


@pytest.mark.parametrize("cursor", ["ending_before/20/refund_1", "starting_after/40/refund_1"])
def test_a_list_that_goes_back_is_an_error_and_no_end(cursor: str) -> None:
    window = Window(since=datetime.fromtimestamp(10, UTC), until=SENT, page_size=2)
    with pytest.raises(errors.MappingError, match="does not go on"):
        connector_hooks(Rapyd(**KEYS)).map_refunds(window, cursor, answer([entity(created_at=30)]))


def delivered(
    kind: str, *, url: str = URL, signed_for: str = URL, sent: str = str(SECONDS), **data: object
) -> Delivery:
    event = {"id": "wh_7", "type": kind, "data": entity(**data), "status": "NEW", "created_at": SECONDS}
    body = json.dumps(event).encode()
    headers = {"salt": "our salt", "timestamp": sent, "signature": signed(f"{signed_for}our salt{sent}", body)}
    client = RefundClient("rapyd", webhook_url=url, **KEYS)
    # A proxy calls the endpoint by another name.
    return client.handle_event(body=body, headers=headers, url="http://10.0.0.7/hook", received_at=SENT)


@pytest.mark.parametrize(
    ("kind", "word", "status"),
    [
        ("REFUND_COMPLETED", "Completed", SUCCEEDED),
        ("PAYMENT_REFUND_FAILED", "Error", FAILED),
        ("PAYMENT_REFUND_REJECTED", "Rejected", FAILED),
        ("PAYMENT_REFUND_UPDATED", "Pending", PENDING),
        ("PAYMENT_REFUND_FAILED", "Completed", SUCCEEDED),
    ],
)
def test_the_refund_in_an_event_says_its_status(kind: str, word: str, status: object) -> None:
    (event,) = delivered(kind, status=word).events
    assert event.refund is not None
    assert event.refund.status is status
    assert event.event_id == "wh_7"


def test_an_event_without_a_status_is_a_hint_and_one_about_something_else_is_ignored() -> None:
    (event,) = delivered("PAYMENT_REFUND_UPDATED", status=None).events
    assert event.is_hint
    assert delivered("PAYMENT_COMPLETED").events == []


def test_the_registered_address_is_signed() -> None:
    with pytest.raises(errors.SignatureError):
        delivered("REFUND_COMPLETED", signed_for="http://10.0.0.7/hook")
    with pytest.raises(errors.ConfigurationError, match="webhook_url"):
        RefundClient("rapyd", **KEYS).handle_event(body=b"{}", headers={})


@pytest.mark.parametrize("sent", ["soon", "0", "9" * 30])
def test_an_odd_time_is_refused(sent: str) -> None:
    with pytest.raises(errors.SignatureError, match="time"):
        delivered("REFUND_COMPLETED", sent=sent)
