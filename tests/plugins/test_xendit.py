"""Xendit keeps the contract, and what is particular to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from refundry import RefundClient, errors
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, ErrorInfo, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.sandbox import json_response
from refundry.testing import ConnectorContract, Wiring
from refundry_xendit import Xendit

TOKEN = "our own verification token"
KEYS: dict[str, Any] = {"api_key": "xnd_development_OurOwnKey", "callback_token": TOKEN}
OLD, NEW = "rfd-0ddba11a-1111-4222-8333-444455556666", "rfd-5eed0001-1111-4222-8333-444455556666"
REQUEST, PAYMENT = "pr-0ddba11a-1111-4222-8333-444455556666", "py-5eed0001-1111-4222-8333-444455556666"
DAY = datetime(2026, 2, 3, tzinfo=UTC)


class TestXendit(ConnectorContract):
    connector = Xendit
    # Refunds of both generations, the refund webhooks, and what another client of Xendit takes for a refund's status.
    documented = {"PENDING", "SUCCEEDED", "FAILED", "CANCELLED", "REQUIRES_ACTION", "refund.succeeded", "refund.failed"}


def old(**changes: Any) -> dict[str, Any]:
    """A refund of the older API, of the documented shape."""
    ids = {
        "id": OLD,
        "payment_request_id": REQUEST,
        "payment_id": None,
        "invoice_id": None,
        "reference_id": "return-17",
    }
    money = {"amount": 15_000, "currency": "IDR", "country": "ID", "channel_code": "GRABPAY", "refund_fee_amount": None}
    said = {"status": "SUCCEEDED", "reason": "DUPLICATE", "failure_code": None, "metadata": None}
    times = {"created": "2026-02-03T04:05:06.123456789Z", "updated": "2026-02-03T04:06:00.001Z"}
    return {**ids, **money, **said, **times, **changes}


def new(**changes: Any) -> dict[str, Any]:
    """A refund of the Payments API v3, of the documented shape."""
    kept = {name: value for name, value in old().items() if name not in ("id", "payment_request_id", "invoice_id")}
    return {**kept, "refund_id": NEW, "payment_id": PAYMENT, "business_id": "b051e55", **changes}


def mapped(body: object) -> Any:
    return connector_hooks(Xendit(**KEYS)).map_refund(RefundQuery(connector_refund_id=OLD), json_response(body), ())


# Get


def test_a_whole_answer_of_either_generation() -> None:
    expected = Refund(
        connector_refund_id=OLD,
        connector_transaction_id=REQUEST,
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="SUCCEEDED",
        refund_amount=Money(1_500_000, "IDR"),
        refund_reason="DUPLICATE",
        created_at=datetime(2026, 2, 3, 4, 5, 6, 123456, tzinfo=UTC),
        updated_at=datetime(2026, 2, 3, 4, 6, 0, 1000, tzinfo=UTC),
    )
    assert mapped(old()) == expected
    assert mapped(new()) == attrs.evolve(expected, connector_refund_id=NEW, connector_transaction_id=PAYMENT)


@pytest.mark.parametrize("payment", [None, REQUEST, "ddpy-0ddba11a", PAYMENT])
@pytest.mark.parametrize("api_version", [None, "2024-11-11", "2030-01-01"])
def test_the_payment_or_the_setting_decides_the_generation(payment: str | None, api_version: str | None) -> None:
    hooks = connector_hooks(Xendit(api_version=api_version, **KEYS))
    request = hooks.fetch_refund(RefundQuery(connector_refund_id="rfd-1", connector_transaction_id=payment))
    version = api_version or ("2024-11-11" if payment == PAYMENT else None)
    assert request.headers.get("api-version") == version
    assert request.path == ("/v3/refunds/rfd-1" if version else "/refunds/rfd-1")


def test_neither_generation_finds_the_refunds_of_the_other() -> None:
    wiring = Wiring(Xendit, [mapped(old()), mapped(new())])
    client = wiring.client()
    for refund_id, own, other in ((OLD, REQUEST, PAYMENT), (NEW, PAYMENT, REQUEST)):
        assert client.get(connector_refund_id=refund_id, connector_transaction_id=own).merchant_refund_id == "return-17"
        with pytest.raises(errors.RefundNotFound, match="v3"):
            client.get(connector_refund_id=refund_id, connector_transaction_id=other)


@pytest.mark.parametrize("word", ["PENDING", "SUCCEEDED", "FAILED", "CANCELLED", "REQUIRES_ACTION", "succeeded", None])
def test_a_status_word_is_read_as_documented_and_never_guessed(word: str | None) -> None:
    table = {"PENDING": PENDING, "SUCCEEDED": SUCCEEDED, "FAILED": FAILED, "CANCELLED": FAILED}
    for body in (old(status=word), new(status=word)):
        assert (mapped(body).status, mapped(body).connector_status) == (table.get(word or "", UNKNOWN), word)
    assert mapped(old(status=word, failure_code="REFUND_FAILED")).error == ErrorInfo(code="REFUND_FAILED")


def test_amounts_are_numbers_in_major_units() -> None:
    for number, currency, minor in (("10000", "IDR", 1_000_000), ("10.5", "PHP", 1050), ("10000", "VND", 10_000)):
        body = json.dumps(old(amount="?", currency=currency)).replace('"?"', number)
        refund: Any = connector_hooks(Xendit(**KEYS)).map_refund(RefundQuery(), Response(200, {}, body.encode()), ())
        assert refund.refund_amount == Money(minor, currency)


def test_an_amount_or_time_that_cannot_be_read_is_none_and_reported() -> None:
    for changes in ({"amount": "much"}, {"currency": "RUPIAH"}, {"amount": 1.234, "currency": "VND"}):
        refund = mapped(old(**changes))
        assert (refund.status, refund.refund_amount, len(refund.problems)) == (SUCCEEDED, None, 1)
    assert len(mapped(old(created="yesterday", updated=1)).problems) == 2


def test_an_older_refund_has_one_of_three_payments() -> None:
    ids = {"payment_request_id": "a", "payment_id": "b", "invoice_id": "c"}
    for absent, payment in (((), "a"), (["payment_request_id"], "b"), (["payment_request_id", "payment_id"], "c")):
        assert mapped(old(**{**ids, **dict.fromkeys(absent)})).connector_transaction_id == payment


# Errors


@pytest.mark.parametrize(
    ("status_code", "code", "expected"),
    [
        (400, "API_VALIDATION_ERROR", errors.ConnectorError),
        (401, "INVALID_API_KEY", errors.AuthenticationError),
        (403, "REQUEST_FORBIDDEN_ERROR", errors.AuthenticationError),
        (404, "DATA_NOT_FOUND", errors.RefundNotFound),
        (429, "RATE_LIMIT_EXCEEDED", errors.RateLimited),
        (503, "CHANNEL_UNAVAILABLE", errors.ProcessorUnavailable),
        (200, "DATA_NOT_FOUND", errors.MappingError),
    ],
)
def test_every_documented_error(status_code: int, code: str, expected: type[errors.RefundryError]) -> None:
    wiring = Wiring(Xendit)
    wiring.tamper = lambda _: json_response({"error_code": code, "message": "text"}, status_code)
    with pytest.raises(errors.RefundryError) as caught:
        wiring.client().get(connector_refund_id=OLD)
    assert type(caught.value) is expected
    assert caught.value.code == (code if status_code in (400, 401, 403, 404) else None)


@pytest.mark.parametrize(("reset", "seconds"), [("58.37", 58.37), ("60", 60), ("soon", 3), ("-1", 3), ("nan", 3)])
def test_a_rate_limit_says_how_long_in_its_own_header(reset: str, seconds: float) -> None:
    wiring = Wiring(Xendit)
    wiring.tamper = lambda _: Response(429, {"Rate-Limit-Reset": reset, "Retry-After": "3"}, b"")
    with pytest.raises(errors.RateLimited) as caught:
        wiring.client(timeout=1).get(connector_refund_id=OLD)
    assert caught.value.retry_after == timedelta(seconds=seconds)


# List


def listed(*items: object, payment: str | None = None, more: bool = True) -> Any:
    window = Window(since=DAY, until=DAY + timedelta(days=1), connector_transaction_id=payment)
    answer = json_response({"data": list(items), "has_more": more})
    return connector_hooks(Xendit(**KEYS)).map_refunds(window, None, answer)


def item(name: str, hours: int, **changes: Any) -> dict[str, Any]:
    created = (DAY + timedelta(hours=hours)).isoformat()
    return {"id": name, "payment_request_id": REQUEST, "amount": 1, "currency": "IDR", "created": created, **changes}


def test_what_has_no_status_is_asked_for_and_the_rest_is_taken() -> None:
    items = [item("a", 3), old(id="b"), item("c", 2, status=None), item("d", 25), item("e", -1), "odd", {}]
    found = listed(*items, more=False)
    assert [refund.connector_refund_id for refund in found.refunds] == ["b"]
    assert [hint.connector_refund_id for hint in found.hints] == ["a", "c"]
    assert len(found.problems) == 2


def test_the_list_ends_before_the_window_only_if_the_newest_come_first() -> None:
    ends, goes_on = ((3, -1), (-1, -2), ()), ((3, 2), (-2, -1), (-1, -1), (-1,))
    for hours in (*ends, *goes_on):
        items, last = [item(f"rfd-{hour}", hour) for hour in hours], f"rfd-{hours[-1]}" if hours else None
        assert listed(*items).cursor == (last if hours in goes_on else None)
        assert listed(*items, payment=REQUEST).cursor == last
        assert listed(*items, more=False).cursor is None


def test_the_refunds_of_one_payment_are_asked_for_by_its_kind() -> None:
    hooks = connector_hooks(Xendit(**KEYS))
    for payment, name in ((REQUEST, "payment_request_id"), ("5a4db0c5a4db0c5a4db0c5a4", "invoice_id")):
        window = Window(since=DAY, until=DAY + timedelta(1), connector_transaction_id=payment, page_size=7)
        params = dict(hooks.fetch_refunds(window, "rfd-1").params)
        assert params == {"limit": 7, "after_id": "rfd-1", name: payment}


def test_version_3_has_no_list() -> None:
    wiring = Wiring(Xendit)
    assert Xendit.listing is not None
    assert not Xendit.listing.complete, "a get finds refunds of version 3 that the list leaves out"
    for settings, payment in (({"api_version": "2024-11-11"}, None), ({}, PAYMENT)):
        with pytest.raises(errors.UnsupportedOperation, match="get"):
            list(wiring.client({**KEYS, **settings}).list(connector_transaction_id=payment))
    assert wiring.sent == []


# Webhooks and settings


def delivered(event: object, token: str | None = TOKEN, **settings: Any) -> Any:
    headers = {} if token is None else {"x-callback-token": token}
    client = RefundClient("xendit", **{"callback_token": TOKEN, **settings})
    return client.handle_event(body=json.dumps(event).encode(), headers=headers)


def test_an_event_is_a_hint_however_its_refund_is_wrapped() -> None:
    for refund, refund_id, payment in ((old(), OLD, REQUEST), (new(), NEW, PAYMENT), (new(id="x"), NEW, PAYMENT)):
        event = {"event": "refund.failed", "business_id": "b051e55", "created": "2026-02-03T04:05:06Z", "data": refund}
        for body in (event, {**event, "created": "2026-02-03T05:00:00Z", "data": event}):
            (one,) = delivered(body).events
            assert one.refund is None
            expected = RefundQuery(connector_refund_id=refund_id, connector_transaction_id=payment)
            assert (one.query, one.event_id) == (expected, f"refund.failed/{refund_id}")


@pytest.mark.parametrize("token", [None, "", "another", TOKEN.upper(), TOKEN + " ", "größe"])
def test_an_event_without_the_token_is_refused(token: str | None) -> None:
    with pytest.raises(errors.SignatureError):
        delivered({"event": "refund.succeeded", "data": old()}, token)


@pytest.mark.parametrize("data", [None, [], {}, {"data": []}, {"data": {}}, {"id": None}, {"id": " "}, {"id": "a\n"}])
def test_a_refund_event_without_its_refund_is_a_mapping_error(data: object) -> None:
    with pytest.raises(errors.MappingError):
        delivered({"event": "refund.succeeded", "data": data})


def test_other_events_are_ignored_and_those_of_other_accounts_marked() -> None:
    assert delivered({"event": "payment.capture", "data": old()}).events == []
    for account, foreign in (({}, False), ({"for_user_id": "b051e55"}, False), ({"for_user_id": "c0ffee"}, True)):
        event = {"event": "refund.succeeded", "business_id": "b051e55", "data": old()}
        for body in (event, {**event, "business_id": "another", "data": event}):
            assert delivered(body, **account).events[0].foreign is foreign


def test_a_sub_account_is_named_and_the_key_is_a_user_without_a_password() -> None:
    wiring = Wiring(Xendit, [mapped(old())])
    wiring.client({**wiring.settings, "for_user_id": "b051e55"}).get(connector_refund_id=OLD)
    assert wiring.sent[0].headers["for-user-id"] == "b051e55"
    assert wiring.sent[0].headers["Authorization"] == "Basic eG5kX2RldmVsb3BtZW50X1JlZnVuZHJ5U2FuZGJveDo="
    with pytest.raises(errors.ConfigurationError, match="api_key"):
        RefundClient("xendit", api_key="xnd_production_OurOwnKey")
