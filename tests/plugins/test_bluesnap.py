"""BlueSnap keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from refundry import Delivery, Money, Refund, RefundClient, RefundQuery, Window, errors
from refundry.http import Response
from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_bluesnap import BlueSnap

KEYS: dict[str, Any] = {"api_username": "API_ours", "api_password": "our own password"}
HOOKS = connector_hooks(BlueSnap(**KEYS))
NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)
CARD = RefundQuery(connector_refund_id="5012345678", connector_transaction_id="4012345678")
BANK = RefundQuery.of({"refund_id": "5012345678", "connector_transaction_id": "41", "payment_method_type": "ACH"})


class TestBlueSnap(ConnectorContract):
    connector = BlueSnap
    # refund-1 of developers.bluesnap.com has the first two; hyperswitch-prism has the others.
    documented = {"SUCCESS", "PENDING", "FAIL", "PENDING_MERCHANT_REVIEW"}


def transaction(**changes: object) -> dict[str, Any]:
    """A card transaction of the documented shape."""
    return {
        "cardTransactionType": "REFUND",
        "transactionId": "5012345678",
        "merchantTransactionId": "return-17",
        "amount": 12.5,
        "usdAmount": 13.75,
        "currency": "EUR",
        "transactionApprovalDate": "02/14/2026",
        "transactionApprovalTime": "03:30:00",
        "processingInfo": {"processingStatus": "SUCCESS", "cvvResponseCode": "ND"},
        **changes,
    }


def payment(*refunds: object) -> dict[str, Any]:
    """A payment with its refunds."""
    return transaction(
        cardTransactionType="AUTH_CAPTURE",
        transactionId="4012345678",
        refunds={"balanceAmount": 0, "refund": list(refunds)},
    )


def part(**changes: object) -> dict[str, Any]:
    """A refund within its payment."""
    facts = {"refundTransactionId": 5012345678, "refundStatus": "PENDING", "amount": 7, "currency": "USD"}
    return {**facts, "reason": "too small", "date": "14-Feb-26", **changes}


def answer(body: object, status_code: int = 200, **headers: str) -> Response:
    return Response(
        status_code, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode()
    )


def mapped(query: RefundQuery = CARD, **changes: object) -> Refund:
    refund = HOOKS.map_refund(query, answer(transaction(**changes)), ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    # Its times have no zone that a document names.
    assert mapped() == Refund(
        connector_refund_id="5012345678",
        connector_transaction_id="4012345678",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="SUCCESS",
        refund_amount=Money(1250, "EUR"),
    )


WORDS = {"SUCCESS": SUCCEEDED, "PENDING": PENDING, "FAIL": FAILED, "PENDING_MERCHANT_REVIEW": MANUAL_REVIEW}
SPELLINGS = {"success": SUCCEEDED, "Fail": FAILED, "FAILED": UNKNOWN, "SUCCEEDED": UNKNOWN, None: UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *SPELLINGS.items()])
def test_a_status_word_is_read_in_any_case_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(processingInfo={"processingStatus": word})
    assert (refund.status, refund.connector_status) == (status, word)


@pytest.mark.parametrize("kind", ["AUTH_CAPTURE", "AUTH_REVERSAL", "CHARGEBACK"])
def test_another_transaction_is_no_refund(kind: str) -> None:
    with pytest.raises(errors.NotARefund):
        mapped(cardTransactionType=kind)
    with pytest.raises(errors.MappingError, match="cardTransactionType"):
        mapped(cardTransactionType=None)


def test_a_refund_of_another_payment_method_is_looked_up_in_its_payment_again_and_again() -> None:
    assert HOOKS.fetch_refund(CARD).path == "/services/2/transactions/5012345678"
    assert HOOKS.fetch_refund(BANK).path == "/services/2/alt-transactions/41"
    refund = HOOKS.map_refund(BANK, answer(payment(part(refundTransactionId=1), part())), ())
    assert refund == Refund(
        connector_refund_id="5012345678",
        connector_transaction_id="41",
        status=PENDING,
        connector_status="PENDING",
        refund_amount=Money(700, "USD"),
        refund_reason="too small",
        metadata={"payment_method_type": "ACH"},
    )
    assert HOOKS.fetch_refund(refund.query()).path == "/services/2/alt-transactions/41"
    # One that cannot be read costs nothing where another is what was asked for, which it may be otherwise.
    assert HOOKS.map_refund(BANK, answer(payment(part(refundTransactionId=None), part())), ()) == refund
    with pytest.raises(errors.MappingError):
        HOOKS.map_refund(BANK, answer(payment(part(refundTransactionId=None))), ())
    with pytest.raises(errors.RefundNotFound):
        HOOKS.map_refund(BANK, answer(payment(part(refundTransactionId=1))), ())
    with pytest.raises(errors.MappingError, match="refund"):
        HOOKS.map_refund(BANK, answer(transaction()), ())


@pytest.mark.parametrize("kind", ["ach", "SEPA Direct Debit", "sepa_direct_debit", "PayPal", "Pay by Bank"])
def test_without_its_payment_such_a_refund_cannot_be_found(kind: str) -> None:
    with pytest.raises(errors.InvalidQuery, match="connector_transaction_id"):
        HOOKS.fetch_refund(RefundQuery(connector_refund_id="5", payment_method_type=kind))


@pytest.mark.parametrize("kind", ["Credit Card", "card", "Apple Pay", "google_pay"])
def test_a_wallet_is_a_card(kind: str) -> None:
    request = HOOKS.fetch_refund(RefundQuery(connector_refund_id="5", payment_method_type=kind))
    assert request.path == "/services/2/transactions/5"


def test_a_report_has_whole_days_of_its_own_zone() -> None:
    window = Window(since=NOON - timedelta(hours=5), until=NOON - timedelta(hours=4), page_size=9)
    params: dict[str, Any] = dict(HOOKS.fetch_refunds(window, None).params)
    assert (params["from_date"], params["to_date"], params["pageSize"]) == ("02/13/2026", "02/13/2026", 9)
    assert dict(HOOKS.fetch_refunds(window, "bmV4dA==").params) == {"nextPageToken": "bmV4dA=="}


def test_a_report_names_refunds_and_says_no_status() -> None:
    row = {"Invoice ID": "5", "Original Invoice ID": "4", "Payment Type": "PayPal", "Transaction Date": "02/14/2026"}
    window = Window(since=NOON - timedelta(days=1), until=NOON)
    found = HOOKS.map_refunds(window, None, answer({"data": [row]}, next_page_token="bmV4dA=="))
    hint = RefundQuery(connector_refund_id="5", connector_transaction_id="4", payment_method_type="PayPal")
    assert (list(found.hints), list(found.refunds), found.cursor) == ([hint], [], "bmV4dA==")
    assert HOOKS.map_refunds(window, "bmV4dA==", answer({"data": []})).cursor is None
    with pytest.raises(errors.MappingError, match="data"):
        HOOKS.map_refunds(window, None, answer({}))


def test_the_refunds_of_one_payment_stand_in_it() -> None:
    window = Window(since=NOON - timedelta(days=1), until=NOON, connector_transaction_id="4012345678")
    assert HOOKS.fetch_refunds(window, None).path == "/services/2/transactions/4012345678"
    found = HOOKS.map_refunds(window, None, answer(payment(part(), part(refundTransactionId=None))))
    assert [(one.connector_refund_id, one.status) for one in found.refunds] == [("5012345678", PENDING)]
    assert (len(found.problems), found.cursor) == (1, None)
    assert not HOOKS.map_refunds(window, None, answer(transaction())).refunds
    with pytest.raises(errors.MappingError, match=r"refunds\.refund"):
        HOOKS.map_refunds(window, None, answer(transaction(refunds={"balanceAmount": 3})))


def problem(description: str) -> dict[str, Any]:
    return {"message": [{"errorName": "ITS_NAME", "code": "20000", "description": description}]}


@pytest.mark.parametrize(
    ("status_code", "body", "expected", "code"),
    [
        (400, problem("no such"), errors.ConnectorError, "ITS_NAME"),
        (401, problem("no such"), errors.AuthenticationError, None),
        (403, problem("not for you"), errors.RefundNotFound, "ITS_NAME"),
        (403, "blocked", errors.AuthenticationError, None),
        (409, problem("again"), errors.ConnectorError, "ITS_NAME"),
        (422, {}, errors.ConnectorError, None),
        (429, problem("Request rate too large"), errors.RateLimited, None),
        (503, problem("Request rate too large"), errors.RateLimited, "ITS_NAME"),
        (503, problem("Concurrency limit"), errors.RateLimited, "ITS_NAME"),
        (503, problem("We will be back"), errors.ProcessorUnavailable, None),
        (503, {"message": "odd"}, errors.ProcessorUnavailable, None),
        (500, problem("Request rate too large"), errors.ProcessorUnavailable, None),
    ],
)
def test_a_refusal_is_told_by_its_http_status_and_text(status_code: int, body: Any, expected: Any, code: Any) -> None:
    wiring = Wiring(BlueSnap)
    wiring.tamper = lambda _: answer(body, status_code)
    with pytest.raises(errors.RefundryError) as caught:
        wiring.client().get(connector_refund_id="5012345678")
    assert (type(caught.value), caught.value.code) == (expected, code)


def delivered(fields: dict[str, str], sent: str = "2026-02-14 12:00:00.878", **settings: Any) -> Delivery:
    body = urlencode(fields).encode()
    signature = hmac.new(b"the key", sent.encode() + body, hashlib.sha256).hexdigest()
    headers = {"bls-signature": signature, "bls-ipn-timestamp": sent}
    return RefundClient("bluesnap", **KEYS, **settings).handle_event(body=body, headers=headers, received_at=NOON)


NOTIFICATION = {"referenceNumber": "4012345678", "reversalRefNum": "5012345678", "paymentMethod": "CC"}


@pytest.mark.parametrize("kind", ["REFUND", "CANCELLATION_REFUND", "PENDING_REFUND"])
@pytest.mark.parametrize("settings", [{}, {"webhook_key": "the key"}, {"webhook_key": ["new", "the key"]}])
def test_an_event_is_a_hint_whether_signed_or_not(kind: str, settings: dict[str, Any]) -> None:
    delivery = delivered({**NOTIFICATION, "transactionType": kind, "invoiceChargeAmount": "-12.50"}, **settings)
    (event,) = delivery.events
    assert (event.query.connector_refund_id, event.query.connector_transaction_id) == ("5012345678", "4012345678")
    assert (event.refund, event.event_id) == (None, f"{kind}-5012345678")
    assert (delivery.reply.status_code, delivery.reply.body) == (200, b"")


def test_a_hint_says_which_payment_method_it_was() -> None:
    (event,) = delivered({**NOTIFICATION, "transactionType": "REFUND", "paymentMethod": "ECP"}).events
    assert HOOKS.fetch_refund(event.query).path == "/services/2/alt-transactions/4012345678"


def test_a_key_that_is_set_makes_the_signature_needed() -> None:
    fields = {**NOTIFICATION, "transactionType": "REFUND"}
    for sent, key in (("2026-02-14 12:00:00", "another"), ("2026-02-01 12:00:00", "the key"), ("soon", "the key")):
        with pytest.raises(errors.SignatureError):
            delivered(fields, sent, webhook_key=key)
    with pytest.raises(errors.SignatureError, match="bls-ipn-timestamp"):
        RefundClient("bluesnap", webhook_key="the key").handle_event(body=urlencode(fields).encode(), headers={})


def test_an_event_without_the_refunds_id_names_its_payment() -> None:
    (event,) = delivered({"transactionType": "PENDING_REFUND", "referenceNumber": "4"}).events
    assert event.query == RefundQuery(connector_transaction_id="4")
    with pytest.raises(errors.MappingError):
        delivered({"transactionType": "REFUND"})


@pytest.mark.parametrize("kind", ["CHARGE", "CHARGEBACK", "CANCELLATION"])
def test_an_event_about_something_else_is_ignored(kind: str) -> None:
    assert list(delivered({**NOTIFICATION, "transactionType": kind}).events) == []
