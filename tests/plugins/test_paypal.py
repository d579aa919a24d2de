"""PayPal keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

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
from refundry.http import Event, Moment, Request, Response, Token, encode_json
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, ErrorInfo, Money, Refund, RefundQuery, Window
from refundry.plugins import ConnectorHooks, connector_hooks, sandbox_hooks
from refundry.testing import ConnectorContract, FakeClock, Wiring
from refundry.testing.wiring import deliver
from refundry_paypal import PayPal
from refundry_paypal.sandbox import PayPalSandbox

CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID = "AXclient", "EXsecret", "4AB98765CD432109E"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CERTIFICATE_URL = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-0a1b2c3d-4e5f6a7b"
REFUND = {
    "id": "3AB12345CD678901E",
    "amount": {"currency_code": "EUR", "value": "12.30"},
    "seller_payable_breakdown": {
        "gross_amount": {"currency_code": "EUR", "value": "12.30"},
        "total_refunded_amount": {"currency_code": "EUR", "value": "40.00"},
    },
    "invoice_id": "order-17",
    "custom_id": "basket-9",
    "note_to_payer": "Wrong size",
    "status": "COMPLETED",
    "create_time": "2026-03-01T23:30:00-08:00",
    "update_time": "2026-03-02T07:30:05Z",
    "links": [
        {"href": "https://api.sandbox.paypal.com/v2/payments/refunds/3AB12345CD678901E", "rel": "self"},
        {"href": "https://api.sandbox.paypal.com/v2/payments/captures/8XY76543ZW210987V", "rel": "up"},
    ],
}


class TestPayPal(ConnectorContract):
    connector = PayPal
    documented = {
        "PENDING",
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "ECHECK",
        "D",
        "P",
        "S",
        "V",
        "PAYMENT.CAPTURE.REFUNDED",
        "PAYMENT.CAPTURE.REVERSED",
        "PAYMENT.SALE.REFUNDED",
        "PAYMENT.SALE.REVERSED",
        "event:PAYMENT.REFUND.PENDING",
        "event:PAYMENT.REFUND.FAILED",
    }


def paypal(**settings: Any) -> PayPal:
    given = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "webhook_id": WEBHOOK_ID, **settings}
    return PayPal(**given)


def hooks(**settings: Any) -> ConnectorHooks:
    return connector_hooks(paypal(**settings))


def answer(body: object, status_code: int = 200) -> Response:
    return Response(status_code, {"Content-Type": "application/json"}, encode_json(body))


def mapped(**changes: Any) -> Refund:
    fields = {name: value for name, value in {**REFUND, **changes}.items() if value is not ...}
    result = hooks().map_refund(RefundQuery(connector_refund_id="3AB12345CD678901E"), answer(fields), ())
    assert isinstance(result, Refund)
    return result


def wire_headers(request: Request) -> Mapping[str, str]:
    assert request.auth is not None
    wire = request.to_wire("https://api-m.sandbox.paypal.com")
    return request.auth(wire, Moment(now=NOW, nonce="n", token="t-1")).headers


# Get


def test_a_refund_is_read_field_by_field() -> None:
    assert mapped() == Refund(
        connector_refund_id="3AB12345CD678901E",
        connector_transaction_id="8XY76543ZW210987V",
        merchant_refund_id="order-17",
        status=SUCCEEDED,
        connector_status="COMPLETED",
        refund_amount=Money(1230, "EUR"),
        refund_reason="Wrong size",
        created_at=datetime(2026, 3, 2, 7, 30, tzinfo=UTC),
        updated_at=datetime(2026, 3, 2, 7, 30, 5, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("word", "status"), [("PENDING", PENDING), ("COMPLETED", SUCCEEDED), ("FAILED", FAILED), ("CANCELLED", FAILED)]
)
def test_a_documented_status(word: str, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (status, word)


@pytest.mark.parametrize("word", ["completed", "REFUNDED", "SUCCESS", "S", "DECLINED"])
def test_any_other_status_is_unknown(word: str) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (UNKNOWN, word)


def test_a_refund_without_a_status_is_unknown() -> None:
    refund = mapped(status=...)
    assert (refund.status, refund.connector_status) == (UNKNOWN, None)


@pytest.mark.parametrize(
    ("word", "error"), [("PENDING", None), ("COMPLETED", None), ("FAILED", ErrorInfo(code="ECHECK"))]
)
def test_the_reason_of_a_status_is_an_error_only_of_a_failure(word: str, error: ErrorInfo | None) -> None:
    assert mapped(status=word, status_details={"reason": "ECHECK"}).error == error


def test_the_card_reference_is_read() -> None:
    assert mapped(acquirer_reference_number="74537604221222132710572").acquirer_reference_number == (
        "74537604221222132710572"
    )


def test_the_custom_id_stands_in_for_the_invoice_id() -> None:
    assert mapped(invoice_id=...).merchant_refund_id == "basket-9"


@pytest.mark.parametrize(
    ("links", "capture", "problems"),
    [
        ([{"rel": "up", "href": "https://api.paypal.com/v2/payments/captures/1AB%2F2"}], "1AB/2", 0),
        ([{"rel": "up", "href": "https://elsewhere.example/v2/payments/captures/1AB?x=2"}], "1AB", 0),
        ([{"rel": "up", "href": "https://api.paypal.com/v1/payments/sale/1AB"}], None, 0),
        ([{"rel": "self", "href": "https://api.paypal.com/v2/payments/captures/1AB"}], None, 0),
        ([{"rel": "up"}, None, 7, {"rel": "up", "href": ["/v2/payments/captures/1AB"]}], None, 0),
        ([], None, 0),
        (..., None, 0),
        ({"rel": "up", "href": "/v2/payments/captures/1AB"}, None, 1),
    ],
)
def test_the_capture_is_known_by_its_link_alone(links: object, capture: str | None, problems: int) -> None:
    refund = mapped(links=links)
    assert refund.connector_transaction_id == capture
    assert len(refund.problems) == problems


@pytest.mark.parametrize(
    ("amount", "money"),
    [
        ({"value": "10.00", "currency_code": "USD"}, Money(1000, "USD")),
        ({"value": "1000", "currency_code": "JPY"}, Money(1000, "JPY")),
        ({"value": "1000.00", "currency_code": "JPY"}, Money(1000, "JPY")),
        ({"value": "1000", "currency_code": "HUF"}, Money(100000, "HUF")),  # PayPal writes no decimals, ISO has two
        ({"value": "1000", "currency_code": "TWD"}, Money(100000, "TWD")),
        ({"value": "1.234", "currency_code": "TND"}, Money(1234, "TND")),
        ({"value": "0.00", "currency_code": "USD"}, Money(0, "USD")),
    ],
)
def test_an_amount_is_a_decimal_text(amount: object, money: Money) -> None:
    refund = mapped(amount=amount)
    assert (refund.refund_amount, refund.problems) == (money, ())


@pytest.mark.parametrize(
    "amount",
    [
        "10.00",
        [],
        {},
        {"value": "10.00"},
        {"currency_code": "USD"},
        {"value": "10.001", "currency_code": "USD"},
        {"value": "-10.00", "currency_code": "USD"},
        {"value": "ten", "currency_code": "USD"},
        {"value": "10.00", "currency_code": "dollars"},
        {"value": "10.00", "currency_code": 840},
        {"value": None, "currency_code": "USD"},
    ],
)
def test_an_odd_amount_is_a_problem_and_no_number(amount: object) -> None:
    refund = mapped(amount=amount)
    assert refund.refund_amount is None
    assert len(refund.problems) == 1
    assert "amount" in refund.problems[0]
    assert refund.status is SUCCEEDED


@pytest.mark.parametrize("changes", [{"id": ...}, {"id": None}, {"id": {}}, {"status": ["COMPLETED"]}, {"status": {}}])
def test_an_odd_id_or_status_is_a_mapping_error(changes: dict[str, Any]) -> None:
    with pytest.raises(MappingError):
        mapped(**changes)


def test_an_identifier_stays_one_segment() -> None:
    request = hooks().fetch_refund(RefundQuery(connector_refund_id="a/../b?c"))
    assert request.path == "/v2/payments/refunds/a%2F..%2Fb%3Fc"


# Token and headers


def test_the_token_is_asked_for_with_the_credentials_of_the_app_in_auth_alone() -> None:
    request = hooks().fetch_token()
    assert request is not None
    wire = request.to_wire("https://api-m.sandbox.paypal.com")
    assert (wire.method, wire.url) == ("POST", "https://api-m.sandbox.paypal.com/v1/oauth2/token")
    assert wire.body == b"grant_type=client_credentials"
    assert CLIENT_SECRET not in repr(request)
    sent = wire_headers(request)["Authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}"


def test_the_lifetime_of_a_token_is_read_and_not_assumed() -> None:
    body = {"access_token": "A21", "token_type": "Bearer", "expires_in": 31668, "scope": "x", "app_id": "y"}
    assert hooks().map_token(answer(body)) == Token(value="A21", lifetime=timedelta(seconds=31668))


def test_a_client_that_only_receives_webhooks_asks_for_no_token() -> None:
    assert hooks(client_id="", client_secret="").fetch_token() is None


def test_a_plain_request_has_the_token_and_nothing_else() -> None:
    headers = wire_headers(hooks().fetch_refund(RefundQuery(connector_refund_id="1")))
    assert dict(headers) == {"Accept": "application/json", "Authorization": "Bearer t-1"}


def test_a_partner_names_the_seller_in_an_unsigned_assertion() -> None:
    request = hooks(payer_id="SELLER1", partner_attribution_id="Shop_BN").fetch_refund(
        RefundQuery(connector_refund_id="1")
    )
    assert CLIENT_ID not in repr(request)
    headers = wire_headers(request)
    assert headers["PayPal-Partner-Attribution-Id"] == "Shop_BN"
    first, second, signature = headers["PayPal-Auth-Assertion"].split(".")
    assert first == "eyJhbGciOiJub25lIn0"
    assert json.loads(base64.urlsafe_b64decode(second + "=" * (-len(second) % 4))) == {
        "iss": CLIENT_ID,
        "payer_id": "SELLER1",
    }
    assert signature == ""


def test_an_expired_token_is_renewed_once() -> None:
    refund = Refund(connector_refund_id="1AB", status=PENDING, connector_status="PENDING")
    wiring = Wiring(PayPal, [refund])
    client = wiring.client()
    client.get(connector_refund_id="1AB")
    wiring.book.tokens.clear()
    assert client.get(connector_refund_id="1AB").status is PENDING
    assert [urlsplit(str(one.url)).path for one in wiring.sent] == [
        "/v1/oauth2/token",
        "/v2/payments/refunds/1AB",
        "/v2/payments/refunds/1AB",
        "/v1/oauth2/token",
        "/v2/payments/refunds/1AB",
    ]


# Errors


def error_body(name: str, issue: str) -> dict[str, Any]:
    return {"name": name, "message": "Words.", "debug_id": "abc123", "details": [{"issue": issue}], "links": []}


@pytest.mark.parametrize(
    ("status_code", "body", "expected", "code"),
    [
        (401, error_body("AUTHENTICATION_FAILURE", "INVALID_ACCOUNT_STATUS"), AuthenticationError, None),
        (401, {"error": "invalid_token", "error_description": "Words."}, AuthenticationError, "invalid_token"),
        (401, {"error": "invalid_client", "error_description": "Words."}, AuthenticationError, "invalid_client"),
        (403, error_body("NOT_AUTHORIZED", "PERMISSION_DENIED"), AuthenticationError, None),
        (404, error_body("RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID"), RefundNotFound, None),
        (404, {"name": "INVALID_RESOURCE_ID", "details": []}, RefundNotFound, "INVALID_RESOURCE_ID"),
        (400, error_body("INVALID_REQUEST", "INVALID_PARAMETER_VALUE"), ConnectorError, None),
        (422, error_body("UNPROCESSABLE_ENTITY", "ANY"), ConnectorError, None),
    ],
)
def test_a_documented_error(
    status_code: int, body: dict[str, Any], expected: type[RefundryError], code: str | None
) -> None:
    error = hooks().map_error(answer(body, status_code))
    assert type(error) is expected
    assert error.code == (code or body["name"])
    assert "Words" not in str(error)


@pytest.mark.parametrize(
    ("status_code", "body", "expected"),
    [
        (429, encode_json(error_body("RATE_LIMIT_REACHED", "ANY")), RateLimited),
        (500, encode_json(error_body("INTERNAL_SERVER_ERROR", "ANY")), ProcessorUnavailable),
        (503, b"upstream connect error", ProcessorUnavailable),
        (401, b"", AuthenticationError),
        (403, b"[]", AuthenticationError),
        (400, b"no JSON", ConnectorError),
        (404, b'{"name": 7}', RefundNotFound),
    ],
)
def test_what_the_client_raises(status_code: int, body: bytes, expected: type[RefundryError]) -> None:
    wiring = Wiring(PayPal)
    client = wiring.client()
    with pytest.raises(RefundNotFound):
        client.get(connector_refund_id="1AB")
    wiring.tamper = lambda good: good if b"access_token" in good.body else Response(status_code, DEBUG_ID, body)
    with pytest.raises(expected) as caught:
        client.get(connector_refund_id="1AB")
    assert caught.value.request_id == "f00d1234"


DEBUG_ID = {"Paypal-Debug-Id": "f00d1234"}


def test_a_good_answer_is_no_error_whatever_it_holds() -> None:
    assert hooks().map_error(answer({**REFUND, "name": "RESOURCE_NOT_FOUND", "error": "invalid_token"})) is None


def test_the_wait_that_paypal_asks_for_is_kept() -> None:
    wiring = Wiring(PayPal)
    headers = {"Retry-After": "7"}
    wiring.tamper = lambda _: Response(429, headers, encode_json(error_body("RATE_LIMIT_REACHED", "ANY")))
    with pytest.raises(RateLimited) as caught:
        wiring.client().get(connector_refund_id="1AB")
    assert caught.value.retry_after == timedelta(seconds=7)


# List


def window(**changes: Any) -> Window:
    return Window(**{"since": NOW - timedelta(days=3), "until": NOW, "page_size": 50, **changes})


def transaction(transaction_id: object, code: object = "T1107", **more: object) -> dict[str, Any]:
    return {"transaction_info": {"transaction_id": transaction_id, "transaction_event_code": code, **more}}


def test_a_page_is_asked_for_by_its_number() -> None:
    request = hooks().fetch_refunds(window(), "3")
    assert request.path == "/v1/reporting/transactions"
    assert dict(request.params) == {
        "start_date": "2026-02-27T09:00:00Z",
        "end_date": "2026-03-02T09:00:00Z",
        "transaction_type": "T1107",
        "balance_affecting_records_only": "N",
        "page_size": 50,
        "page": "3",
    }


def test_transactions_are_only_hints() -> None:
    amount = {"currency_code": "EUR", "value": "-12.30"}
    body = {
        "transaction_details": [
            transaction("1AB", transaction_status="V", transaction_amount=amount, paypal_reference_id="9ZY"),
            transaction("2AB", "T0006"),
            transaction("3AB", None),
            transaction(None),
            {"transaction_info": []},
            None,
        ],
        "page": 1,
        "total_pages": 2,
    }
    page = hooks().map_refunds(window(), None, answer(body))
    assert page.refunds == []
    assert page.hints == [RefundQuery(connector_refund_id="1AB"), RefundQuery(connector_refund_id="3AB")]
    assert len(page.problems) == 3
    assert page.cursor == "2"


@pytest.mark.parametrize(
    ("cursor", "last", "following"), [(None, 1, None), (None, 0, None), (None, 3, "2"), ("2", 3, "3"), ("3", 3, None)]
)
def test_the_last_page_ends_the_list(cursor: str | None, last: int, following: str | None) -> None:
    body = {"transaction_details": [], "page": 1, "total_pages": last}
    assert hooks().map_refunds(window(), cursor, answer(body)).cursor == following


def test_a_page_without_its_transactions_is_no_empty_page() -> None:
    with pytest.raises(MappingError):
        hooks().map_refunds(window(), None, answer({"page": 1, "total_pages": 1}))


@pytest.mark.parametrize("last", [None, "many", [], True])
def test_a_list_never_ends_because_the_number_of_pages_is_unreadable(last: object) -> None:
    body = {"transaction_details": [transaction("1AB")], "page": 1, "total_pages": last}
    with pytest.raises(MappingError):
        hooks().map_refunds(window(), None, answer(body))


def test_a_long_list_is_asked_for_by_the_month_and_each_refund_once() -> None:
    made = Refund(
        connector_refund_id="1AB",
        status=SUCCEEDED,
        connector_status="COMPLETED",
        refund_amount=Money(1230, "EUR"),
        created_at=FakeClock().now() - timedelta(days=50),
    )
    wiring = Wiring(PayPal, [made])

    def twice(good: Response) -> Response:
        """A transaction id is not unique: one row may move the balance and another not."""
        body = json.loads(good.body)
        if "transaction_details" in body:
            body["transaction_details"] *= 2
        return answer(body)

    wiring.tamper = twice
    listed = list(wiring.client().list(since=FakeClock().now() - timedelta(days=70)))
    assert [(one.connector_refund_id, one.status, one.refund_amount) for one in listed] == [
        ("1AB", SUCCEEDED, Money(1230, "EUR"))
    ]
    asked = [parse_qs(urlsplit(str(one.url)).query) for one in wiring.sent if "/reporting/" in str(one.url)]
    assert len(asked) == 3
    for query in asked:
        start, end = (datetime.fromisoformat(query[name][0]) for name in ("start_date", "end_date"))
        assert end - start <= timedelta(days=31)


# Webhooks


class Signer:
    """A key and its certificate, made here and not by the sandbox."""

    def __init__(self, name: str = "messages.paypal.com", days: tuple[int, int] = (-30, 30), key: Any = None) -> None:
        self.key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        self.pem = (
            x509.CertificateBuilder(subject, subject, self.key.public_key(), 17)
            .not_valid_before(NOW + timedelta(days=days[0]))
            .not_valid_after(NOW + timedelta(days=days[1]))
            .sign(self.key, SHA256())
            .public_bytes(Encoding.PEM)
        )

    def event(
        self, body: bytes, *, sent: str = "2026-03-02T09:00:00Z", webhook_id: str = WEBHOOK_ID, **headers: str
    ) -> Event:
        message = f"tr-1|{sent}|{webhook_id}|{zlib.crc32(body)}".encode()
        signature = self.key.sign(message, padding.PKCS1v15(), SHA256())
        named = {f"PAYPAL-{name.upper().replace('_', '-')}": value for name, value in headers.items()}
        return Event(
            headers={
                "PAYPAL-TRANSMISSION-ID": "tr-1",
                "PAYPAL-TRANSMISSION-TIME": sent,
                "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(),
                "PAYPAL-CERT-URL": CERTIFICATE_URL,
                "PAYPAL-AUTH-ALGO": "SHA256withRSA",
                "PAYPAL-AUTH-VERSION": "v2",
                **named,
            },
            body=body,
            received_at=NOW,
        )


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def envelope(kind: str = "PAYMENT.CAPTURE.REFUNDED", resource: object = REFUND, **more: object) -> bytes:
    fields = {"id": "WH-1", "event_type": kind, "resource_type": "refund", "create_time": "2026-03-02T09:00:00Z"}
    return encode_json({**fields, "resource": resource, **more})


def without_status() -> dict[str, Any]:
    return {name: value for name, value in REFUND.items() if name != "status"}


def test_the_certificate_is_asked_for_first_and_without_credentials(signer: Signer) -> None:
    request = hooks().verify_event(signer.event(envelope()), None)
    assert isinstance(request, Request)
    assert (request.method, request.path, request.base, request.auth) == ("GET", CERTIFICATE_URL, None, None)


def test_the_signature_covers_the_checksum_as_a_decimal_number(signer: Signer) -> None:
    # 0xCBF43926 is the check value of CRC-32 for these nine bytes (ISO 3309); above 2**31, so a sign would show.
    event = signer.event(b"123456789")
    assert zlib.crc32(event.body) == 0xCBF43926 == 3421780262
    signature = signer.key.sign(
        f"tr-1|2026-03-02T09:00:00Z|{WEBHOOK_ID}|3421780262".encode(), padding.PKCS1v15(), SHA256()
    )
    assert event.header("PAYPAL-TRANSMISSION-SIG") == base64.b64encode(signature).decode()
    assert hooks().verify_event(event, Response(200, {}, signer.pem)) is True


def test_any_of_several_webhook_ids_will_do(signer: Signer) -> None:
    connector = hooks(webhook_id=["1AA", "2BB"])
    answered = Response(200, {}, signer.pem)
    assert connector.verify_event(signer.event(b"{}", webhook_id="2BB"), answered) is True
    with pytest.raises(SignatureError):
        connector.verify_event(signer.event(b"{}", webhook_id="3CC"), answered)


def test_an_event_of_the_simulator_needs_its_own_webhook_id(signer: Signer) -> None:
    event, answered = signer.event(b"{}", webhook_id="WEBHOOK_ID"), Response(200, {}, signer.pem)
    assert hooks(webhook_id="WEBHOOK_ID").verify_event(event, answered) is True
    with pytest.raises(SignatureError):
        hooks().verify_event(event, answered)


@pytest.mark.parametrize(
    "headers",
    [
        {"transmission_id": "tr-2"},
        {"transmission_time": "2026-03-02T09:00:01Z"},
        {"transmission_time": "2026-03-02T09:00:00"},
        {"transmission_time": "yesterday"},
        {"transmission_sig": base64.b64encode(b"short").decode()},
        {"transmission_sig": "not base64!"},
        {"transmission_sig": ""},
        {"transmission_id": "\udc80"},
        {"auth_algo": "SHA1withRSA"},
        {"auth_algo": ""},
    ],
)
def test_a_header_that_was_changed_is_refused(signer: Signer, headers: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        hooks().verify_event(signer.event(envelope(), **headers), Response(200, {}, signer.pem))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.sandbox.paypal.com.example.com/v1/notifications/certs/CERT-1",
        "https://example.com/v1/notifications/certs/CERT-1",
        "https://example.com/?https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "https://user@api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.sandbox.paypal.com:444/v1/notifications/certs/CERT-1",
        "https://api.sandbox.paypal.com/v1/notifications/certs/",
        "https://api.sandbox.paypal.com/v1/notifications/certs/../webhooks",
        "https://api.sandbox.paypal.com/v1/notifications/certs/a/b",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1?a=b",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1#a",
        "https://api.sandbox.paypal.com/v1/oauth2/token",
        "https://api.paypal.com/v1/notifications/certs/CERT-1",  # of production
        "https://[api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "http://localhost@example.com/v1/notifications/certs/CERT-1",
        "http://localhost.example.com/v1/notifications/certs/CERT-1",
    ],
)
def test_a_certificate_from_elsewhere_is_refused_unasked(signer: Signer, url: str) -> None:
    wiring = Wiring(PayPal)
    event = signer.event(envelope(), webhook_id=PayPalSandbox.settings["webhook_id"], cert_url=url)
    with pytest.raises(SignatureError) as caught:
        deliver(wiring.client(), event)
    assert caught.value.reply is not None
    assert wiring.sent == []


def test_a_certificate_of_this_machine_is_only_for_an_account_that_asks_this_machine(signer: Signer) -> None:
    url = "http://127.0.0.1:8400/paypal/v1/notifications/certs/CERT-1"
    event = signer.event(envelope(), cert_url=url)
    request = hooks().verify_event(event, None)
    assert isinstance(request, Request)
    account = Wiring(PayPal).client().account
    with pytest.raises(ConfigurationError):
        account.url_of(request)
    sandboxed = Wiring(PayPal).client(base_url="http://127.0.0.1:8400/paypal").account
    assert sandboxed.url_of(request) == ""


def test_the_sandbox_names_its_certificate_where_it_is_served() -> None:
    connector = PayPal(**PayPalSandbox.settings)
    refund = Refund(connector_refund_id="1AB", status=PENDING, connector_status="PENDING")
    moment = Moment(now=NOW, nonce="n")
    served = sandbox_hooks(PayPalSandbox(connector, "http://127.0.0.1:8400/paypal")).render_event(refund, moment)
    assert (served.header("Paypal-Cert-Url") or "").startswith("http://127.0.0.1:8400/paypal/v1/notifications/certs/")
    request = connector_hooks(connector).verify_event(served, None)
    assert isinstance(request, Request)


def refusal(signer: Signer, pem: bytes | None = None) -> str:
    with pytest.raises(SignatureError) as caught:
        hooks().verify_event(signer.event(envelope()), Response(200, {}, pem or signer.pem))
    return caught.value.message


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)])
def test_a_certificate_out_of_its_time_is_refused(days: tuple[int, int]) -> None:
    assert "expired" in refusal(Signer(days=days))


@pytest.mark.parametrize("name", ["paypal.com.example.com", "notpaypal.com", "example.com", "xpaypal.com"])
def test_a_certificate_of_someone_else_is_refused(name: str) -> None:
    assert "not made out" in refusal(Signer(name))


def test_a_certificate_with_another_kind_of_key_is_refused(signer: Signer) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert "RSA" in refusal(signer, Signer(key=key).pem)


def test_another_certificate_of_the_same_name_is_refused(signer: Signer) -> None:
    assert "does not fit" in refusal(signer, Signer().pem)


@pytest.mark.parametrize(
    "pem",
    [
        b"<html></html>",
        b'{"name": "RESOURCE_NOT_FOUND"}',
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"\xff\xfe",
    ],
)
def test_what_is_no_certificate_is_refused(signer: Signer, pem: bytes) -> None:
    assert "not a certificate" in refusal(signer, pem)


@pytest.mark.parametrize(
    ("age", "accepted"),
    [
        (timedelta(days=3, minutes=10), True),  # the last of the repeated deliveries
        (timedelta(days=4, seconds=1), False),
        (timedelta(days=-4, seconds=-1), False),
    ],
)
def test_a_delivery_may_be_as_late_as_paypal_repeats_it(signer: Signer, age: timedelta, accepted: bool) -> None:
    event = signer.event(envelope(), sent=(NOW - age).isoformat())
    answered = Response(200, {}, signer.pem)
    if accepted:
        assert hooks().verify_event(event, answered) is True
        return
    with pytest.raises(SignatureError):
        hooks().verify_event(event, answered)


def test_a_webhook_needs_the_webhook_id_alone(signer: Signer) -> None:
    wiring = Wiring(PayPal)
    wiring.tamper = lambda _: Response(200, {}, signer.pem)
    delivery = deliver(wiring.client({"webhook_id": WEBHOOK_ID}), signer.event(envelope()))
    assert [one.query.connector_refund_id for one in delivery.events] == ["3AB12345CD678901E"]
    assert [str(one.url) for one in wiring.sent] == [CERTIFICATE_URL]


# Events


def events(body: bytes, **settings: Any) -> list[Any]:
    return list(hooks(**settings).map_event(Event(body=body, received_at=NOW)))


@pytest.mark.parametrize("word", ["COMPLETED", "PENDING", "FAILED", "CANCELLED", "NEW"])
@pytest.mark.parametrize(
    "kind",
    ["PAYMENT.CAPTURE.REFUNDED", "PAYMENT.REFUND.PENDING", "PAYMENT.REFUND.FAILED", "PAYMENT.REFUND.COMPLETED"],
)
def test_the_status_of_the_refund_counts_and_not_the_name_of_the_event(kind: str, word: str) -> None:
    (one,) = events(envelope(kind, {**REFUND, "status": word}))
    assert one.refund == mapped(status=word)
    assert one.query == one.refund.query()
    assert (one.event_id, one.foreign) == ("WH-1", False)


def test_the_time_of_an_event_orders_refunds_that_come_without_theirs() -> None:
    (one,) = events(envelope("PAYMENT.REFUND.FAILED", {"id": "1AB", "status": "FAILED"}))
    assert (one.refund.updated_at, one.occurred_at) == (None, NOW)


@pytest.mark.parametrize(("kind", "status"), [("PAYMENT.REFUND.PENDING", PENDING), ("PAYMENT.REFUND.FAILED", FAILED)])
def test_without_a_status_the_name_of_the_event_counts_where_it_says_one(kind: str, status: object) -> None:
    (one,) = events(envelope(kind, without_status()))
    assert (one.refund.status, one.refund.connector_status) == (status, f"event:{kind}")


@pytest.mark.parametrize("kind", ["PAYMENT.CAPTURE.REFUNDED", "PAYMENT.REFUND.COMPLETED"])
def test_without_a_status_an_event_that_says_none_is_a_hint(kind: str) -> None:
    (one,) = events(envelope(kind, {"id": "1AB"}))
    assert one.is_hint
    assert one.query == RefundQuery(connector_refund_id="1AB")


@pytest.mark.parametrize(
    ("kind", "resource_type"),
    [
        ("PAYMENT.CAPTURE.REVERSED", "refund"),
        ("PAYMENT.SALE.REFUNDED", "refund"),
        ("PAYMENT.SALE.REVERSED", "refund"),
        ("PAYMENT.CAPTURE.COMPLETED", "capture"),
        ("PAYMENT.CAPTURE.REFUNDED", "capture"),
        (None, "refund"),
    ],
)
def test_an_event_that_is_no_refund_of_the_merchant_is_ignored(kind: Any, resource_type: str) -> None:
    assert events(envelope(kind, resource_type=resource_type)) == []


@pytest.mark.parametrize("resource", [None, [], "1AB", {}, {"id": None}, {"id": "1AB", "status": {}}])
def test_a_refund_event_that_cannot_be_read_is_an_error_and_not_ignored(resource: object) -> None:
    with pytest.raises(MappingError):
        events(envelope(resource=resource))


@pytest.mark.parametrize(
    ("payer_id", "merchant", "foreign"),
    [(None, "SELLER2", False), ("SELLER1", "SELLER1", False), ("SELLER1", "SELLER2", True), ("SELLER1", None, False)],
)
def test_a_refund_of_another_seller_is_foreign(payer_id: str | None, merchant: str | None, foreign: bool) -> None:
    body = envelope(resource={**REFUND, "payer": {"merchant_id": merchant}})
    (one,) = events(body, payer_id=payer_id)
    assert one.foreign is foreign


@pytest.mark.parametrize("word", sorted(PayPal.statuses))
def test_the_sandbox_tells_every_status_by_webhook(word: str) -> None:
    refund = Refund(
        connector_refund_id="1AB",
        connector_transaction_id="9ZY",
        merchant_refund_id="order-17",
        status=PayPal.statuses[word],
        connector_status=word,
        refund_amount=Money(100000, "HUF"),
        created_at=NOW,
        error=ErrorInfo(code="ECHECK") if PayPal.statuses[word] is FAILED else None,
    )
    wiring = Wiring(PayPal)
    (one,) = deliver(wiring.client(), wiring.event(refund)).events
    assert one.refund == refund
