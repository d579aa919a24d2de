"""Worldline's two platforms keep the contract, and what is particular to them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from refundry import RefundClient
from refundry.errors import (
    AmbiguousRefund,
    AuthenticationError,
    ConnectorError,
    MappingError,
    ProcessorUnavailable,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.http import Moment, Response
from refundry.model import (
    FAILED,
    MANUAL_REVIEW,
    PENDING,
    SUCCEEDED,
    UNKNOWN,
    Delivery,
    ErrorInfo,
    Money,
    Refund,
    RefundQuery,
)
from refundry.plugins import ConnectorHooks, connector_hooks
from refundry.testing import ConnectorContract
from refundry_worldline import WorldlineConnect, WorldlineDirect

KEYS: Any = {"api_key_id": "OURKEY", "api_secret": "our secret", "merchant_id": "ours"}
DIRECT, CONNECT = connector_hooks(WorldlineDirect(**KEYS)), connector_hooks(WorldlineConnect(**KEYS))
SECRET = "our webhook secret"


class TestWorldlineDirect(ConnectorContract):
    connector = WorldlineDirect
    # The page on statuses, and the codes that are listed there with them.
    documented = {
        "CREATED",
        "REFUND_REQUESTED/81",
        "REFUND_REQUESTED/82",
        "REFUNDED/8",
        "REFUNDED/85",
        "REJECTED/83",
        "REJECTED/84",
        "REJECTED/94",
        "CANCELLED",
        "REJECTED_CAPTURE",
    }


class TestWorldlineConnect(ConnectorContract):
    connector = WorldlineConnect
    # The list of statuses that refunds share with payments and payouts.
    documented = {
        "CREATED",
        "PENDING_APPROVAL",
        "REFUND_REQUESTED",
        "REFUNDED",
        "REJECTED",
        "REJECTED_CAPTURE",
        "REJECTED_CREDIT",
        "CANCELLED",
        "CAPTURED",
        "PAID",
        "ACCOUNT_CREDITED",
        "REVERSED",
        "CHARGEBACKED",
    }


def refund_object(status: str = "REFUNDED", code: int | None = 8, **output: Any) -> dict[str, Any]:
    """A refund of the documented shape."""
    money = {"amount": 1234, "currencyCode": "EUR"}
    references = {"operationReferences": {"merchantReference": "return-1"}}
    return {
        "id": "314_2",
        "refundOutput": {"amountOfMoney": money, "paymentMethod": "card", **references, **output},
        "status": status,
        "statusOutput": {"isCancellable": False, "statusCode": code, "statusCodeChangeDateTime": "20260203040506"},
    }


def mapped(hooks: ConnectorHooks, body: object, **asked: Any) -> Refund:
    query = RefundQuery(**(asked or {"connector_refund_id": "314_2"}))
    refund = hooks.map_refund(query, Response(200, {}, json.dumps(body).encode()), ())
    assert isinstance(refund, Refund)
    return refund


# Signing


@pytest.mark.parametrize(
    ("connector", "path", "signature"),
    [
        # The unit tests of both of Worldline's SDKs have these: default authenticator.
        (WorldlineDirect, "/v2/1/tokens/2", "vCos01y77soPNJOW6kDCm4Bu5b2darAZ09PP7Wa+jRA="),
        (WorldlineConnect, "/v1/9991/tokens/123456789", "9ond5EIN05dBXJGCLRK5om9pxHsyrh/12pZJ7bvmwNM="),
    ],
)
def test_the_published_signatures(connector: Any, path: str, signature: str) -> None:
    made = connector(api_key_id="EC36A74A98D21", api_secret="6Kj5HT0MQKC6D8eb7W3lTg71kVKVDSt1", merchant_id="1")
    request = made.ask(path)
    wire = request.auth(
        request.to_wire("https://host"), Moment(now=datetime(2014, 6, 6, 13, 39, 43, tzinfo=UTC), nonce="")
    )
    assert wire.headers["Date"] == "Fri, 06 Jun 2014 13:39:43 GMT"
    assert wire.headers["Authorization"] == f"GCS v1HMAC:EC36A74A98D21:{signature}"
    assert "Content-Type" not in wire.headers


# Get


def test_direct_asks_by_the_payment_that_the_refunds_id_names() -> None:
    for query, path in (
        (RefundQuery(connector_refund_id="314_2"), "/v2/ours/payments/314_0/refunds"),
        (RefundQuery(connector_refund_id="314_2", connector_transaction_id="314"), "/v2/ours/payments/314/refunds"),
    ):
        assert DIRECT.fetch_refund(query).path == path


def test_direct_picks_the_refund_among_those_of_the_payment() -> None:
    others = [{**refund_object(), "id": "314_1"}, refund_object("REJECTED", 83)]
    assert mapped(DIRECT, {"refunds": others}) == Refund(
        connector_refund_id="314_2",
        connector_transaction_id="314_0",
        merchant_refund_id="return-1",
        status=FAILED,
        connector_status="REJECTED/83",
        refund_amount=Money(1234, "EUR"),
    )
    asked = {"connector_transaction_id": "314_0", "merchant_refund_id": "return-1"}
    with pytest.raises(AmbiguousRefund):
        mapped(DIRECT, {"refunds": others}, **asked)
    assert mapped(DIRECT, {"refunds": others[1:]}, **asked).connector_refund_id == "314_2"
    with pytest.raises(RefundNotFound):
        mapped(DIRECT, {"refunds": others[:1]})
    odd: list[object] = [{}, {"refunds": None}, {"refunds": ["odd"]}, {"refunds": [{}]}]
    for body in odd:
        with pytest.raises(MappingError):
            mapped(DIRECT, body)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("REFUNDED", 8, SUCCEEDED),
        ("REFUNDED", None, UNKNOWN),
        ("REFUNDED", 81, UNKNOWN),
        ("REFUND_REQUESTED", 82, MANUAL_REVIEW),
        ("REFUND_REQUESTED", 8, UNKNOWN),
        ("REJECTED", 2, UNKNOWN),  # the code of a refused authorisation
        ("CREATED", 0, PENDING),
    ],
)
def test_on_direct_status_and_code_count_together(status: str, code: int | None, expected: object) -> None:
    assert mapped(DIRECT, {"refunds": [refund_object(status, code)]}).status is expected


@pytest.mark.parametrize(
    ("currency", "amount", "direct", "connect"),
    [("JPY", 123400, 123400, 1234), ("KWD", 123, 123, 1230), ("EUR", 5, 5, 5), ("JPY", 50, 50, None)],
)
def test_the_platforms_count_in_different_units(currency: str, amount: int, direct: int, connect: int | None) -> None:
    body = refund_object(amountOfMoney={"amount": amount, "currencyCode": currency})
    assert mapped(DIRECT, {"refunds": [body]}).refund_amount == Money(direct, currency)
    refund = mapped(CONNECT, body)
    assert refund.refund_amount == (None if connect is None else Money(connect, currency))
    assert len(refund.problems) == (connect is None)


def test_connect_finds_a_refund_by_its_reference() -> None:
    query = RefundQuery(merchant_refund_id="return-1")
    request = CONNECT.fetch_refund(query)
    assert (request.path, dict(request.params)) == ("/v1/ours/refunds", {"merchantReference": "return-1", "limit": 100})
    body = refund_object(references={"merchantReference": "return-1"})
    assert mapped(CONNECT, {"refunds": [body], "totalCount": 1}, merchant_refund_id="return-1").status is SUCCEEDED
    for found, expected in (([], RefundNotFound), ([refund_object()], RefundNotFound), ([body, body], AmbiguousRefund)):
        with pytest.raises(expected):
            mapped(CONNECT, {"refunds": found}, merchant_refund_id="return-1")


@pytest.mark.parametrize(("hooks", "name"), [(DIRECT, "errorCode"), (DIRECT, "code"), (CONNECT, "code")])
def test_a_rejected_refund_says_why(hooks: ConnectorHooks, name: str) -> None:
    body = refund_object("REJECTED", 83)
    body["statusOutput"]["errors"] = [{name: "30101001", "message": "no"}]
    refund = mapped(hooks, {"refunds": [body]} if hooks is DIRECT else body)
    assert refund.error == ErrorInfo(code="30101001", message="no")


# Errors


@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (400, {"errorId": "e1", "errors": [{"code": "1002", "message": "about a customer"}]}, ConnectorError, "1002"),
        (403, {"errorId": "e1", "errors": [{"errorCode": "9002"}]}, AuthenticationError, "9002"),
        (404, {"errorId": "e1", "errors": "odd"}, RefundNotFound, None),
        (410, {"errorId": "e1", "errors": []}, RefundNotFound, None),
        (500, {"errorId": "e1", "errors": [{"code": "9999"}]}, ProcessorUnavailable, "9999"),
    ],
)
def test_a_refusal_keeps_its_code_and_id(
    status: int, body: object, expected: type[RefundryError], code: str | None
) -> None:
    error = CONNECT.map_error(Response(status, {}, json.dumps(body).encode()))
    assert error is not None
    assert (type(error), error.code, error.request_id) == (expected, code, "e1")
    assert "customer" not in str(error)


def test_an_unknown_identifier_may_be_answered_with_a_page() -> None:
    page = Response(404, {"Content-Type": "text/html"}, b"<html></html>")
    assert isinstance(DIRECT.map_error(page), RefundNotFound)
    assert DIRECT.map_error(Response(403, page.headers, page.body)) is None


# Webhooks


def notice(kind: str, name: str, subject: object, merchant: str = "ours") -> dict[str, Any]:
    frame = {"apiVersion": "v1", "id": "event-1", "created": "2026-02-03T05:05:07.040+0100", "merchantId": merchant}
    return {**frame, "type": kind, name: subject}


def received(platform: str, body: object, secret: Any = SECRET, key_id: str = "key-1") -> Delivery:
    raw = json.dumps(body).encode()
    signature = base64.b64encode(hmac.new(SECRET.encode(), raw, hashlib.sha256).digest()).decode()
    client = RefundClient(platform, webhook_secret=secret, merchant_id="ours")
    return client.handle_event(body=raw, headers={"X-GCS-KeyId": key_id, "X-GCS-Signature": signature})


def test_on_direct_the_end_is_told_as_a_payment() -> None:
    output = {"amountOfMoney": {"amount": 5000, "currencyCode": "EUR"}}
    subject = {"id": "314_2", "status": "REFUNDED", "statusOutput": {"statusCode": 8}, "paymentOutput": output}
    (one,) = received("worldline-direct", notice("payment.refunded", "payment", subject)).events
    assert one.refund is not None
    assert (one.refund.status, one.refund.refund_amount) == (SUCCEEDED, None)
    assert (one.query.connector_refund_id, one.query.connector_transaction_id) == ("314_2", "314_0")
    assert one.event_id == "event-1"
    rejected = {**subject, "status": "REJECTED", "statusOutput": {"statusCode": 83}}
    (one,) = received("worldline-direct", notice("payment.rejected", "payment", rejected)).events
    assert one.refund is not None
    assert one.refund.status is FAILED
    for kind, status, code in (("payment.captured", "CAPTURED", 9), ("payment.rejected", "REJECTED", 2)):
        other = {**subject, "status": status, "statusOutput": {"statusCode": code}}
        assert received("worldline-direct", notice(kind, "payment", other)).events == []


def test_a_delivery_may_hold_several_events() -> None:
    good = notice("refund.refund_requested", "refund", refund_object("REFUND_REQUESTED", 800))
    foreign = notice("refund.refunded", "refund", refund_object(), merchant="theirs")
    other = notice("payment.paid", "payment", {"id": "1"})
    delivery = received("worldline-connect", [good, other, "odd", foreign])
    assert [(one.refund and one.refund.status, one.foreign) for one in delivery.events] == [
        (PENDING, False),
        (SUCCEEDED, True),
    ]
    assert len(delivery.problems) == 1


@pytest.mark.parametrize("platform", ["worldline-direct", "worldline-connect"])
def test_an_event_says_when_it_came_to_be(platform: str) -> None:
    body = notice("refund.refunded", "refund", refund_object())
    created: list[tuple[object, datetime | None]] = [
        (body["created"], datetime(2026, 2, 3, 4, 5, 7, 40_000, tzinfo=UTC)),
        ("20260203040506", None),  # without a zone
        (None, None),
    ]
    for given, expected in created:
        (one,) = received(platform, {**body, "created": given}).events
        assert (one.refund and one.refund.status, one.occurred_at) == (SUCCEEDED, expected)


def test_the_key_id_chooses_the_secret() -> None:
    body = notice("refund.refunded", "refund", refund_object())
    assert received("worldline-connect", body, {"key-1": SECRET, "key-2": "another"}).events
    for key_id in ("key-2", "key-3"):
        with pytest.raises(SignatureError):
            received("worldline-connect", body, {"key-1": SECRET, "key-2": "another"}, key_id)


def test_a_challenge_is_echoed() -> None:
    client = RefundClient("worldline-connect", webhook_secret=SECRET)
    headers = {"X-GCS-Webhooks-Endpoint-Verification": "our challenge"}
    delivery = client.handle_event(body=b"", headers=headers, method="GET")
    assert (delivery.events, delivery.reply.body) == ([], b"our challenge")
    assert delivery.reply.header("content-type") == "text/plain"
    for method in ("POST", "GET"):
        with pytest.raises(SignatureError):
            client.handle_event(body=b"", headers=headers if method == "POST" else {}, method=method)
