"""Fiserv keeps the contract, and what is particular to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from refundry import (
    AmbiguousRefund,
    AuthenticationError,
    ConnectorError,
    ErrorInfo,
    MappingError,
    Money,
    NotARefund,
    ProcessorUnavailable,
    RateLimited,
    Refund,
    RefundClient,
    RefundNotFound,
    RefundryError,
    RefundStatus,
)
from refundry.http import Moment, Response
from refundry.model import RefundQuery
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_fiserv import Fiserv

REFUND, CHARGE = "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "f9e8d7c6b5a493827160f5e4d3c2b1a0"
KEYS: dict[str, Any] = {"api_key": "our-own-key", "api_secret": "our-own-secret", "merchant_id": "our-own-mid"}


class TestFiserv(ConnectorContract):
    connector = Fiserv
    documented = {
        # Fiserv/Commerce-Hub, OpenAPI 1.24.11, transactionState
        "AUTHORIZED",
        "CAPTURED",
        "DECLINED",
        "VOIDED",
        "CHECKED",
        # the same, commented out
        "SETTLED",
        "PENDING",
        "WAITING",
        "INITIALIZED",
        "READY",
        "TEMPLATE",
        "COMPLETED_GET",
        # Fiserv's plugin for Magento, TransactionInquiryRequest
        "FAILED",
    }


def item(
    refund_id: object = REFUND, kind: object = "REFUND", state: object = "CAPTURED", **changes: object
) -> dict[str, Any]:
    """A transaction of the documented shape."""
    details = {
        "transactionTimestamp": "2026-02-14T07:30:00Z",
        "orderId": "our-own-order",
        "apiTraceId": "our-own-trace",
        "clientRequestId": "4711",
        "transactionId": refund_id,
    }
    made: dict[str, Any] = {
        "gatewayResponse": {
            "transactionType": kind,
            "transactionState": state,
            "transactionOrigin": "ECOM",
            "transactionProcessingDetails": details,
            "gatewayTransactionId": CHARGE,
        },
        "paymentReceipt": {
            "approvedAmount": {"total": 12.34, "currency": "USD"},
            "processorResponseDetails": {
                "hostResponseCode": "00",
                "responseCode": "000",
                "responseMessage": "APPROVAL",
            },
        },
        "transactionDetails": {"captureFlag": "true", "merchantInvoiceNumber": "invoice-17"},
        "referenceTransactionDetails": {"referenceTransactionId": CHARGE},
    }
    return {**made, **changes}


def mapped(*items: object, **query: Any) -> Refund:
    response = Response(201, {}, json.dumps(items).encode())
    asked = RefundQuery(**(query or {"connector_refund_id": REFUND}))
    refund = connector_hooks(Fiserv(**KEYS)).map_refund(asked, response, ())
    assert isinstance(refund, Refund)
    return refund


# Requests


@pytest.mark.parametrize(
    ("query", "reference"),
    [
        ({"connector_refund_id": "1", "merchant_refund_id": "2"}, {"referenceTransactionId": "1"}),
        ({"merchant_refund_id": "2"}, {"referenceMerchantTransactionId": "2"}),
        ({"metadata": {"client_request_id": "3", "order_id": "4"}}, {"referenceClientRequestId": "3"}),
        ({"metadata": {"order_id": "4"}}, {"referenceOrderId": "4"}),
        ({"metadata": {"merchant_order_id": "5"}}, {"referenceMerchantOrderId": "5"}),
    ],
)
def test_exactly_one_reference_is_sent(query: dict[str, Any], reference: dict[str, str]) -> None:
    request = connector_hooks(Fiserv(**KEYS, terminal_id="7")).fetch_refund(RefundQuery(**query))
    merchant = {"merchantId": "our-own-mid", "terminalId": "7"}
    assert request.json == {"referenceTransactionDetails": reference, "merchantDetails": merchant}


def test_the_signature_covers_key_nonce_milliseconds_and_the_exact_body() -> None:
    # Made with openssl dgst -sha256 -hmac from the documented rule; Fiserv publishes no vector.
    request = connector_hooks(Fiserv(**KEYS)).fetch_refund(RefundQuery(connector_refund_id="17"))
    moment = Moment(now=datetime(2026, 2, 14, 7, 30, 0, 250_000, tzinfo=UTC), nonce="5f1c")
    assert request.auth is not None
    wire = request.auth(request.to_wire("https://connect-cert.fiservapis.com/ch"), moment)
    assert wire.body == (
        b'{"referenceTransactionDetails":{"referenceTransactionId":"17"},"merchantDetails":{"merchantId":"our-own-mid"}}'
    )
    assert wire.headers == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Api-Key": "our-own-key",
        "Client-Request-Id": "5f1c",
        "Timestamp": "1771054200250",
        "Auth-Token-Type": "HMAC",
        "Authorization": "Ew+rwaGdpN51HSjZp2npA/B2skFq3D89U7wuGqjXM6U=",
    }


def test_each_attempt_has_a_nonce_of_its_own() -> None:
    wiring = Wiring(Fiserv)
    wiring.tamper = lambda _: Response(503)
    with pytest.raises(ProcessorUnavailable):
        wiring.client().get(connector_refund_id=REFUND)
    assert len({request.headers["Client-Request-Id"] for request in wiring.sent}) == len(wiring.sent) > 1


def test_the_host_may_be_another() -> None:
    client = RefundClient("fiserv", base_url="https://cert.api.fiservapps.com/ch/", **KEYS)
    assert client.account.urls == {"api": "https://cert.api.fiservapps.com/ch"}


# Get


def test_a_whole_answer() -> None:
    assert mapped(item()) == Refund(
        connector_refund_id=REFUND,
        connector_transaction_id=CHARGE,
        merchant_refund_id="invoice-17",
        status=RefundStatus.SUCCEEDED,
        connector_status="CAPTURED",
        refund_amount=Money(1234, "USD"),
        created_at=datetime(2026, 2, 14, 7, 30, tzinfo=UTC),
    )


def test_the_amount_may_be_text() -> None:
    receipt = {"approvedAmount": {"total": "690", "currency": "JPY"}}
    assert mapped(item(paymentReceipt=receipt)).refund_amount == Money(690, "JPY")


def test_the_item_is_chosen_by_its_own_id() -> None:
    assert mapped(item("other", state="DECLINED"), item()).connector_status == "CAPTURED"
    with pytest.raises(RefundNotFound):
        mapped(item(CHARGE), connector_refund_id=REFUND)
    with pytest.raises(RefundNotFound):
        mapped(item(), connector_refund_id=CHARGE)


def test_by_another_reference_the_refund_among_the_transactions_is_chosen() -> None:
    asked = {"metadata": {"order_id": "our-own-order"}}
    assert mapped(item(CHARGE, "CHARGE"), item(), **asked).connector_refund_id == REFUND
    with pytest.raises(AmbiguousRefund):
        mapped(item("one"), item("two"), **asked)
    with pytest.raises(NotARefund):
        mapped(item(CHARGE, "CHARGE"), **asked)


def test_nothing_found_is_not_found_and_a_charge_no_refund() -> None:
    with pytest.raises(RefundNotFound):
        mapped()
    with pytest.raises(NotARefund):
        mapped(item(kind="CHARGE"))


@pytest.mark.parametrize("odd", [item(None), item(kind=None), item(state=[]), item(gatewayResponse=[]), None, []])
def test_an_item_that_cannot_be_read_is_a_mapping_error(odd: object) -> None:
    with pytest.raises(MappingError):
        mapped(odd)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("authorized", RefundStatus.PENDING),
        ("Captured", RefundStatus.SUCCEEDED),
        ("VOIDED", RefundStatus.FAILED),
        ("APPROVED", RefundStatus.UNKNOWN),
        ("REJECTED", RefundStatus.UNKNOWN),
        ("CHECKED", RefundStatus.UNKNOWN),
        ("", RefundStatus.UNKNOWN),
    ],
)
def test_words_that_only_others_expect_are_unknown(word: str, status: RefundStatus) -> None:
    refund = mapped(item(state=word))
    assert (refund.status, refund.connector_status) == (status, word or None)


def receipt(**details: str) -> dict[str, Any]:
    return {"paymentReceipt": {"processorResponseDetails": details}}


@pytest.mark.parametrize(
    ("state", "changes", "expected"),
    [
        ("DECLINED", receipt(hostResponseCode="05", responseMessage="No"), ErrorInfo(code="05", message="No")),
        ("DECLINED", receipt(hostResponseCode="00", responseCode="104"), ErrorInfo(code="104")),
        ("DECLINED", {"error": [{"code": "104", "message": "No"}]}, ErrorInfo(code="104", message="No")),
        ("DECLINED", {"error": {}, "paymentReceipt": []}, None),
        ("VOIDED", {}, None),
        ("CAPTURED", receipt(hostResponseCode="05"), None),
    ],
)
def test_why_a_refund_failed(state: str, changes: dict[str, Any], expected: object) -> None:
    assert mapped(item(state=state, **changes)).error == expected


# Errors


def error(code: object, kind: str = "GATEWAY") -> dict[str, Any]:
    return {"error": [{"type": kind, "code": code, "message": "for the eyes of support"}]}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error("801"), RefundNotFound),
        (404, error("758"), RefundNotFound),
        (200, error("813"), RefundNotFound),
        (400, error("760"), AmbiguousRefund),
        (400, error(801), RefundNotFound),
        (400, {"errorResponse": error("801")}, RefundNotFound),
        (500, {"gatewayResponse": error("801")}, RefundNotFound),
        (400, error("105"), ConnectorError),
        (201, error("105"), ConnectorError),
        (201, {}, MappingError),
        (401, error(None, "APIM"), AuthenticationError),
        (403, {}, AuthenticationError),
        (404, error(None, "APIM"), ConnectorError),
        (400, error("624"), RateLimited),
        (429, error(None, "APIM"), RateLimited),
        (425, {}, ProcessorUnavailable),
        (408, {}, ProcessorUnavailable),
        (504, {"gatewayResponse": error(None)}, ProcessorUnavailable),
        (400, {"error": "odd"}, ConnectorError),
    ],
)
def test_codes_decide_before_the_http_status(status: int, body: object, expected: type[RefundryError]) -> None:
    wiring = Wiring(Fiserv)
    wiring.tamper = lambda _: Response(status, {}, json.dumps(body).encode())
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(connector_refund_id=REFUND)
    assert type(caught.value) is expected
    assert "eyes" not in str(caught.value)


def test_an_error_has_what_support_asks_for() -> None:
    wiring = Wiring(Fiserv)
    with pytest.raises(RefundNotFound) as caught:
        wiring.client().get(connector_refund_id=REFUND)
    assert (caught.value.code, caught.value.request_id) == ("801", "refundrysandboxtrace")
