"""Global Payments keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import (
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
from refundry.http import Response
from refundry.model import Delivery, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_globalpay import GlobalPay

REFUND, PAYMENT = "TRN_OurOwnRefund000001", "TRN_OurOwnSale00000001"
KEYS: dict[str, Any] = {"app_id": "OurOwnApp", "app_key": "our own app key"}


class TestGlobalPay(ConnectorContract):
    connector = GlobalPay
    # TransactionStatus of globalpayments/php-sdk and globalpayments/java-sdk.
    documented = {
        "INITIATED",
        "AUTHENTICATED",
        "PENDING",
        "DECLINED",
        "PREAUTHORIZED",
        "CAPTURED",
        "BATCHED",
        "REVERSED",
        "FUNDED",
        "REJECTED",
    }


def transaction(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape, with the empty texts that stand for what is absent."""
    made: dict[str, Any] = {
        "id": REFUND,
        "time_created": "2026-02-14T07:30:00.250Z",
        "time_last_updated": "",
        "status": "CAPTURED",
        "type": "REFUND",
        "channel": "CNP",
        "amount": "1234",
        "currency": "GBP",
        "reference": "return-17",
        "description": "",
        "order_reference": "",
        "batch_id": "",
        "parent_resource_id": PAYMENT,
        "payment_method": {"result": "00", "message": "SUCCESS", "card": {"brand": "VISA", "arn": ""}},
        "action": {"type": "TRANSACTION_SINGLE", "result_code": "SUCCESS"},
    }
    return {**made, **changes}


def mapped(**changes: object) -> Refund:
    response = Response(200, {}, json.dumps(transaction(**changes)).encode())
    refund = connector_hooks(GlobalPay(**KEYS)).map_refund(RefundQuery(connector_refund_id=REFUND), response, ())
    assert isinstance(refund, Refund)
    return refund


# Get


def test_a_whole_answer_with_empty_texts() -> None:
    assert mapped() == Refund(
        connector_refund_id=REFUND,
        connector_transaction_id=PAYMENT,
        merchant_refund_id="return-17",
        status=RefundStatus.SUCCEEDED,
        connector_status="CAPTURED",
        refund_amount=Money(1234, "GBP"),
        created_at=datetime(2026, 2, 14, 7, 30, 0, 250_000, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("kind", "expected"), [("SALE", NotARefund), ("", MappingError), (None, MappingError), ({}, MappingError)]
)
def test_only_a_transaction_of_the_type_refund_is_one(kind: object, expected: type[RefundryError]) -> None:
    with pytest.raises(expected):
        mapped(type=kind)


def test_a_refund_without_a_payment_names_itself() -> None:
    assert mapped(parent_resource_id=REFUND).connector_transaction_id is None


@pytest.mark.parametrize("word", ["PREAUTHORIZED", "FAILED", "captured", ""])
def test_words_that_are_no_status_of_a_refund_are_unknown(word: str) -> None:
    assert mapped(status=word).status is RefundStatus.UNKNOWN


def test_the_result_of_the_call_is_not_that_of_the_refund() -> None:
    refund = mapped(status="PENDING", action={"type": "REFUND", "result_code": "DECLINED"})
    assert refund.status is RefundStatus.PENDING


@pytest.mark.parametrize(
    ("status", "result", "message", "expected"),
    [
        ("DECLINED", "51", "DECLINED", ErrorInfo(code="51", message="DECLINED")),
        ("DECLINED", "", "", None),
        ("REVERSED", "00", "SUCCESS", None),
        ("CAPTURED", "51", "DECLINED", None),
    ],
)
def test_why_a_refund_failed(status: str, result: str, message: str, expected: object) -> None:
    assert mapped(status=status, payment_method={"result": result, "message": message}).error == expected


def test_amounts_are_whole_minor_units_of_iso_4217() -> None:
    assert mapped(amount="1400", currency="JPY").refund_amount == Money(1400, "JPY")
    assert mapped(amount="14.00").refund_amount == Money(14, "GBP"), "a whole number, however it is written"
    odd = mapped(amount="14.50")
    assert odd.refund_amount is None
    assert any("amount" in problem for problem in odd.problems)


# Requests


@pytest.mark.parametrize(
    ("settings", "environment", "url"),
    [
        ({}, "SANDBOX", "https://apis.sandbox.globalpay.com/ucp"),
        ({}, "PRODUCTION", "https://apis.globalpay.com/ucp"),
        ({"region": "eu"}, "SANDBOX", "https://apis.sandbox.eu.globalpay.com/ucp"),
        ({"region": "eu"}, "PRODUCTION", "https://apis.eu.globalpay.com/ucp"),
    ],
)
def test_the_hosts(settings: dict[str, Any], environment: Any, url: str) -> None:
    assert RefundClient("globalpay", environment=environment, **KEYS, **settings).account.urls == {"api": url}


def test_a_partner_asks_on_behalf_of_a_merchant() -> None:
    hooks = connector_hooks(GlobalPay(**KEYS, merchant_id="MER_OurOwn"))
    path = hooks.fetch_refund(RefundQuery(connector_refund_id=REFUND)).path
    assert path == f"/merchants/MER_OurOwn/transactions/{REFUND}"


def test_the_token_request_carries_a_hash_and_not_the_key() -> None:
    wiring = Wiring(GlobalPay)
    with pytest.raises(RefundNotFound):
        wiring.client().get(connector_refund_id=REFUND)
    login, get = wiring.sent
    sent = json.loads(login.body or b"")
    assert set(sent) == {"app_id", "nonce", "secret", "grant_type"}
    assert sent["secret"] == hashlib.sha512((sent["nonce"] + wiring.settings["app_key"]).encode()).hexdigest()
    assert login.headers["X-GP-Version"] == get.headers["X-GP-Version"] == "2021-03-22"
    assert get.headers["Authorization"] == "Bearer sandbox-token-000000000000000000000001"


@pytest.mark.parametrize(
    ("seconds", "lifetime"), [(3600, 3600), (604_800, 604_800), (10**12, 300), (0, 300), ("3600", 300), (None, 300)]
)
def test_the_lifetime_of_a_token(seconds: object, lifetime: int) -> None:
    body = json.dumps({"token": "made-up", "type": "Bearer", "seconds_to_expire": seconds}).encode()
    token = connector_hooks(GlobalPay(**KEYS)).map_token(Response(200, {}, body))
    assert token.lifetime == timedelta(seconds=lifetime)


# List


def window(**changes: Any) -> Window:
    given = {"since": datetime(2026, 2, 1, tzinfo=UTC), "until": datetime(2026, 3, 1, 12, tzinfo=UTC), "page_size": 2}
    return Window(**{**given, **changes})


def test_a_list_asks_for_whole_days_around_the_window() -> None:
    request = connector_hooks(GlobalPay(**KEYS, account_name="our account")).fetch_refunds(window(), "3")
    params: dict[str, Any] = dict(request.params)
    assert (params["from_time_created"], params["to_time_created"]) == ("2026-01-31", "2026-03-02")
    assert (params["type"], params["page"], params["account_name"]) == ("REFUND", "3", "our account")


@pytest.mark.parametrize(
    ("count", "facts", "cursor"),
    [
        (2, {"total_record_count": 5}, "3"),
        (1, {"total_record_count": 3}, None),
        (2, {"total_count": 4}, None),
        (2, {"total_count": "4"}, None),
        (2, {}, "3"),
        (0, {}, None),
        (0, {"total_record_count": 9}, None),
        (1, {"total_record_count": 4, "paging": {"page_size": 1}}, "3"),
        (2, {"total_record_count": [], "paging": []}, "3"),
    ],
)
def test_where_a_list_ends(count: int, facts: dict[str, Any], cursor: str | None) -> None:
    items = [transaction(id=f"TRN_{number}") for number in range(count)]
    response = Response(200, {}, json.dumps({"transactions": items, **facts}).encode())
    found = connector_hooks(GlobalPay(**KEYS)).map_refunds(window(), "2", response)
    assert (len(found.refunds), found.cursor) == (count, cursor)


# Errors


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (404, "RESOURCE_NOT_FOUND", RefundNotFound),
        (400, "RESOURCE_NOT_FOUND", RefundNotFound),
        (200, "RESOURCE_NOT_FOUND", RefundNotFound),
        (401, "NOT_AUTHENTICATED", AuthenticationError),
        (400, "NOT_AUTHENTICATED", AuthenticationError),
        (403, "ACTION_NOT_AUTHORIZED", AuthenticationError),
        (400, "MANDATORY_DATA_MISSING", ConnectorError),
        (404, "INVALID_REQUEST_DATA", ConnectorError),
        (200, "SOMETHING_NEW", ConnectorError),
        (401, "SOMETHING_NEW", AuthenticationError),
        (429, "RESOURCE_NOT_FOUND", RateLimited),
        (502, "RESOURCE_NOT_FOUND", ProcessorUnavailable),
        (500, "", ProcessorUnavailable),
    ],
)
def test_the_error_code_says_the_kind(status: int, kind: str, expected: type[RefundryError]) -> None:
    wiring = Wiring(GlobalPay)
    body = json.dumps({"error_code": kind, "detailed_error_code": "40118", "detailed_error_description": "x y"})
    wiring.tamper = lambda good: good if b"token" in good.body else Response(status, {}, body.encode())
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(connector_refund_id=REFUND)
    assert type(caught.value) is expected
    assert "x y" not in str(caught.value)


# Webhooks


def delivered(body: bytes) -> Delivery:
    signature = hashlib.sha512(body + KEYS["app_key"].encode()).hexdigest()
    client = RefundClient("globalpay", app_key=KEYS["app_key"])
    return client.handle_event(body=body, headers={"x-gp-signature": signature})


def test_a_signed_refund_is_believed() -> None:
    (event,) = delivered(json.dumps(transaction(status="FUNDED")).encode()).events
    assert event.refund is not None
    assert event.refund.status is RefundStatus.SUCCEEDED
    assert event.query.connector_transaction_id == PAYMENT


def test_a_payments_event_is_acknowledged_and_ignored() -> None:
    delivery = delivered(json.dumps(transaction(type="SALE")).encode())
    assert (delivery.events, delivery.reply.status_code) == ([], 200)


def test_the_signature_is_the_plain_hash_of_body_and_key() -> None:
    # FIPS 180-2, the one-block message "abc" of SHA-512, cut into a body and a key.
    digest = (
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )
    client = RefundClient("globalpay", app_key="bc")
    with pytest.raises(MappingError):
        client.handle_event(body=b"a", headers={"X-GP-Signature": digest.upper()})
