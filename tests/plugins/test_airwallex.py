"""Airwallex keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import RefundClient, errors
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, ErrorInfo, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_airwallex import Airwallex

SECRET = "the subscription's own secret"
KEYS: dict[str, Any] = {"client_id": "our own client", "api_key": "our own api key"}
HOOKS = connector_hooks(Airwallex(**KEYS))
NOW = datetime(2026, 2, 15, 9, 0, 0, 250_000, tzinfo=UTC)
START = datetime(2026, 2, 1, tzinfo=UTC)
WINDOW = Window(since=START, until=START + timedelta(days=1, microseconds=1), page_size=3)


class TestAirwallex(ConnectorContract):
    connector = Airwallex
    # airwallex.com/docs/api/payments/refunds; the last three in Airwallex's plugin for WooCommerce, API 2020-04-30
    documented = {"RECEIVED", "ACCEPTED", "SETTLED", "FAILED", "CREATED", "PROCESSING", "SUCCEEDED"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "id": "rfd_ourownrefund01",
        "request_id": "return-17",
        "payment_intent_id": "int_ourownpayment1",
        "payment_attempt_id": "att_ourownattempt1",
        "amount": 12.30,
        "currency": "AUD",
        "reason": "one cup was broken",
        "status": "SETTLED",
        "acquirer_reference_number": "70000000000000000000017",
        "metadata": {"shelf": "4"},
        "created_at": "2026-02-14T07:30:00+0000",
        "updated_at": "2026-02-15T17:30:00+1000",
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
        connector_refund_id="rfd_ourownrefund01",
        connector_transaction_id="int_ourownpayment1",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="SETTLED",
        refund_amount=Money(1230, "AUD"),
        refund_reason="one cup was broken",
        created_at=datetime(2026, 2, 14, 7, 30, tzinfo=UTC),
        updated_at=datetime(2026, 2, 15, 7, 30, tzinfo=UTC),
        acquirer_reference_number="70000000000000000000017",
    )
    assert mapped(payment_intent_id=None).connector_transaction_id == "att_ourownattempt1"


WORDS = {"RECEIVED": PENDING, "ACCEPTED": PENDING, "SETTLED": SUCCEEDED, "FAILED": FAILED}
OLDER_WORDS = {"CREATED": PENDING, "PROCESSING": PENDING, "SUCCEEDED": SUCCEEDED}
OTHERS = {"CANCELLED": UNKNOWN, "settled": UNKNOWN, None: UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *OLDER_WORDS.items(), *OTHERS.items()])
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (status, word)


WHY = {"code": "insufficient_funds", "message": "no"}


@pytest.mark.parametrize("details", [WHY, {"message": "no"}, {}, "odd"])
def test_failure_details_say_why_where_they_can_be_read(details: Any) -> None:
    refund = mapped(status="FAILED", failure_details=details)
    error = ErrorInfo(**details) if details and details != "odd" else None
    assert (refund.status, refund.error, refund.problems) == (FAILED, error, ())


AMOUNTS = [(295, "JPY", 295), (0.1, "USD", 10), (1.0, "KRW", 1), (1.001, "AUD", None), (-1, "AUD", None)]


@pytest.mark.parametrize(("amount", "currency", "minor"), AMOUNTS)
def test_amounts_are_decimal_numbers_in_major_units(amount: float, currency: str, minor: int | None) -> None:
    refund = mapped(amount=amount, currency=currency)
    assert refund.refund_amount == (Money(minor, currency) if minor is not None else None)
    assert bool(refund.problems) is (minor is None)


def test_a_token_is_asked_for_once_and_renewed_once() -> None:
    wiring = Wiring(Airwallex, [mapped()])
    client = wiring.client()
    client.get(connector_refund_id="rfd_ourownrefund01")
    client.get(connector_refund_id="rfd_ourownrefund01")
    wiring.book.tokens.clear()
    assert client.get(connector_refund_id="rfd_ourownrefund01").status is SUCCEEDED
    assert [one.method for one in wiring.sent] == ["POST", "GET", "GET", "GET", "POST", "GET"]
    login, get = wiring.sent[:2]
    assert (login.target, login.body, wiring.answered[0].status_code) == ("/api/v1/authentication/login", b"{}", 201)
    names = {"x-client-id": "client_id", "x-api-key": "api_key", "x-login-as": "account_id"}
    assert {name: login.headers[name] for name in names} == {name: wiring.settings[names[name]] for name in names}
    assert get.target == "/api/v1/pa/refunds/rfd_ourownrefund01"
    assert (get.headers["x-api-version"], get.headers["Authorization"]) == (
        "2024-06-30",
        "Bearer sandbox-token-000000000000000000000001",
    )
    assert "x-api-key" not in get.headers


def test_a_login_without_a_token_is_a_mapping_error() -> None:
    for body in ({"token": None}, {"token": ["odd"]}, {"expires_at": "2026-02-14T07:30:00+0000"}):
        with pytest.raises(errors.MappingError, match="token"):
            HOOKS.map_token(answer(body, 201))


def test_a_platform_asks_on_behalf_of_its_connected_account() -> None:
    hooks = connector_hooks(Airwallex(**KEYS, connected_account_id="acct_theirs", api_version="2025-02-14"))
    request = hooks.fetch_refund(RefundQuery(connector_refund_id="rfd_1"))
    assert request.headers == {"x-api-version": "2025-02-14", "x-on-behalf-of": "acct_theirs"}


def asked(status_code: int, body: object) -> errors.RefundryError:
    wiring = Wiring(Airwallex, [mapped()])
    client = wiring.client()
    client.get(connector_refund_id="rfd_ourownrefund01")
    wiring.tamper = lambda _: answer(body, status_code)
    with pytest.raises(errors.RefundryError) as caught:
        client.get(connector_refund_id="rfd_ourownrefund01")
    assert "Miller" not in str(caught.value)
    return caught.value


REFUSED = [(400, "validation_error"), (400, "duplicate_request"), (401, "credentials_expired"), (403, None)]
REFUSED += [(401, "resource_not_found"), (404, "resource_not_found"), (404, "not_found"), (409, "conflict")]
KINDS = {401: errors.AuthenticationError, 403: errors.AuthenticationError, 404: errors.RefundNotFound}


@pytest.mark.parametrize(("status_code", "code"), REFUSED)
def test_a_refusal_is_told_by_its_status_and_keeps_its_code(status_code: int, code: str | None) -> None:
    error = asked(status_code, {"code": code, "message": "Kim Miller's refund", "trace_id": "ourowntrace"})
    assert (type(error), error.code) == (KINDS.get(status_code, errors.ConnectorError), code)
    assert status_code in (401, 403) or error.request_id == "ourowntrace"
    assert type(asked(429, {"code": code})) is errors.RateLimited
    assert type(asked(503, {"code": code})) is errors.ProcessorUnavailable


@pytest.mark.parametrize("body", [[], None, {}, {"code": ["odd"]}])
def test_a_refusal_of_an_unknown_form_keeps_its_http_status(body: object) -> None:
    kinds = [type(asked(status_code, body)) for status_code in (400, 401, 404)]
    assert kinds == [errors.ConnectorError, errors.AuthenticationError, errors.RefundNotFound]


def test_a_list_covers_the_window_or_the_whole_payment() -> None:
    request = HOOKS.fetch_refunds(WINDOW, None)
    times = {"from_created_at": "2026-01-31T23:59:59Z", "to_created_at": "2026-02-02T00:00:01Z"}
    assert (request.path, dict(request.params)) == ("/api/v1/pa/refunds", {**times, "page_num": 0, "page_size": 3})
    for payment, name in (("int_1", "payment_intent_id"), ("att_1", "payment_attempt_id")):
        request = HOOKS.fetch_refunds(Window(since=START, until=NOW, connector_transaction_id=payment), "2")
        assert dict(request.params) == {name: payment, "page_num": "2", "page_size": 100}


PAGES = [(None, 3, True, "1"), ("1", 3, True, "2"), ("1", 1, False, None), (None, 0, False, None), ("2", 0, True, None)]


@pytest.mark.parametrize(("cursor", "count", "more", "following"), PAGES)
def test_pages_are_numbered_from_zero_here(cursor: str | None, count: int, more: bool, following: str | None) -> None:
    body = {"has_more": more, "items": [entity(id=f"rfd_{number}") for number in range(count)]}
    page = HOOKS.map_refunds(WINDOW, cursor, answer(body))
    assert (len(page.refunds), page.cursor) == (count, following)


@pytest.mark.parametrize("body", [{"items": []}, {"has_more": "false", "items": []}, {"has_more": False}, []])
def test_a_list_that_may_lack_pages_is_a_mapping_error(body: object) -> None:
    with pytest.raises(errors.MappingError):
        HOOKS.map_refunds(WINDOW, None, answer(body))


def body_of(name: object, word: Any = "SETTLED", **envelope: object) -> bytes:
    return json.dumps({"id": "evt_ours", "name": name, "data": {"object": entity(status=word)}, **envelope}).encode()


def delivered(body: bytes, *, sent: str | None = None, key: str = SECRET, **settings: Any) -> Delivery:
    sent = str(int(NOW.timestamp() * 1000)) if sent is None else sent
    signature = hmac.new(key.encode(), sent.encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-timestamp": sent, "x-signature": signature, "client-secret-key": key}
    client = RefundClient("airwallex", webhook_secret=SECRET, **settings)
    return client.handle_event(body=body, headers=headers, received_at=NOW)


@pytest.mark.parametrize("name", ["received", "accepted", "settled", "failed", "processing", "succeeded"])
@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_the_refund_says_its_status_and_the_event_does_not(name: str, word: str, status: object) -> None:
    delivery = delivered(body_of(f"refund.{name}", word))
    (event,) = delivery.events
    assert event.refund is not None
    assert (event.refund.status, event.refund.connector_status) == (status, word)
    assert (event.event_id, delivery.reply.status_code) == ("evt_ours", 200)


@pytest.mark.parametrize("name", ["payment_intent.succeeded", "refund", None])
def test_an_event_about_something_else_is_acknowledged_and_ignored(name: object) -> None:
    delivery = delivered(body_of(name))
    assert (list(delivery.events), delivery.reply.status_code) == ([], 200)


ACCOUNTS = [("acct_1", False), ("acct_2", True), ("17e5c0de", False), (None, False)]


@pytest.mark.parametrize("name", ["account_id", "accountId"])
@pytest.mark.parametrize(("theirs", "is_foreign"), ACCOUNTS)
def test_an_event_of_another_account_is_foreign(name: str, theirs: str | None, is_foreign: bool) -> None:
    body = body_of("refund.settled", **{name: theirs})
    assert delivered(body, account_id="acct_1").events[0].foreign is is_foreign
    assert delivered(body, account_id="acct_2", connected_account_id="acct_1").events[0].foreign is is_foreign
    assert delivered(body).events[0].foreign is False


def test_the_secret_that_comes_with_a_test_event_is_never_used() -> None:
    with pytest.raises(errors.SignatureError):
        delivered(body_of("refund.settled"), key="the secret in the header client-secret-key")


@pytest.mark.parametrize("sent", ["", "soon", "-1", "0", str(int(NOW.timestamp())), "9" * 30])
def test_a_time_that_is_not_in_milliseconds_is_refused(sent: str) -> None:
    with pytest.raises(errors.SignatureError):
        delivered(body_of("refund.settled"), sent=sent)


@pytest.mark.parametrize("data", [None, {}, [], {"object": None}, {"object": []}])
def test_a_refund_event_without_its_refund_is_a_mapping_error(data: object) -> None:
    with pytest.raises(errors.MappingError):
        delivered(body_of("refund.settled", data=data))
