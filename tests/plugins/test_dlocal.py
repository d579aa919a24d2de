"""dLocal keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from refundry import RefundClient, errors
from refundry.http import Moment, Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, ErrorInfo, Money, Refund, RefundQuery
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_dlocal import DLocal

KEYS: dict[str, Any] = {"login": "our own login", "trans_key": "our own trans key", "secret_key": "our own secret key"}
HOOKS = connector_hooks(DLocal(**KEYS))
NOW = datetime(2026, 2, 15, 9, 0, 0, 250_999, tzinfo=UTC)


class TestDLocal(ConnectorContract):
    connector = DLocal
    # docs.dlocal.com/reference/refund-status-codes; the last one in docs.dlocal.com/reference/chargebacks
    documented = {"PENDING", "SUCCESS", "REJECTED", "CANCELLED", "COMPLETED"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "id": "REF-ours-17",
        "payment_id": "D-ours-17",
        "order_refund_id": "return-17",
        "notification_url": "https://shop.example.com/dlocal",
        "amount": 12.30,
        "amount_refunded": 11.00,
        "currency": "BRL",
        "status": "SUCCESS",
        "status_code": 200,
        "status_detail": "The refund was made.",
        "description": "one cup was broken",
        "order_id": "order-4",
        "created_date": "2026-02-14T07:30:00.000+0000",
        **changes,
    }


def answer(body: object, status_code: int = 200) -> Response:
    return Response(status_code, {"Content-Type": "application/json"}, json.dumps(body).encode())


def mapped(**changes: object) -> Refund:
    refund = HOOKS.map_refund(RefundQuery(), answer(entity(**changes)), ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id="REF-ours-17",
        connector_transaction_id="D-ours-17",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="SUCCESS",
        refund_amount=Money(1230, "BRL"),
        refund_reason="one cup was broken",
        created_at=datetime(2026, 2, 14, 7, 30, tzinfo=UTC),
    )
    assert mapped(payment_id=None, id_payment="D-older-1").connector_transaction_id == "D-older-1"


WORDS = {"PENDING": PENDING, "SUCCESS": SUCCEEDED, "REJECTED": FAILED, "CANCELLED": FAILED}
OTHERS = {"COMPLETED": UNKNOWN, "PAID": UNKNOWN, "success": UNKNOWN, None: UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *OTHERS.items()])
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (status, word)


@pytest.mark.parametrize("code", [300, "300"])
@pytest.mark.parametrize("word", ["REJECTED", "CANCELLED"])
def test_only_a_failed_refund_has_an_error_whose_code_is_number_or_text(word: str, code: object) -> None:
    facts: dict[str, object] = {"status_code": code, "status_detail": "no"}
    assert mapped(status=word, **facts).error == ErrorInfo(code="300", message="no")
    assert mapped(status=word, status_code=None, status_detail=None).error is None
    assert mapped(status="PENDING", **facts).error is None


TIMES = [
    "2026-02-14T07:30:00.000+0000",
    "2026-02-14T07:30:00-00:00",
    "2026-02-14T04:30:00-03:00",
    "2026-02-14T07:30:00Z",
]


@pytest.mark.parametrize("text", TIMES)
def test_a_time_is_read_in_both_published_forms(text: str) -> None:
    assert mapped(created_date=text).created_at == datetime(2026, 2, 14, 7, 30, tzinfo=UTC)


AMOUNTS = [(100.0, "CLP", 100), (0.1, "USD", 10), (1.005, "KWD", 1005), (1.001, "BRL", None), (1.5, "CLP", None)]


@pytest.mark.parametrize(("amount", "currency", "minor"), AMOUNTS)
def test_amounts_are_decimal_numbers_in_major_units(amount: float, currency: str, minor: int | None) -> None:
    refund = mapped(amount=amount, currency=currency)
    assert refund.refund_amount == (Money(minor, currency) if minor is not None else None)
    assert bool(refund.problems) is (minor is None)


def test_the_status_alone_is_a_refund_too() -> None:
    status = {"id": "REF-ours-17", "status": "REJECTED", "status_code": "300", "status_detail": "no"}
    refund = HOOKS.map_refund(RefundQuery(), answer(status), ())
    error = ErrorInfo(code="300", message="no")
    assert refund == Refund(connector_refund_id="REF-ours-17", status=FAILED, connector_status="REJECTED", error=error)


def signed(date: str, body: bytes = b"", key: str = "our own secret key") -> str:
    digest = hmac.new(key.encode(), KEYS["login"].encode() + date.encode(errors="surrogatepass") + body, hashlib.sha256)
    return f"V2-HMAC-SHA256, Signature: {digest.hexdigest()}"


def test_a_get_is_signed_with_the_date_that_it_carries() -> None:
    request = HOOKS.fetch_refund(RefundQuery(connector_refund_id="REF-ours-17"))
    assert (request.method, request.path, request.body) == ("GET", "/refunds/REF-ours-17", None)
    assert request.headers == {"X-Version": "2.1", "Content-Type": "application/json"}
    assert request.auth is not None
    wire = request.auth(request.to_wire("https://sandbox.dlocal.com"), Moment(now=NOW, nonce="1"))
    date = "2026-02-15T09:00:00.250Z"
    keys = {"X-Date": date, "X-Login": KEYS["login"], "X-Trans-Key": KEYS["trans_key"], "Authorization": signed(date)}
    assert {name: wire.headers[name] for name in keys} == keys
    assert (wire.headers["X-Version"], wire.headers["Content-Type"]) == ("2.1", "application/json")


KINDS = {
    (403, 3001): errors.AuthenticationError,
    (403, 3002): errors.AuthenticationError,
    (403, 3003): errors.AuthenticationError,
    (404, 4000): errors.RefundNotFound,
    (404, 4001): errors.RefundNotFound,
    **{(400, code): errors.ConnectorError for code in (5000, 5001, 5002, 5003, 5004, 5007, 5011, 5012, 5013, 5016)},
    **{(400, code): errors.ConnectorError for code in (5018, 5020, 5021, 5022, 5023, 5050)},
    (429, 6000): errors.RateLimited,
    (500, 7000): errors.ProcessorUnavailable,
    (504, 5010): errors.ProcessorUnavailable,
}


def asked(status_code: int, body: object) -> errors.RefundryError:
    wiring = Wiring(DLocal, [mapped()])
    wiring.tamper = lambda _: answer(body, status_code)
    with pytest.raises(errors.RefundryError) as caught:
        wiring.client().get(connector_refund_id="REF-ours-17")
    assert "Miller" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("status_code", "code"), KINDS)
def test_a_refusal_is_told_by_its_code(status_code: int, code: int) -> None:
    error = asked(status_code, {"code": code, "message": "Kim Miller's refund", "param": "id"})
    assert type(error) is KINDS[status_code, code]
    assert error.code == (str(code) if status_code < 429 else None)


@pytest.mark.parametrize("body", [[], None, {}, {"code": ["odd"]}, {"code": 9999}])
def test_a_refusal_of_an_unknown_form_keeps_its_http_status(body: object) -> None:
    kinds = [type(asked(status_code, body)) for status_code in (400, 403, 404)]
    assert kinds == [errors.ConnectorError, errors.AuthenticationError, errors.RefundNotFound]


def delivered(body: bytes, *, date: str = "2026-02-15T09:00:00.000Z", **headers: str) -> Delivery:
    given = {"X-Date": date, "Authorization": signed(date, body), **headers}
    client = RefundClient("dlocal", login=KEYS["login"], secret_key=KEYS["secret_key"])
    return client.handle_event(body=body, headers=given, received_at=NOW)


@pytest.mark.parametrize(("word", "status"), WORDS.items())
@pytest.mark.parametrize("number", ["REF42", "REF-ours-17"])
def test_a_notification_is_the_refund_and_needs_no_trans_key(word: str, status: object, number: str) -> None:
    delivery = delivered(json.dumps(entity(id=number, status=word)).encode())
    (event,) = delivery.events
    assert event.refund is not None
    assert (event.refund.status, event.query.connector_refund_id) == (status, number)
    assert event.event_id
    assert delivery.reply.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {
            "id": "D-ours-17",
            "amount": 12.3,
            "currency": "BRL",
            "status": "PAID",
            "order_id": "order-4",
            "country": "BR",
        },
        entity(id="CHAR17", status="COMPLETED", status_code="200"),
        {"event_type": "ACCOUNT_STATUS_UPDATE", "account_id": "1", "payload": {"status": "APPROVED"}},
    ],
)
def test_a_notification_about_something_else_is_acknowledged_and_ignored(body: object) -> None:
    delivery = delivered(json.dumps(body).encode())
    assert (list(delivery.events), delivery.reply.status_code) == ([], 200)


def test_what_may_be_no_refund_is_not_believed_but_asked_for() -> None:
    (event,) = delivered(json.dumps(entity(id="17")).encode()).events
    assert (event.is_hint, event.query.connector_refund_id) == (True, "17")


@pytest.mark.parametrize("changes", [{"id": None}, {"id": ["odd"]}, {"status": {}}])
def test_a_refund_that_cannot_be_read_is_a_mapping_error(changes: dict[str, object]) -> None:
    with pytest.raises(errors.MappingError) as caught:
        delivered(json.dumps(entity(**changes)).encode())
    assert caught.value.reply is not None


BODY = json.dumps(entity()).encode()
OTHER_KEY = signed("2026-02-15T09:00:00.000Z", BODY, KEYS["trans_key"])
BARE = signed("2026-02-15T09:00:00.000Z", BODY).partition(": ")[2]


@pytest.mark.parametrize(
    "authorization", [OTHER_KEY, BARE, "V2-HMAC-SHA256, Signature: ", "Signature:", "Signature: \udc80"]
)
def test_another_signature_is_refused(authorization: str) -> None:
    with pytest.raises(errors.SignatureError):
        delivered(BODY, Authorization=authorization)


@pytest.mark.parametrize("date", ["2026-02-15T09:00:00", "soon", "0", "2026-02-01T09:00:00Z", "2026-03-01T09:00:00Z"])
def test_a_notification_without_a_fitting_date_is_refused(date: str) -> None:
    with pytest.raises(errors.SignatureError):
        delivered(BODY, date=date)


@pytest.mark.parametrize(
    "date", ["2026-02-15T06:00:00-03:00", "2026-02-08T10:00:00.000+0000", "2026-02-15\udc8009:00:00Z"]
)
def test_the_date_is_signed_as_it_was_written(date: str) -> None:
    assert delivered(BODY, date=date).events
