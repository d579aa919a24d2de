"""TrueLayer keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from refundry import errors
from refundry.certificates import decode_base64url, p521_key
from refundry.http import Event, Request, Response
from refundry.model import FAILED, SUCCEEDED, ErrorInfo, Money, Refund, RefundQuery
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.wiring import deliver
from refundry_truelayer import TrueLayer
from refundry_truelayer.sandbox import public_key

CREATED = datetime(2026, 2, 14, 7, 30, 0, 120_000, tzinfo=UTC)
SETTINGS = Wiring(TrueLayer).settings
QUERY = RefundQuery(connector_refund_id="refund-7", connector_transaction_id="payment-7")

# TrueLayer/truelayer-signing, test-resources: a webhook, its key and its signature.
PUBLISHED_KEY = {
    "kty": "EC",
    "alg": "ES512",
    "crv": "P-521",
    "kid": "45fc75cf-5649-4134-84b3-192c2c78e990",
    "x": "oLuW4nFqoUuR8d7FVsUoI62libYdQlWGtLStnqdudLY92bQ0ra5eZAbkunrGTR9-w9mr4o2Etyb6pC7YB2-23WM",
    "y": "AX1cjkGMiltikPrkX49qwuJDdcETaTsj-kyFP8jsF9W5XAB3Z4tBiQtc72DQnJYeKyAV_T6qZTtFKFr-Tp4iu-j7",
}
PUBLISHED_BODY = b'{"event_type":"example","event_id":"18b2842b-a57b-4887-a0a6-d3c7c36f1020"}'
PUBLISHED_HEADERS = {
    "X-Tl-Webhook-Timestamp": "2021-11-29T11:42:55Z",
    "Content-Type": "application/json",
    "Tl-Signature": (
        "eyJhbGciOiJFUzUxMiIsImtpZCI6IjQ1ZmM3NWNmLTU2NDktNDEzNC04NGIzLTE5MmMyYzc4ZTk5MCIsInRsX3ZlcnNpb24iOiIyIiwidGxf"
        "aGVhZGVycyI6IlgtVGwtV2ViaG9vay1UaW1lc3RhbXAsQ29udGVudC1UeXBlIiwiamt1IjoiaHR0cHM6Ly93ZWJob29rcy50cnVlbGF5ZXIu"
        "Y29tLy53ZWxsLWtub3duL2p3a3MifQ..AB9S1dzZTmw0tofUjJNGO7Kt_jZsahPyIrBTdhfxBWOI3KoLALkMy6ka1MjpZQx06_hQUJnanu9K"
        "_LS6V9lNaNGiAX5Cos5RWQfbeBCZWqAvIpXO3FvIzyJKRaTYK8FBG4lfJYPi76_pIkCLGKWeq8__7ElpMVRcLTM5IBKWL8isVZn_"
    ),
}


class TestTrueLayer(ConnectorContract):
    connector = TrueLayer
    # docs.truelayer.com/docs/payout-and-refund-statuses
    documented = {"pending", "authorized", "executed", "failed"}


def mapped(**changes: object) -> Refund:
    body: dict[str, Any] = {
        "id": "refund-7",
        "amount_in_minor": 1234,
        "currency": "GBP",
        "reference": "shop 7",
        "status": "executed",
        "created_at": "2026-02-14T07:30:00.120000Z",
        "executed_at": "2026-02-14T07:31:00.120000Z",
        "metadata": {"our": "own"},
    }
    response = Response(200, {}, json.dumps({**body, **changes}).encode())
    refund = connector_hooks(TrueLayer(**SETTINGS)).map_refund(QUERY, response, ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer_takes_the_payment_from_the_query() -> None:
    assert mapped() == Refund(
        connector_refund_id="refund-7",
        connector_transaction_id="payment-7",
        status=SUCCEEDED,
        connector_status="executed",
        refund_amount=Money(1234, "GBP"),
        created_at=CREATED,
        processed_at=CREATED + timedelta(minutes=1),
    )


def test_a_refund_that_the_bank_sent_back_has_failed() -> None:
    refund = mapped(status="failed", failed_at="2026-02-15T07:30:00.120000Z", failure_reason="returned")
    assert (refund.status, refund.error) == (FAILED, ErrorInfo(code="returned"))
    assert refund.processed_at == CREATED + timedelta(minutes=1)
    assert refund.updated_at == CREATED + timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "title", "expected"),
    [
        (400, "Invalid Parameters", errors.ConnectorError),
        (401, "Unauthenticated", errors.AuthenticationError),
        (403, "Forbidden", errors.AuthenticationError),
        (404, "Not Found", errors.RefundNotFound),
        (409, "Concurrency Conflict", errors.ProcessorUnavailable),
        (422, "Idempotency-Key Reuse", errors.ConnectorError),
        (429, "Too Many Requests", errors.RateLimited),
        (500, "Internal Server Error", errors.ProcessorUnavailable),
    ],
)
def test_every_documented_error(status: int, title: str, expected: type[errors.RefundryError]) -> None:
    wiring = Wiring(TrueLayer)
    body = {"type": "https://docs.example/errors#the-code", "title": title, "detail": "of a customer", "trace_id": "7"}
    problem = Response(status, {"Content-Type": "application/problem+json"}, json.dumps(body).encode())
    wiring.tamper = lambda good: problem if "/v3/" in str(wiring.sent[-1].url) else good
    with pytest.raises(expected) as caught:
        wiring.client().get(QUERY)
    assert type(caught.value) is expected
    assert "customer" not in str(caught.value)
    if status not in (422, 500):
        assert (caught.value.code, caught.value.request_id) == ("the-code", "7")


def test_a_refused_client_is_an_authentication_error_whatever_its_status() -> None:
    wiring = Wiring(TrueLayer)
    with pytest.raises(errors.AuthenticationError, match="access token") as caught:
        wiring.client({**wiring.settings, "client_secret": "another secret"}).get(QUERY)
    assert caught.value.status_code == 400


def test_credentials_go_into_the_body_of_the_token_request_alone() -> None:
    wiring = Wiring(TrueLayer)
    with pytest.raises(errors.RefundNotFound):
        wiring.client().get(QUERY)
    token, get = wiring.sent
    form = "grant_type=client_credentials&scope=payments&client_id=sandbox-refundry-000007"
    assert token.body == f"{form}&client_secret=refundry-sandbox-client-secret".encode()
    assert str(get.url).endswith("/v3/payments/payment-7/refunds/refund-7")
    assert "Tl-Signature" not in get.headers


def test_a_list_by_time_asks_for_each_refund_and_skips_other_transactions() -> None:
    returned = mapped(status="failed", failure_reason="returned")
    wiring = Wiring(TrueLayer, [returned])

    def with_a_payment(good: Response) -> Response:
        body = good.json()
        if "pagination" not in body:
            return good
        return attrs.evolve(good, body=json.dumps({**body, "items": [{"type": "payment"}, *body["items"]]}).encode())

    wiring.tamper = with_a_payment
    since = CREATED - timedelta(days=1)
    listed = wiring.client().list(since=since, until=CREATED + timedelta(days=1))
    assert [refund.status for refund in listed] == [FAILED]
    assert listed.problems == []
    account = "/v3/merchant-accounts/00000000-0000-4000-8000-0000000000a7/transactions"
    assert f"{account}?from=2026-02-13T07%3A30%3A00.120000Z&to=2026-02-15" in str(wiring.sent[1].url)
    # docs.truelayer.com/docs/enable-pagination-transactions-endpoint: what clients from before December 2023 need.
    assert [request.headers.get("tl-enable-pagination") for request in wiring.sent] == [None, "true", None]


def test_a_list_of_one_payment_needs_no_merchant_account() -> None:
    wiring = Wiring(TrueLayer, [mapped()])
    client = wiring.client({**wiring.settings, "merchant_account_id": None})
    assert [refund.connector_refund_id for refund in client.list(connector_transaction_id="payment-7")] == ["refund-7"]
    with pytest.raises(errors.ConfigurationError, match="merchant_account_id"):
        list(client.list())


# Webhooks


def published(path: str = "/tl-webhook", **headers: str) -> Event:
    return Event(
        url=f"https://shop.example.com{path}",
        headers={**PUBLISHED_HEADERS, **headers},
        body=PUBLISHED_BODY,
        received_at=datetime(2021, 11, 29, 11, 43, tzinfo=UTC),
    )


def verified(event: Event, keys: object = None, environment: Any = "PRODUCTION") -> bool | Request:
    hooks = connector_hooks(TrueLayer(**{**SETTINGS, "webhook_url": event.url, "environment": environment}))
    key_set = {"keys": [{"kty": "RSA", "kid": "other"}, PUBLISHED_KEY]} if keys is None else keys
    return hooks.verify_event(event, Response(200, {}, json.dumps(key_set).encode()))


@pytest.mark.parametrize("path", ["/tl-webhook", "/tl-webhook/"])
def test_the_published_webhook_is_authentic_with_a_slash_more_or_less(path: str) -> None:
    assert verified(published(path)) is True


@pytest.mark.parametrize(
    "event",
    [
        published(**{"X-Tl-Webhook-Timestamp": "2021-11-29T11:42:56Z"}),
        published(**{"X-Tl-Webhook-Timestamp": "soon"}),
        published(**{"Content-Type": "text/plain"}),
        published("/other"),
        attrs.evolve(published(), body=PUBLISHED_BODY + b" "),
        attrs.evolve(published(), method="PUT"),
    ],
)
def test_whatever_the_signature_covers_must_be_as_it_was(event: Event) -> None:
    with pytest.raises(errors.SignatureError):
        verified(event)


def header_of(**changes: object) -> str:
    head, _, value = PUBLISHED_HEADERS["Tl-Signature"].split(".")
    header = {**json.loads(decode_base64url(head)), **changes}
    return f"{base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip('=')}..{value}"


@pytest.mark.parametrize(
    "signature",
    [
        "odd",
        "..",
        "a.b.c",
        "!..!",
        header_of(alg="none"),
        header_of(alg="HS512"),
        header_of(tl_version="1"),
        header_of(tl_headers="Content-Type"),
        header_of(tl_headers=None),
        header_of(kid="unknown"),
        header_of(jku="https://evil.example/.well-known/jwks"),
        header_of(jku="https://webhooks.truelayer-sandbox.com/.well-known/jwks"),
        header_of(jku=None),
        PUBLISHED_HEADERS["Tl-Signature"][:-4],
    ],
)
def test_a_signature_of_another_form_is_refused(signature: str) -> None:
    with pytest.raises(errors.SignatureError):
        verified(published(**{"Tl-Signature": signature}))


@pytest.mark.parametrize(
    "keys", [[], {}, {"keys": {}}, {"keys": ["odd"]}, {"keys": [{**PUBLISHED_KEY, "x": PUBLISHED_KEY["y"]}]}]
)
def test_a_key_set_that_cannot_be_read_is_refused(keys: object) -> None:
    with pytest.raises(errors.SignatureError):
        verified(published(), keys)
    with pytest.raises(errors.SignatureError):
        p521_key(b"<html>", "key")


def test_the_sandboxs_keys_do_not_sign_for_production() -> None:
    wiring = Wiring(TrueLayer)
    event = wiring.event(mapped())
    with pytest.raises(errors.SignatureError, match="environment"):
        deliver(wiring.client(environment="PRODUCTION"), event)


def test_a_new_key_is_fetched_when_the_old_set_does_not_have_it() -> None:
    wiring = Wiring(TrueLayer)
    client, event = wiring.client(), wiring.event(mapped())
    old = json.dumps({"keys": [{**public_key(), "kid": "old"}]}).encode()
    wiring.tamper = lambda good: attrs.evolve(good, body=old)
    with pytest.raises(errors.SignatureError):
        deliver(client, event)
    wiring.tamper = lambda good: good
    assert deliver(client, event).events
    deliver(client, event)
    assert len(wiring.sent) == 2


def test_an_event_says_how_the_refund_stands_and_no_amount() -> None:
    wiring = Wiring(TrueLayer)
    refund = mapped(status="failed", failed_at="2026-02-15T07:30:00Z", failure_reason="returned")
    (event,) = deliver(wiring.client(), wiring.event(refund)).events
    assert event.refund == attrs.evolve(refund, refund_amount=None, created_at=None)
    assert event.query == QUERY


def test_an_event_about_something_else_is_ignored_and_one_without_a_payment_cannot_be_read() -> None:
    def event_of(**facts: object) -> Any:
        event = Event(body=json.dumps(facts).encode(), received_at=CREATED)
        return connector_hooks(TrueLayer(**SETTINGS)).map_event(event)

    assert event_of(type="payment_executed") == []
    with pytest.raises(errors.MappingError, match="payment_id"):
        event_of(type="refund_executed", refund_id="refund-7")
