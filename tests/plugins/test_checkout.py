"""Checkout.com keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from refundry import (
    AmbiguousRefund,
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    ErrorInfo,
    InvalidQuery,
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
    SignatureError,
    UnsupportedOperation,
    WaitEnd,
)
from refundry.http import Event, Response
from refundry.sandbox import json_response
from refundry.state import ATTENTION, fold, observe
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.wiring import deliver, sandbox_of
from refundry_checkout import Checkout

PAYMENT = "pay_madeupmadeupmadeupmadeup23"
REFUND = "act_refundrefundrefundrefund23"
CAPTURE = "act_capturecapturecapturecap23"
KEY = "made-up-signature-key"
ACCESS_KEY = {
    name: value for name, value in sandbox_of(Checkout).settings.items() if name not in ("secret_key", "prefix")
}


class TestCheckout(ConnectorContract):
    connector = Checkout
    documented = {
        "approved=true",
        "approved=false",
        "approved=absent",
        "payment_refunded",
        "payment_refund_declined",
        "payment_refund_pending",
        "payment_returned",  # workflows, webhook event types
        "Return",  # get payment actions
        "Refunded",  # get payment details
        "Partially Refunded",
    }


def action(**changes: Any) -> dict[str, Any]:
    good = {
        "id": REFUND,
        "type": "Refund",
        "processed_on": "2026-02-03T04:05:06Z",
        "amount": 1234,
        "approved": True,
        "response_code": "10000",
        "response_summary": "Approved",
    }
    return {name: value for name, value in {**good, **changes}.items() if value != "leave out"}


def capture(**changes: Any) -> dict[str, Any]:
    return action(**{"id": CAPTURE, "type": "Capture", "amount": 5678, "reference": "order-1", **changes})


def wired(actions: object, payment: object = None) -> Wiring:
    """A processor that answers with these actions and this payment, whatever it is asked."""
    wiring = Wiring(Checkout)
    details = {"id": PAYMENT, "currency": "EUR"} if payment is None else payment

    def tamper(response: Response) -> Response:
        return json_response(actions if paths(wiring)[-1].endswith("/actions") else details)

    wiring.tamper = tamper
    return wiring


def ask(actions: object, payment: object = None, **query: str) -> Refund:
    asked = {"connector_transaction_id": PAYMENT, "connector_refund_id": REFUND, **query}
    return wired(actions, payment).client().get(asked)


def paths(wiring: Wiring) -> list[str]:
    return [urlsplit(str(request.url)).path for request in wiring.sent]


def refusing(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> RefundClient:
    wiring = Wiring(Checkout)
    wiring.tamper = lambda _: Response(status, headers or {}, body)
    return wiring.client()


def booked(status: str = "approved=true") -> Refund:
    return Refund(
        connector_refund_id=REFUND,
        connector_transaction_id=PAYMENT,
        status=Checkout.statuses[status],
        connector_status=status,
        refund_amount=Money(1234, "EUR"),
    )


# Get: an action of a payment, and the currency from the payment


def test_a_refund_is_an_action_and_its_currency_comes_from_the_payment() -> None:
    wiring = wired([action(processing={"acquirer_reference_number": "7" * 23}, reference="refund-1"), capture()])
    refund = wiring.client().get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND)
    assert paths(wiring) == [f"/payments/{PAYMENT}/actions", f"/payments/{PAYMENT}"]
    assert refund.connector_refund_id == REFUND
    assert refund.connector_transaction_id == PAYMENT
    assert refund.merchant_refund_id == "refund-1"
    assert refund.status is RefundStatus.SUCCEEDED
    assert refund.connector_status == "approved=true"
    assert refund.error is None
    assert refund.refund_amount == Money(1234, "EUR")
    assert refund.processed_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert refund.created_at is None
    assert refund.acquirer_reference_number == "7" * 23
    assert refund.problems == ()


def test_a_known_currency_spares_the_second_request() -> None:
    wiring = wired([action()])
    refund = wiring.client().get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND, currency="GBP")
    assert paths(wiring) == [f"/payments/{PAYMENT}/actions"]
    assert refund.refund_amount == Money(1234, "GBP")
    assert refund.query().currency == "GBP"


@pytest.mark.parametrize("payment", [{}, {"currency": None}, {"currency": 978}, {"currency": "EURO"}, {"currency": []}])
def test_without_a_readable_currency_there_is_a_status_and_no_amount(payment: dict[str, Any]) -> None:
    refund = ask([action()], payment)
    assert refund.status is RefundStatus.SUCCEEDED
    assert refund.refund_amount is None
    assert any("amount" in problem for problem in refund.problems)


@pytest.mark.parametrize("status", [429, 503])
def test_a_failing_second_request_fails_the_get(status: int) -> None:
    wiring = wired([action()])
    good = wiring.tamper
    wiring.tamper = lambda answer: good(answer) if paths(wiring)[-1].endswith("actions") else Response(status)
    with pytest.raises(RateLimited if status == 429 else ProcessorUnavailable):
        wiring.client().get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND)


def test_the_type_decides_where_a_capture_has_the_same_id() -> None:
    refund = ask([capture(id=REFUND), action(approved=False)])
    assert refund.status is RefundStatus.FAILED
    assert refund.refund_amount == Money(1234, "EUR")


def test_the_id_of_a_capture_is_not_a_refund() -> None:
    with pytest.raises(NotARefund):
        ask([action(), capture()], connector_refund_id=CAPTURE)


@pytest.mark.parametrize("actions", [[], [capture()], [action(id="act_another")]])
def test_an_action_that_is_absent_is_not_found_and_nothing_else_is_asked(actions: list[Any]) -> None:
    wiring = wired(actions)
    with pytest.raises(RefundNotFound) as caught:
        wiring.client().get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND)
    assert type(caught.value) is RefundNotFound
    assert len(wiring.sent) == 1


@pytest.mark.parametrize("odd", [None, 1, "text", [], {}, {"id": "act_x"}, {"type": "Refund"}, {"id": [], "type": {}}])
def test_an_action_that_cannot_be_read_may_be_the_one_asked_for(odd: object) -> None:
    with pytest.raises(MappingError):
        ask([capture(), odd])
    assert ask([odd, action()]).connector_refund_id == REFUND


@pytest.mark.parametrize("body", [{}, {"data": []}, None, 1, "text"])
def test_an_answer_that_is_no_list_is_not_understood(body: object) -> None:
    with pytest.raises(MappingError):
        ask(body)


def test_a_fresh_refund_may_not_be_listed_yet() -> None:
    wiring = Wiring(Checkout)
    appears = wiring.clock.now() + timedelta(minutes=2)

    def tamper(response: Response) -> Response:
        return json_response([action(), capture()] if wiring.clock.now() >= appears else [capture()])

    wiring.tamper = tamper
    outcome = wiring.client().wait(connector_transaction_id=PAYMENT, connector_refund_id=REFUND, currency="EUR")
    assert outcome.reason is WaitEnd.SETTLED
    assert outcome.polls > 1


# Get by the merchant's reference


def test_a_reference_finds_the_refund_and_never_another_action() -> None:
    actions = [capture(reference="refund-1"), action(reference="refund-1"), action(id="act_2", reference="refund-2")]
    wiring = wired(actions)
    refund = wiring.client().get(connector_transaction_id=PAYMENT, merchant_refund_id="refund-1")
    assert refund.connector_refund_id == REFUND
    with pytest.raises(RefundNotFound) as caught:
        wired([capture(), *actions]).client().get(connector_transaction_id=PAYMENT, merchant_refund_id="order-1")
    assert type(caught.value) is RefundNotFound, "such a refund may still come"


def test_a_reference_of_several_refunds_is_ambiguous() -> None:
    wiring = wired([action(reference="refund-1"), action(id="act_2", reference="refund-1")])
    with pytest.raises(AmbiguousRefund):
        wiring.client().get(connector_transaction_id=PAYMENT, merchant_refund_id="refund-1")


def test_the_refunds_own_id_outweighs_the_reference() -> None:
    refund = ask([action(reference="of-the-payment")], merchant_refund_id="refund-1")
    assert refund.connector_refund_id == REFUND
    assert refund.merchant_refund_id == "of-the-payment"
    assert ask([action()], merchant_refund_id="refund-1").merchant_refund_id == "refund-1"


def test_the_payment_must_be_named() -> None:
    with pytest.raises(InvalidQuery, match="connector_transaction_id"):
        wired([action()]).client().get(connector_refund_id=REFUND)


# The status, which is a truth value


@pytest.mark.parametrize(
    ("approved", "status", "condition"),
    [
        (True, RefundStatus.SUCCEEDED, "approved=true"),
        (False, RefundStatus.FAILED, "approved=false"),
        (None, RefundStatus.PENDING, "approved=absent"),
        ("leave out", RefundStatus.PENDING, "approved=absent"),
        ("true", RefundStatus.UNKNOWN, 'approved="true"'),
        ("false", RefundStatus.UNKNOWN, 'approved="false"'),
        (1, RefundStatus.UNKNOWN, 'approved="1"'),
        (0, RefundStatus.UNKNOWN, 'approved="0"'),
    ],
)
def test_only_a_truth_value_is_an_outcome(approved: object, status: RefundStatus, condition: str) -> None:
    refund = ask([action(approved=approved)])
    assert refund.status is status
    assert refund.connector_status == condition


@pytest.mark.parametrize("approved", ["", [], {}, 1.5, [True]])
def test_an_odd_approval_is_not_understood(approved: object) -> None:
    with pytest.raises(MappingError):
        ask([action(approved=approved)])


def test_a_response_code_alone_decides_nothing() -> None:
    refund = ask([action(approved=None, response_code="10000"), capture()])
    assert refund.status is RefundStatus.PENDING
    assert ask([action(approved=True, response_code="20005")]).error is None


def test_a_declined_refund_says_why() -> None:
    declined = action(approved=False, response_code="30004", response_summary="Pick up card")
    assert ask([declined]).error == ErrorInfo(code="30004", message="Pick up card")
    silent = action(approved=False, response_code="leave out", response_summary=None)
    assert ask([silent]).error is None


# Amounts and times


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [
        ("EUR", 1234, 1234),
        ("JPY", 1234, 1234),
        ("UGX", 1234, 1234),
        ("BHD", 1230, 1230),
        ("CLP", 123400, 1234),  # two decimals at Checkout.com, none in ISO 4217
        ("UYI", 123400, 1234),
        ("CLF", 1234, 123400),  # two decimals at Checkout.com, four in ISO 4217
    ],
)
def test_amounts_count_in_the_processors_decimals(currency: str, amount: int, minor: int) -> None:
    assert ask([action(amount=amount)], {"currency": currency}).refund_amount == Money(minor, currency)


@pytest.mark.parametrize("amount", [12.5, "12.5", -1, True, [], {}, 10**400])
def test_an_odd_amount_is_a_problem(amount: object) -> None:
    refund = ask([action(amount=amount)])
    assert refund.refund_amount is None
    assert refund.status is RefundStatus.SUCCEEDED
    assert len(refund.problems) == 1


def test_half_a_peso_is_a_problem() -> None:
    refund = ask([action(amount=150)], {"currency": "CLP"})
    assert refund.refund_amount is None
    assert refund.problems


@pytest.mark.parametrize(
    ("written", "microsecond"),
    [("2026-02-03T04:05:06Z", 0), ("2026-02-03T04:05:06.1234567Z", 123456), ("2026-02-03T06:05:06.12+02:00", 120000)],
)
def test_a_time_may_have_seven_decimals(written: str, microsecond: int) -> None:
    expected = datetime(2026, 2, 3, 4, 5, 6, microsecond, UTC)
    assert ask([action(processed_on=written)]).processed_at == expected


@pytest.mark.parametrize("written", ["2026-02-03T04:05:06", "yesterday", 1, {}])
def test_an_odd_time_is_a_problem(written: object) -> None:
    refund = ask([action(processed_on=written)])
    assert refund.processed_at is None
    assert refund.problems


# Hosts and credentials


@pytest.mark.parametrize(
    ("settings", "environment", "api", "auth"),
    [
        ({}, "SANDBOX", "https://api.sandbox.checkout.com", "https://access.sandbox.checkout.com"),
        ({}, "PRODUCTION", "https://api.checkout.com", "https://access.checkout.com"),
        (
            {"prefix": "abcd1234"},
            "SANDBOX",
            "https://abcd1234.api.sandbox.checkout.com",
            "https://abcd1234.access.sandbox.checkout.com",
        ),
        (
            {"prefix": "pl-abcd1234"},
            "PRODUCTION",
            "https://pl-abcd1234.api.checkout.com",
            "https://pl-abcd1234.access.checkout.com",
        ),
    ],
)
def test_an_account_has_its_own_host_or_the_shared_one(
    settings: dict[str, Any], environment: str, api: str, auth: str
) -> None:
    client = RefundClient("checkout", environment=environment, secret_key="sk_madeup", **settings)
    assert client.account.urls == {"api": api, "auth": auth}


def test_a_prefix_with_its_mark_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        RefundClient("checkout", secret_key="sk_madeup", prefix="cli_abcd1234")


def test_a_sandbox_key_is_refused_in_production() -> None:
    with pytest.raises(ConfigurationError, match="secret_key"):
        RefundClient("checkout", environment="PRODUCTION", secret_key=sandbox_of(Checkout).settings["secret_key"])


def test_a_secret_key_needs_no_token() -> None:
    wiring = Wiring(Checkout, [booked()])
    wiring.client().get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND, currency="EUR")
    assert [request.headers["Authorization"] for request in wiring.sent] == [f"Bearer {wiring.settings['secret_key']}"]


def test_an_access_key_is_exchanged_for_a_token_once() -> None:
    wiring = Wiring(Checkout, [booked()])
    client = wiring.client({**ACCESS_KEY, "prefix": "refundry"})
    for _ in range(2):
        client.get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND, currency="EUR")
    token, *asked = wiring.sent
    assert str(token.url) == "https://refundry.access.sandbox.checkout.com/connect/token"
    pair = base64.b64encode(f"{ACCESS_KEY['client_id']}:{ACCESS_KEY['client_secret']}".encode()).decode()
    assert token.headers["Authorization"] == f"Basic {pair}"
    assert form(token) == {"grant_type": ["client_credentials"], "scope": ["gateway"]}
    assert [request.headers["Authorization"] for request in asked] == [
        "Bearer sandbox-token-000000000000000000000001"
    ] * 2


def test_a_narrower_scope_can_be_asked_for() -> None:
    wiring = Wiring(Checkout, [booked()])
    client = wiring.client({**ACCESS_KEY, "prefix": "refundry", "scope": "gateway:payment-details"})
    client.get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND, currency="EUR")
    assert form(wiring.sent[0])["scope"] == ["gateway:payment-details"]


def test_a_token_that_is_refused_is_renewed_once() -> None:
    wiring = Wiring(Checkout, [booked()])
    client = wiring.client({**ACCESS_KEY, "prefix": "refundry"})
    client.get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND, currency="EUR")
    wiring.book.tokens.clear()
    wiring.book.tokens["another"] = wiring.clock.now()
    client.get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND, currency="EUR")
    assert [path for path in paths(wiring) if path == "/connect/token"] == ["/connect/token"] * 2


@pytest.mark.parametrize("status", [400, 401, 403])
def test_no_token_is_an_authentication_error(status: int) -> None:
    wiring = Wiring(Checkout)
    wiring.tamper = lambda _: json_response({"error": "invalid_client"}, status)
    with pytest.raises(AuthenticationError) as caught:
        wiring.client({**ACCESS_KEY, "prefix": "refundry"}).get(
            connector_transaction_id=PAYMENT, connector_refund_id=REFUND
        )
    assert caught.value.operation == "token"


def test_half_an_access_key_is_named() -> None:
    with pytest.raises(ConfigurationError, match="client_id and client_secret, or secret_key|secret_key, or client_id"):
        RefundClient("checkout", client_id="ack_madeup")


def test_webhooks_alone_need_no_key() -> None:
    client = RefundClient("checkout", webhook_signature_key=KEY)
    assert client.account.can("webhook")
    with pytest.raises(ConfigurationError):
        client.get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND)


def form(request: requests.PreparedRequest) -> dict[str, list[str]]:
    body = request.body or b""
    return parse_qs(body.decode() if isinstance(body, bytes) else str(body))


# Errors


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, RefundNotFound),
        (422, ConnectorError),
        (429, RateLimited),
        (500, ProcessorUnavailable),
        (502, ProcessorUnavailable),
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"[", b'{"error_codes": 1}', b'{"error_codes": [1, null]}'])
def test_a_refusal_says_by_its_status_what_it_is(status: int, expected: type[RefundryError], body: bytes) -> None:
    client = refusing(status, body, {"Cko-Request-Id": "made-up-request"})
    with pytest.raises(expected) as caught:
        client.get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND)
    assert type(caught.value) is expected
    assert caught.value.code is None
    assert caught.value.request_id == "made-up-request"


def test_an_invalid_request_keeps_its_code_and_request_id() -> None:
    body = {"request_id": "made-up-request", "error_type": "request_invalid", "error_codes": ["id_invalid", "other"]}
    with pytest.raises(ConnectorError) as caught:
        refusing(422, json.dumps(body).encode()).get(connector_transaction_id=PAYMENT, connector_refund_id=REFUND)
    assert caught.value.code == "id_invalid"
    assert caught.value.request_id == "made-up-request"
    with pytest.raises(ConnectorError) as caught:
        refusing(422, json.dumps({**body, "error_codes": []}).encode()).get(
            connector_transaction_id=PAYMENT, connector_refund_id=REFUND
        )
    assert caught.value.code == "request_invalid"


# List: of one payment


def test_a_list_asks_the_payment_then_its_actions() -> None:
    wiring = wired([action(), capture(), action(id="act_2", approved=False), action(id="act_3", type="Return")])
    listed = list(wiring.client().list(connector_transaction_id=PAYMENT))
    assert paths(wiring) == [f"/payments/{PAYMENT}", f"/payments/{PAYMENT}/actions"]
    assert [(one.connector_refund_id, one.status.value) for one in listed] == [
        (REFUND, "SUCCEEDED"),
        ("act_2", "FAILED"),
    ]
    assert {one.refund_amount for one in listed} == {Money(1234, "EUR")}
    assert {one.connector_transaction_id for one in listed} == {PAYMENT}


def test_a_list_without_a_currency_has_no_amounts() -> None:
    (refund,) = wired([action()], {"id": PAYMENT}).client().list(connector_transaction_id=PAYMENT)
    assert refund.refund_amount is None
    assert refund.problems == ("amount: the currency is not known",)


def test_a_list_needs_a_payment() -> None:
    with pytest.raises(UnsupportedOperation, match="connector_transaction_id"):
        wired([]).client().list()


def test_the_list_of_an_unknown_payment_is_an_error() -> None:
    with pytest.raises(RefundryError):
        list(Wiring(Checkout).client().list(connector_transaction_id=PAYMENT))


# Webhooks


def notice(kind: str = "payment_refunded", **changes: Any) -> dict[str, Any]:
    data = {
        "id": PAYMENT,
        "action_id": REFUND,
        "reference": "refund-1",
        "amount": 1234,
        "currency": "EUR",
        "processed_on": "2026-02-03T04:05:06.7654321Z",
        "response_code": "10000",
        "response_summary": "Approved",
        "balances": {"total_refunded": 5000},
        "processing": {"acquirer_reference_number": "7" * 23},
        **changes,
    }
    return {"id": "evt_1", "type": kind, "created_on": "2026-02-03T04:05:07.1234567Z", "data": data}


def received(event: object, *, client: RefundClient | None = None, **headers: str) -> Any:
    body = json.dumps(event).encode()
    signature = hmac.new(KEY.encode(), body, "sha256").hexdigest()
    client = client or RefundClient("checkout", webhook_signature_key=KEY)
    return client.handle_event(body=body, headers={"Cko-Signature": signature, **headers})


def test_an_event_has_all_that_a_get_has() -> None:
    delivery = received(notice())
    assert delivery.reply.status_code == 200
    (event,) = delivery.events
    assert event.event_id == "evt_1"
    assert event.refund.connector_refund_id == REFUND
    assert event.refund.connector_transaction_id == PAYMENT
    assert event.refund.merchant_refund_id == "refund-1"
    assert event.refund.status is RefundStatus.SUCCEEDED
    assert event.refund.connector_status == "payment_refunded"
    assert event.refund.refund_amount == Money(1234, "EUR"), "of this refund, and not the payment's total"
    assert event.refund.processed_at == datetime(2026, 2, 3, 4, 5, 6, 765432, UTC)
    assert event.refund.acquirer_reference_number == "7" * 23
    assert event.refund.error is None
    assert event.query == event.refund.query()


def test_a_declined_event_says_why() -> None:
    (event,) = received(notice("payment_refund_declined", response_code="20006", response_summary="No")).events
    assert event.refund.status is RefundStatus.FAILED
    assert event.refund.error == ErrorInfo(code="20006", message="No")


def test_a_pending_event_of_an_older_account_is_read() -> None:
    older = {
        "id": "evt_2",
        "source": "gateway",
        "type": "payment_refund_pending",
        "timestamp": "2026-02-03T04:05:07.123+00:00",
        "data": {
            "id": PAYMENT,
            "action_id": REFUND,
            "amount": 100,
            "processed_on": "2026-02-03T04:05:06.1234567+00:00",
            "currency": "EUR",
        },
    }
    (event,) = received(older).events
    assert event.refund.status is RefundStatus.PENDING
    assert event.refund.refund_amount == Money(100, "EUR")
    assert event.refund.problems == ()


def test_an_event_is_dated_by_its_refund_and_else_by_itself() -> None:
    older = {**notice(processed_on=None), "created_on": None, "timestamp": "2026-02-03T04:05:07.123+00:00"}
    made = datetime(2026, 2, 3, 4, 5, 7, 123456, UTC)
    expected = ((notice(), None), (notice(processed_on=None), made), (older, made.replace(microsecond=123000)))
    for body, moment in expected:
        (event,) = received(body).events
        assert event.occurred_at == moment


def test_a_pending_event_is_not_newer_than_the_outcome_for_being_made_seconds_later() -> None:
    (event,) = received(notice("payment_refund_pending")).events
    outcome = ask([action(processed_on="2026-02-03T04:05:07Z")], currency="EUR")
    heard = datetime(2026, 2, 3, 5, tzinfo=UTC)
    pending = observe("shop", event.refund, source="webhook", observed_at=heard, occurred_at=event.occurred_at)
    state = fold([pending, observe("shop", outcome, source="get", observed_at=heard)])
    assert (state.status, state.flags & ATTENTION) == (RefundStatus.SUCCEEDED, set())


@pytest.mark.parametrize("word", sorted(sandbox_of(Checkout).event_words))
def test_every_event_type_makes_the_round_trip(word: str) -> None:
    wiring, refund = Wiring(Checkout), booked(word)
    (event,) = deliver(wiring.client(), wiring.event(refund)).events
    assert event.refund == refund


@pytest.mark.parametrize("kind", ["payment_returned", "payment_captured", "dispute_won", "approved=true", "", None])
def test_other_events_are_acknowledged_and_say_nothing(kind: Any) -> None:
    delivery = received(notice(kind))
    assert delivery.events == []
    assert delivery.reply.status_code == 200


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {"type": ["payment_refunded"]},
        {"type": "payment_refunded"},
        {"type": "payment_refunded", "data": []},
        notice(action_id=None),
        notice(action_id={}),
    ],
)
def test_a_signed_event_that_cannot_be_read_is_a_mapping_error(event: object) -> None:
    with pytest.raises(MappingError) as caught:
        received(event)
    assert "defect" not in caught.value.message


def test_the_signature_is_hmac_sha256_of_the_raw_body_in_hex() -> None:
    # RFC 4231, test case 2. Checkout.com publishes no vector of its own.
    hooks = RefundClient("checkout", webhook_signature_key="Jefe").account.hooks
    signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    body = b"what do ya want for nothing?"
    for given in (signature, signature.upper()):
        event = Event(headers={"Cko-Signature": given}, body=body, received_at=datetime(2026, 2, 3, tzinfo=UTC))
        assert hooks.verify_event(event, None) is True
    wrong = Event(headers={"Cko-Signature": signature}, body=body + b" ", received_at=event.received_at)
    with pytest.raises(SignatureError):
        hooks.verify_event(wrong, None)


def test_an_authorization_header_is_compared_where_one_is_agreed() -> None:
    client = RefundClient("checkout", webhook_signature_key=KEY, webhook_authorization="made-up header key")
    assert received(notice(), client=client, Authorization="made-up header key").events
    for headers in ({}, {"Authorization": ""}, {"Authorization": "made-up header kez"}):
        with pytest.raises(SignatureError) as caught:
            received(notice(), client=client, **headers)
        assert caught.value.reply is not None
        assert caught.value.reply.status_code == 400
    assert received(notice(), Authorization="whatever").events, "none is agreed"


def test_an_authorization_header_alone_proves_nothing() -> None:
    client = RefundClient("checkout", webhook_signature_key=KEY, webhook_authorization="made-up header key")
    with pytest.raises(SignatureError):
        received(notice(), client=client, Authorization="made-up header key", **{"Cko-Signature": "0" * 64})


def test_the_sandbox_sends_the_agreed_authorization() -> None:
    wiring = Wiring(Checkout)
    settings = {**wiring.settings, "webhook_authorization": "made-up header key"}
    assert deliver(wiring.client(settings), wiring.event(booked(), settings)).events
