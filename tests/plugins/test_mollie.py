"""Mollie keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import RefundClient, errors
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_mollie import Mollie

SECRET = "our own signing secret"
START = datetime(2026, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WINDOW = Window(since=START, until=START + DAY, page_size=50)
IDS: dict[str, Any] = {"connector_transaction_id": "tr_OurOwnPayment", "connector_refund_id": "re_OurOwnRefund"}
LINK = "/v2/payments/tr_OurOwnPayment/refunds/re_OurOwnRefund"
KEY: dict[str, Any] = {"api_key": "test_ours", "profile_id": "pfl_1"}
TOKEN: dict[str, Any] = {"access_token": "access_ours", "profile_id": "pfl_1"}


class TestMollie(ConnectorContract):
    connector = Mollie
    # docs.mollie.com/docs/refunds and docs.mollie.com/reference/refunds-api-webhooks
    documented = {"queued", "pending", "processing", "refunded", "failed", "canceled"}


def entity(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    return {
        "resource": "refund",
        "id": "re_OurOwnRefund",
        "description": "one cup was broken",
        "amount": {"currency": "EUR", "value": "12.30"},
        "status": "refunded",
        "metadata": {"order_id": "return-17", "rma": "18"},
        "externalReference": {"type": "acquirer-reference", "id": "70000000000000000000017"},
        "paymentId": "tr_OurOwnPayment",
        "createdAt": "2026-02-14T08:30:00+01:00",
        **changes,
    }


def mapped(settings: dict[str, Any] = KEY, **changes: object) -> Refund:
    response = Response(200, {}, json.dumps(entity(**changes)).encode())
    refund = connector_hooks(Mollie(**settings)).map_refund(RefundQuery(), response, ())
    assert isinstance(refund, Refund)
    return refund


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        **IDS,
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="refunded",
        refund_amount=Money(1230, "EUR"),
        refund_reason="one cup was broken",
        created_at=datetime(2026, 2, 14, 7, 30, tzinfo=UTC),
        acquirer_reference_number="70000000000000000000017",
    )


WORDS = {"queued": PENDING, "pending": PENDING, "processing": PENDING, "refunded": SUCCEEDED, "failed": FAILED}
SPELLINGS = {"canceled": FAILED, "cancelled": UNKNOWN, "Refunded": UNKNOWN, None: UNKNOWN}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), *SPELLINGS.items()])
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (status, word)


@pytest.mark.parametrize(
    ("metadata", "own_id", "problem"),
    [
        ({"order_id": 17}, "17", False),
        ('{"order_id": "return-17"}', "return-17", False),
        ("\ud800", None, False),
        (["order_id"], None, False),
        (None, None, False),
        ({"order_id": ["odd"]}, None, True),
    ],
)
def test_metadata_comes_in_every_form(metadata: object, own_id: str | None, problem: bool) -> None:
    refund = mapped(metadata=metadata)
    assert (refund.status, refund.merchant_refund_id, bool(refund.problems)) == (SUCCEEDED, own_id, problem)
    assert mapped({**KEY, "metadata_key": "rma"}).merchant_refund_id == "18"


@pytest.mark.parametrize(("value", "amount"), [("100", 100), ("100.00", 100), ("100.50", None), ("-5", None)])
def test_amounts_are_never_rounded_and_other_references_no_arn(value: str, amount: int | None) -> None:
    refund = mapped(amount={"currency": "JPY", "value": value}, externalReference={"type": "another", "id": "7"})
    assert refund.acquirer_reference_number is None
    assert refund.refund_amount == (None if amount is None else Money(amount, "JPY"))
    assert bool(refund.problems) is (amount is None)


@pytest.mark.parametrize(
    ("settings", "get", "listing"),
    [
        (KEY, {}, {}),
        (TOKEN, {"testmode": "true"}, {"profileId": "pfl_1", "testmode": "true"}),
        ({**TOKEN, "environment": "PRODUCTION"}, {}, {"profileId": "pfl_1"}),
    ],
)
def test_only_an_access_token_is_told_mode_and_profile(
    settings: dict[str, Any], get: dict[str, object], listing: dict[str, object]
) -> None:
    hooks = RefundClient("mollie", **settings).account.hooks
    requests = [hooks.fetch_refund(RefundQuery(**IDS)), hooks.fetch_refunds(WINDOW, None)]
    assert [request.path for request in requests] == [LINK, "/v2/refunds"]
    sent = [{name: value for name, value in dict(one.params).items() if value is not None} for one in requests]
    assert sent == [get, {"limit": 50, "sort": "desc", **listing}]


def test_a_key_of_the_other_environment_is_refused() -> None:
    with pytest.raises(errors.ConfigurationError, match="api_key"):
        RefundClient("mollie", api_key="live_ours", environment="SANDBOX")


@pytest.mark.parametrize(
    ("status", "title", "expected", "code"),
    [
        (400, "Bad Request", errors.ConnectorError, None),
        (401, "Unauthorized Request", errors.AuthenticationError, "Unauthorized Request"),
        (403, "Forbidden", errors.AuthenticationError, "Forbidden"),
        (404, "Not Found", errors.RefundNotFound, "Not Found"),
        (404, ["odd"], errors.RefundNotFound, None),
        (410, "Gone", errors.RefundNotFound, None),
    ],
)
def test_errors_are_told_by_their_status(status: int, title: object, expected: Any, code: str | None) -> None:
    wiring = Wiring(Mollie)
    body = json.dumps({"status": status, "title": title, "detail": "a customer's name"}).encode()
    wiring.tamper = lambda _: Response(status, {}, body)
    with pytest.raises(expected) as caught:
        wiring.client(TOKEN).get(**IDS)
    assert (type(caught.value), caught.value.code) == (expected, code)
    assert "customer" not in str(caught.value)
    assert wiring.sent[0].headers["Authorization"] == "Bearer access_ours"


def made(day: int) -> Refund:
    ids: dict[str, Any] = {"connector_refund_id": f"re_{day}", "connector_transaction_id": f"tr_{day % 2}"}
    return Refund(status=SUCCEEDED, connector_status="refunded", created_at=START + day * DAY, **ids)


def test_a_list_ends_with_the_page_that_reaches_past_the_window() -> None:
    wiring = Wiring(Mollie, map(made, range(20)))
    listed = wiring.client().list(since=START + 9 * DAY, until=START + 17 * DAY, page_size=3)
    assert [one.connector_refund_id for one in listed] == [f"re_{day}" for day in range(16, 8, -1)]
    assert len(wiring.sent) == 4


def test_the_refunds_of_one_payment_are_listed_whenever_they_were_made() -> None:
    client = Wiring(Mollie, map(made, range(5))).client()
    listed = client.list(connector_transaction_id="tr_0", page_size=1, since=START + 4 * DAY)
    assert [one.connector_refund_id for one in listed] == ["re_4", "re_2", "re_0"]


@pytest.mark.parametrize("href", [None, "", 7, "https://api.mollie.com/v2/refunds"])
def test_a_next_page_that_is_not_named_is_no_end(href: object) -> None:
    body = {"_embedded": {"refunds": [entity()]}, "_links": {"next": {"href": href}}}
    with pytest.raises(errors.MappingError, match="next"):
        connector_hooks(Mollie(**KEY)).map_refunds(WINDOW, None, Response(200, {}, json.dumps(body).encode()))


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivered(body: object, signature: str | None = None, **settings: Any) -> Delivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"X-Mollie-Signature": sign(raw) if signature is None else signature}
    return RefundClient("mollie", **{"webhook_secret": SECRET, **settings}).handle_event(body=raw, headers=headers)


def envelope(**changes: object) -> dict[str, Any]:
    facts: dict[str, Any] = {"resource": "event", "id": "event_OurOwn", "type": "refund.failed"}
    content = {"_embedded": {"entity": entity(status="failed")}, "_links": {"entity": {"href": LINK}}}
    return {**facts, "entityId": "re_OurOwnRefund", **content, **changes}


def test_a_signature_of_the_sdks_own_tests() -> None:
    # Secret and body from tests/Webhooks/SignatureValidatorTest.php of mollie/mollie-api-php.
    body = b'{"id":"tr_12345","event_type":"payment-link.paid"}'
    signature = "e479a5e4aaa17db94cfc546071e10e91c0b37f21e464e751ebdd7d7ad2ffd146"
    assert delivered(body, signature, webhook_secret="test_webhook_secret").events == []


def test_the_refund_says_its_status_in_an_event_or_alone() -> None:
    for body, status, event_id in ((envelope(type="refund.new"), FAILED, "event_OurOwn"), (entity(), SUCCEEDED, None)):
        (event,) = delivered(body).events
        assert event.refund is not None
        assert event.refund.status is status
        assert event.query.given() >= IDS.keys()
        assert event_id in (None, event.event_id)


def test_an_event_says_when_it_came_to_be_for_the_refund_does_not() -> None:
    moment = datetime(2026, 2, 14, 7, 30, 9, tzinfo=UTC)
    for body, expected in ((envelope(createdAt="2026-02-14T08:30:09+01:00"), moment), (entity(), None)):
        (event,) = delivered(body).events
        assert not event.is_hint
        assert event.occurred_at == expected


@pytest.mark.parametrize("embedded", [None, {}, {"entity": None}, {"entity": {"resource": "payment", "id": "tr_1"}}])
@pytest.mark.parametrize(("href", "payment"), [(LINK, "tr_OurOwnPayment"), (7, None)])
def test_a_simple_payload_is_a_hint(embedded: object, href: object, payment: str | None) -> None:
    (event,) = delivered(envelope(_embedded=embedded, _links={"entity": {"href": href}})).events
    assert event.is_hint
    assert event.query == RefundQuery(connector_refund_id="re_OurOwnRefund", connector_transaction_id=payment)


@pytest.mark.parametrize("form", ["{0}", "sha256={0}", "{1},{0}", "sha256={1}, sha256={0}"])
def test_one_of_several_signatures_is_enough(form: str) -> None:
    body = json.dumps(envelope()).encode()
    assert delivered(body, form.format(sign(body), sign(body, "another"))).events


@pytest.mark.parametrize("signature", ["", "sha256=", ",", "ab" * 32])
def test_an_event_without_its_signature_is_refused(signature: str) -> None:
    for body, sent in ((envelope(), signature), (b"id=tr_1", signature or ",")):
        with pytest.raises(errors.SignatureError):
            delivered(body, sent)
    with pytest.raises(errors.SignatureError, match="webhook secret"):
        delivered(b"{}", sign(b"{}", ""), webhook_secret=None)


def test_classic_webhooks_name_the_payment_and_are_no_duplicates() -> None:
    client = RefundClient("mollie", **KEY)
    events = [
        client.handle_event(body=b"id=tr_1", headers={}, received_at=START + days * DAY).events for days in (0, 1)
    ]
    hint = (RefundQuery(connector_transaction_id="tr_1"), None)
    assert [(one.query, one.refund) for (one,) in events] == [hint, hint]
    assert events[0][0].event_id != events[1][0].event_id
    for odd in (b"id=tr_\xff", b"id=tr_%0A"):
        with pytest.raises(errors.MappingError):
            delivered(odd, "")


@pytest.mark.parametrize(
    ("body", "signature"), [(b"id=ord_1", ""), (b"id=", ""), (envelope(type="payment.paid"), None)]
)
def test_an_event_about_something_else_is_acknowledged_and_ignored(body: object, signature: str | None) -> None:
    delivery = delivered(body, signature)
    assert (list(delivery.events), delivery.reply.status_code) == ([], 200)
