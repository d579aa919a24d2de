"""MultiSafepay keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import Delivery, Money, Refund, RefundClient, RefundQuery, Window, errors
from refundry.http import Response
from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_multisafepay import MultiSafepay

KEY = "our own website key"
HOOKS = connector_hooks(MultiSafepay(api_key=KEY))
NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)
WINDOW = Window(since=NOON - timedelta(days=1), until=NOON + timedelta(microseconds=1), page_size=2)
ORDER_WINDOW = Window(since=WINDOW.since, until=NOON, connector_transaction_id="order-7")


class TestMultiSafepay(ConnectorContract):
    connector = MultiSafepay
    # docs.multisafepay.com/docs/payment-statuses; Status.yaml and listtransactions.yaml of MultiSafepay/docs
    documented = {
        *("initialized", "reserved", "completed", "refunded", "partial_refunded", "declined", "expired", "cancelled"),
        *("void", "uncleared", "shipped", "chargeback", "new", "created", "error", "manual"),
    }


def transaction(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "transaction_id": 500017,
        "order_id": "order-7",
        "type": "refund",
        "debit_credit": "D",
        "status": "completed",
        "financial_status": "completed",
        "amount": 1230,
        "currency": "EUR",
        "created": "2026-02-14T07:30:00",
        **changes,
    }


def answer(body: object, status_code: int = 200) -> Response:
    return Response(status_code, {}, json.dumps(body).encode())


def mapped(query: RefundQuery | None = None, **changes: object) -> Refund:
    refund = HOOKS.map_refund(query or RefundQuery(), answer({"success": True, "data": transaction(**changes)}), ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    # Its times have no zone that a document names.
    assert mapped() == Refund(
        connector_refund_id="500017",
        connector_transaction_id="order-7",
        status=SUCCEEDED,
        connector_status="completed",
        refund_amount=Money(1230, "EUR"),
    )


PENDING_WORDS = dict.fromkeys(("initialized", "reserved"), PENDING)
SUCCESS_WORDS = dict.fromkeys(("completed", "refunded", "partial_refunded"), SUCCEEDED)
FAILURE_WORDS = dict.fromkeys(("declined", "void", "cancelled", "expired"), FAILED)
UNKNOWN_WORDS = dict.fromkeys(("error", "new", "chargeback", "shipped", "Completed", None), UNKNOWN)
WORDS = {**PENDING_WORDS, **SUCCESS_WORDS, **FAILURE_WORDS, **UNKNOWN_WORDS, "uncleared": MANUAL_REVIEW}


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(status=word, financial_status=word)
    assert (refund.status, refund.connector_status) == (status, word)


@pytest.mark.parametrize(
    ("word", "financial", "status", "said"),
    [
        ("void", "cancelled", FAILED, "void"),
        ("completed", None, SUCCEEDED, "completed"),
        ("completed", "initialized", UNKNOWN, "completed/initialized"),
        ("completed", "declined", UNKNOWN, "completed/declined"),
        (None, "completed", UNKNOWN, None),
    ],
)
def test_two_statuses_that_contradict_are_unknown(word: Any, financial: Any, status: Any, said: Any) -> None:
    refund = mapped(status=word, financial_status=financial)
    assert (refund.status, refund.connector_status) == (status, said)


@pytest.mark.parametrize("kind", ["payment", "chargeback", "admin_fee"])
def test_another_transaction_is_no_refund(kind: str) -> None:
    with pytest.raises(errors.NotARefund):
        mapped(type=kind)
    with pytest.raises(errors.MappingError, match="type"):
        mapped(type=None)


@pytest.mark.parametrize(
    ("query", "payment", "own_id"),
    [
        ({}, "order-7", None),
        ({"connector_transaction_id": "order-7"}, "order-7", None),
        ({"connector_transaction_id": "order-1"}, "order-1", "order-7"),
        ({"merchant_refund_id": "order-7"}, None, "order-7"),
        ({"merchant_refund_id": "mine"}, "order-7", None),
    ],
)
def test_the_order_id_is_the_payments_unless_the_refund_has_its_own(query: Any, payment: Any, own_id: Any) -> None:
    refund = mapped(RefundQuery.of(query))
    assert (refund.connector_transaction_id, refund.merchant_refund_id) == (payment, own_id)


@pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD"])
def test_amounts_are_in_minor_units_of_the_currency(currency: str) -> None:
    assert mapped(amount=10, currency=currency).refund_amount == Money(10, currency)


def test_a_list_may_have_a_key_of_its_own() -> None:
    wiring = Wiring(MultiSafepay, [mapped()])
    client = wiring.client({**wiring.settings, "account_api_key": "key of the account"})
    with pytest.raises(errors.AuthenticationError):
        list(client.list())
    client.get(connector_refund_id="500017")
    assert [request.headers["api_key"] for request in wiring.sent] == ["key of the account", wiring.settings["api_key"]]
    assert all("key" not in str(request.url) for request in wiring.sent)
    with pytest.raises(errors.ConfigurationError, match="api_key"):
        RefundClient("multisafepay", account_api_key="key of the account").get(connector_refund_id="1")


def test_a_list_is_of_refunds_and_its_last_page_is_empty() -> None:
    params: dict[str, Any] = dict(HOOKS.fetch_refunds(WINDOW, "abc").params)
    assert (params["type"], params["limit"], params["after"]) == ("refund", 2, "abc")
    assert params["created_until"] - params["created_from"] == 24 * 3600 + 1
    pager = {"pager": {"after": "https://x.example", "cursor": {"after": "next", "before": "back"}}}
    found = HOOKS.map_refunds(WINDOW, None, answer({"data": [transaction(), transaction(type="payment")], **pager}))
    assert ([one.connector_refund_id for one in found.refunds], found.cursor) == (["500017"], "next")
    assert HOOKS.map_refunds(WINDOW, "next", answer({"data": [], **pager})).cursor is None
    for body in ({"success": True}, {"data": [transaction()]}):
        with pytest.raises(errors.MappingError):
            HOOKS.map_refunds(WINDOW, None, answer(body))


def order(*related: object) -> dict[str, Any]:
    """An order with its transactions."""
    return {"order_id": "order-7", "status": "completed", "amount": 5000, "related_transactions": list(related) or None}


UNTYPED = {"transaction_id": 500018, "status": "completed", "amount": 200, "currency": "EUR"}


def test_the_refunds_of_one_order_stand_in_it() -> None:
    assert HOOKS.fetch_refunds(ORDER_WINDOW, None).path == "/orders/order-7"
    body = {"success": True, "data": order(transaction(), transaction(type="chargeback"), UNTYPED, {"odd": True})}
    found = HOOKS.map_refunds(ORDER_WINDOW, None, answer(body))
    assert [one.connector_refund_id for one in found.refunds] == ["500017"]
    assert list(found.hints) == [RefundQuery(connector_refund_id="500018", connector_transaction_id="order-7")]
    assert len(found.problems) == 1
    assert not HOOKS.map_refunds(ORDER_WINDOW, None, answer({"success": True, "data": order()})).refunds


def refusal(code: int) -> dict[str, Any]:
    return {"success": False, "error_code": code, "error_info": "text", "data": []}


@pytest.mark.parametrize(
    ("status_code", "body", "expected", "code"),
    [
        (404, refusal(1006), errors.RefundNotFound, "1006"),
        (404, {"message": "Not found"}, errors.RefundNotFound, None),
        (403, {"message": "Forbidden"}, errors.AuthenticationError, None),
        (400, refusal(1032), errors.AuthenticationError, "1032"),
        (200, refusal(1032), errors.AuthenticationError, "1032"),
        (400, refusal(1020), errors.AuthenticationError, "1020"),
        (400, refusal(1023), errors.ProcessorUnavailable, "1023"),
        (400, refusal(1033), errors.ConnectorError, "1033"),
        (200, refusal(9999), errors.ConnectorError, "9999"),
        (418, {"success": False}, errors.ConnectorError, None),
        (500, refusal(1006), errors.ProcessorUnavailable, None),
        (200, {"message": "Not found"}, errors.MappingError, None),
    ],
)
def test_a_refusal_is_told_by_its_code(status_code: int, body: Any, expected: Any, code: Any) -> None:
    wiring = Wiring(MultiSafepay)
    wiring.tamper = lambda _: answer(body, status_code)
    with pytest.raises(errors.RefundryError) as caught:
        wiring.client().get(connector_refund_id="500017")
    assert (type(caught.value), caught.value.code) == (expected, code)


# A published signature: key, time, HMAC and body are those of the documents' page on webhooks.
VECTOR_KEY = "8HHhGgRWrA3O7NswjmgwyH7buPPCGnR5AkwAQyqI"
VECTOR_HMAC = (
    "06cbf226e7c873eff96921d7fde3998eb6be0de7915ee1c1b5149511fca82e26"
    "bb0ab2e6d0e0ad997cbab151e4ba5615418d8e12528301726143ed1146287f93"
)

VECTOR_BODY = (
    b'{"amount":1000,"amount_refunded":0,"costs":[{"amount":0.49,"description":"0.49 For iDEAL Transactions","transa'
    b'ction_id":"123456789","type":"SYSTEM"}],"created":"2022-01-03T15:08:02","currency":"EUR","custom_info":{"custo'
    b'm_1":null,"custom_2":null,"custom_3":null},"customer":{"address1":null,"address2":null,"city":null,"country":n'
    b'ull,"country_name":null,"email":"","first_name":null,"house_number":null,"last_name":null,"locale":"en_US","ph'
    b'one1":null,"phone2":"","state":null,"zip_code":null},"description":"product description","fastcheckout":"NO","'
    b'financial_status":"initialized","items":null,"modified":"2022-01-03T15:08:02","order_id":"my-order-id", "payme'
    b'nt_details":{"account_holder_name":null,"account_iban":"https://example.com","account_id":null,"external_trans'
    b'action_id":"123456789","issuer_id":"3151","recurring_flow":null,"recurring_id":null,"recurring_model":null,"ty'
    b'pe":"IDEAL"},"payment_methods":[{"amount":1000,"currency":"EUR","description":"product description","external_'
    b'transaction_id":"123456789","payment_description":"iDEAL","status":"initialized","type":"IDEAL"}],"reason":"",'
    b'"reason_code":"","related_transactions":null,"status":"initialized","transaction_id":"123456789","var1":null,"'
    b'var2":null,"var3":null}'
)


def delivered(body: bytes, *, sent: str = str(int(NOON.timestamp())), key: str = KEY, **settings: Any) -> Delivery:
    signature = hmac.new(key.encode(), f"{sent}:".encode() + body, hashlib.sha512).hexdigest()
    headers = {"auth": base64.b64encode(f"{sent}:{signature}".encode()).decode()}
    client = RefundClient("multisafepay", **{"api_key": KEY, **settings})
    return client.handle_event(body=body, headers=headers, received_at=NOON)


def test_an_order_says_how_each_of_its_refunds_stands() -> None:
    items = [transaction(refund_order_id="return-17", description="torn"), transaction(transaction_id=9, status="void")]
    delivery = delivered(json.dumps(order(*items, transaction(type="capture"), UNTYPED)).encode())
    first, second, hint = delivery.events
    assert first.refund is not None
    assert (first.refund.connector_transaction_id, first.refund.merchant_refund_id) == ("order-7", "return-17")
    assert (first.refund.status, first.refund.refund_reason, first.event_id) == (SUCCEEDED, "torn", "500017-completed")
    assert (second.refund and second.refund.status, second.event_id) == (UNKNOWN, "9-void/completed")
    assert (hint.refund, hint.query.connector_refund_id) == (None, "500018")
    assert (delivery.reply.status_code, delivery.reply.body) == (200, b"OK")


def test_an_order_without_refunds_is_acknowledged_and_ignored() -> None:
    delivery = delivered(json.dumps(order()).encode())
    assert (list(delivery.events), delivery.reply.body) == ([], b"OK")


def test_the_bytes_are_signed_as_they_came_and_the_key_is_trimmed() -> None:
    spaced = b'{"order_id":"order-7", "related_transactions":null}'
    assert delivered(spaced, api_key=f" {KEY} ").reply.body == b"OK"


@pytest.mark.parametrize("header", ["", "not base64!", "AAAA", base64.b64encode(b"soon:abc").decode(), "/////w=="])
def test_a_header_that_holds_no_signature_is_refused(header: str) -> None:
    with pytest.raises(errors.SignatureError):
        RefundClient("multisafepay", api_key=KEY).handle_event(body=b"{}", headers={"Auth": header}, received_at=NOON)


def test_the_published_vector() -> None:
    header = base64.b64encode(f"1641218884:{VECTOR_HMAC}".encode()).decode()
    client = RefundClient("multisafepay", api_key=VECTOR_KEY)
    sent = datetime.fromtimestamp(1641218884, UTC)
    delivery = client.handle_event(body=VECTOR_BODY, headers={"Auth": header}, received_at=sent)
    assert (list(delivery.events), delivery.reply.body) == ([], b"OK")
    for body, received in ((VECTOR_BODY.replace(b", ", b","), sent), (VECTOR_BODY, sent + timedelta(seconds=601))):
        with pytest.raises(errors.SignatureError):
            client.handle_event(body=body, headers={"Auth": header}, received_at=received)
