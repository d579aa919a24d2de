"""Adyen keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from refundry import (
    ConfigurationError,
    Delivery,
    ErrorInfo,
    MappingError,
    Money,
    Refund,
    RefundClient,
    RefundEvent,
    RefundStatus,
    SignatureError,
    UnsupportedOperation,
)
from refundry.connector import Secrets
from refundry.http import Event
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.mutations import mutated_bodies
from refundry.testing.strategies import identifiers, refunds
from refundry.testing.wiring import deliver
from refundry_adyen import Adyen
from refundry_adyen.sandbox import AdyenSandbox

KEY = "0F1E2D3C4B5A6978" * 4
OTHER_KEY = "8796A5B4C3D2E1F0" * 4
ACCOUNT = "BakeryECOM"
RECEIVED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class TestAdyen(ConnectorContract):
    connector = Adyen
    # docs.adyen.com/online-payments/refund, its page on in-person refunds, and Webhooks-v1.json of Adyen/adyen-openapi
    documented = {
        "received",
        "REFUND/true",
        "REFUND/false",
        "REFUND_FAILED/true",
        "REFUND_FAILED/false",
        "REFUNDED_REVERSED/true",
        "REFUNDED_REVERSED/false",
        "POSTPONED_REFUND/true",
        "POSTPONED_REFUND/false",
        "CANCEL_OR_REFUND/true/refund",
        "CANCEL_OR_REFUND/true/cancel",
        "CANCEL_OR_REFUND/false",
        "REFUND_WITH_DATA/true",
        "REFUND_WITH_DATA/false",
        "VOID_PENDING_REFUND/true",
        "VOID_PENDING_REFUND/false",
    }


def an_item(**changes: Any) -> dict[str, Any]:
    """One notification item of the documented shape, with these fields instead of its own, unsigned."""
    return {
        "additionalData": {},
        "amount": {"currency": "EUR", "value": 1250},
        "eventCode": "REFUND",
        "eventDate": "2026-02-27T16:45:10+01:00",
        "merchantAccountCode": ACCOUNT,
        "merchantReference": "order-77-back",
        "originalReference": "KD7RHZLQ2VTG5S65",
        "paymentMethod": "mc",
        "pspReference": "PW4XJQNB8CDF2T75",
        "reason": "",
        "success": "true",
        **changes,
    }


def signed(item: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    """The item with its signature, computed apart from the connector."""
    amount = item.get("amount", {})
    names = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")
    values = [*(item.get(name) for name in names), amount.get("value"), amount.get("currency")]
    values += [item.get("eventCode"), item.get("success")]
    text = ":".join("" if value is None else str(value) for value in values)
    digest = hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).digest()
    more = {**item.get("additionalData", {}), "hmacSignature": base64.b64encode(digest).decode()}
    return {**item, "additionalData": more}


def a_body(*items: dict[str, Any]) -> bytes:
    wrapped = [{"NotificationRequestItem": item} for item in items]
    return json.dumps({"live": "false", "notificationItems": wrapped}).encode()


def a_client(**changes: Any) -> RefundClient:
    return RefundClient("adyen", **{"merchant_account": ACCOUNT, "webhook_hmac_key": KEY, **changes})


def received(*items: dict[str, Any], **headers: str) -> Delivery:
    return a_client().handle_event(body=a_body(*items), headers=headers)


def the_refund(**changes: Any) -> Refund:
    """What a signed item with these changes says."""
    (event,) = received(signed(an_item(**changes))).events
    assert event.refund is not None
    return event.refund


# What an item says


def test_every_field_of_an_item_finds_its_place() -> None:
    (event,) = received(signed(an_item(additionalData={"arn": "74987500000000000000001"}))).events
    at = datetime(2026, 2, 27, 15, 45, 10, tzinfo=UTC)
    assert event.refund == Refund(
        connector_refund_id="PW4XJQNB8CDF2T75",
        connector_transaction_id="KD7RHZLQ2VTG5S65",
        merchant_refund_id="order-77-back",
        status=RefundStatus.SUCCEEDED,
        connector_status="REFUND/true",
        refund_amount=Money(1250, "EUR"),
        updated_at=at,
        processed_at=at,
        acquirer_reference_number="74987500000000000000001",
    )
    assert event.query.connector_refund_id == "PW4XJQNB8CDF2T75"
    assert event.event_id == "REFUND/PW4XJQNB8CDF2T75/true"
    assert not event.foreign


@pytest.mark.parametrize(
    ("code", "success", "expected"),
    [
        ("REFUND", "true", RefundStatus.SUCCEEDED),
        ("REFUND", "false", RefundStatus.FAILED),
        ("REFUND_FAILED", "true", RefundStatus.FAILED),
        ("REFUND_FAILED", "false", RefundStatus.FAILED),
        ("REFUNDED_REVERSED", "true", RefundStatus.FAILED),
        ("REFUNDED_REVERSED", "false", RefundStatus.FAILED),
        ("POSTPONED_REFUND", "true", RefundStatus.PENDING),
        ("POSTPONED_REFUND", "false", RefundStatus.FAILED),
        ("CANCEL_OR_REFUND", "false", RefundStatus.FAILED),
        ("REFUND_WITH_DATA", "true", RefundStatus.SUCCEEDED),
        ("REFUND_WITH_DATA", "false", RefundStatus.FAILED),
        ("VOID_PENDING_REFUND", "true", RefundStatus.FAILED),
        ("REFUND", "TRUE", RefundStatus.UNKNOWN),
        ("REFUND", "maybe", RefundStatus.UNKNOWN),
        ("REFUND_REVERSED", "true", RefundStatus.UNKNOWN),
        ("REFUND_BY_POST", "false", RefundStatus.UNKNOWN),
    ],
)
def test_the_status_is_code_and_success(code: str, success: str, expected: RefundStatus) -> None:
    refund = the_refund(eventCode=code, success=success)
    assert refund.status is expected
    assert refund.connector_status == f"{code}/{success}"


def test_without_success_nothing_is_guessed() -> None:
    refund = the_refund(success=None)
    assert (refund.status, refund.connector_status) == (RefundStatus.UNKNOWN, "REFUND")


def test_what_was_done_decides_a_cancel_or_refund() -> None:
    refund = the_refund(eventCode="CANCEL_OR_REFUND", additionalData={"modification.action": "refund"})
    assert (refund.status, refund.connector_status) == (RefundStatus.SUCCEEDED, "CANCEL_OR_REFUND/true/refund")


def test_a_cancel_or_refund_that_does_not_say_what_was_done_is_unknown() -> None:
    refund = the_refund(eventCode="CANCEL_OR_REFUND")
    assert (refund.status, refund.connector_status) == (RefundStatus.UNKNOWN, "CANCEL_OR_REFUND/true")


def test_a_failed_cancel_or_refund_is_failed_whatever_was_tried() -> None:
    for action in ("refund", "cancel"):
        more = {"modification.action": action}
        refund = the_refund(eventCode="CANCEL_OR_REFUND", success="false", additionalData=more)
        assert (refund.status, refund.connector_status) == (RefundStatus.FAILED, "CANCEL_OR_REFUND/false")


@pytest.mark.parametrize(
    "changes",
    [
        {"eventCode": "CANCEL_OR_REFUND", "additionalData": {"modification.action": "cancel"}},
        {"eventCode": "VOID_PENDING_REFUND", "success": "false"},
        {"eventCode": "AUTHORISATION"},
        {"eventCode": "CANCELLATION"},
        {"eventCode": "TECHNICAL_CANCEL"},
        {"eventCode": "CAPTURE_FAILED"},
        {"eventCode": "CHARGEBACK"},
        {"eventCode": "CHARGEBACK_REVERSED"},
        {"eventCode": "SECOND_CHARGEBACK"},
        {"eventCode": "PAIDOUT_REVERSED"},
        {"eventCode": "REPORT_AVAILABLE", "originalReference": None, "merchantReference": ""},
        {"eventCode": "SOMETHING_NEW", "success": None},
    ],
)
def test_what_is_no_refund_is_accepted_and_left_out(changes: dict[str, Any]) -> None:
    delivery = received(signed(an_item(**changes)))
    assert list(delivery.events) == []
    assert list(delivery.problems) == []
    assert delivery.reply.status_code == 200


def test_a_void_speaks_of_the_refund_that_it_stopped() -> None:
    changes = {"eventCode": "VOID_PENDING_REFUND", "pspReference": "VD5TGN7QWERTYU82"}
    refund = the_refund(**changes, originalReference="RF2LKJHGFDSA9T65")
    assert (refund.connector_refund_id, refund.connector_transaction_id) == ("RF2LKJHGFDSA9T65", None)
    refund = the_refund(**changes, originalReference=None)
    assert (refund.connector_refund_id, refund.merchant_refund_id) == (None, "order-77-back")


def test_a_failure_says_why() -> None:
    refund = the_refund(success="false", reason="Not captured yet", additionalData={"acquirerErrorCode": "E17"})
    assert refund.error == ErrorInfo(code="E17", message="Not captured yet")
    refund = the_refund(success="false", additionalData={"acquirerErrorDescription": "Account closed"})
    assert refund.error == ErrorInfo(message="Account closed")
    assert the_refund(eventCode="REFUND_FAILED").error is None


def test_the_reason_of_a_success_is_no_error() -> None:
    refund = the_refund(reason="thank you")
    assert refund.error is None
    assert refund.refund_reason is None


def test_an_item_without_additional_data_or_original_reference_is_read() -> None:
    refund = the_refund(eventCode="REFUND_WITH_DATA", originalReference=None, merchantReference="")
    assert (refund.connector_transaction_id, refund.merchant_refund_id, refund.problems) == (None, None, ())


@pytest.mark.parametrize(
    ("currency", "value", "expected"),
    [
        ("EUR", 0, Money(0, "EUR")),
        ("JPY", 1250, Money(1250, "JPY")),
        ("KWD", 1250, Money(1250, "KWD")),
        ("CLP", 125000, Money(1250, "CLP")),
        ("ISK", 279000, Money(2790, "ISK")),
        ("CVE", 1250, Money(125000, "CVE")),
        ("IDR", 15000, Money(1500000, "IDR")),
    ],
)
def test_amounts_have_adyens_decimals(currency: str, value: int, expected: Money) -> None:
    assert the_refund(amount={"currency": currency, "value": value}).refund_amount == expected


@pytest.mark.parametrize(
    "amount",
    [
        {"currency": "CLP", "value": 125050},
        {"currency": "EUR", "value": -1},
        {"currency": "EUR", "value": "twelve"},
        {"currency": "QQQ", "value": 1250},
        {"value": 1250},
    ],
)
def test_an_amount_that_cannot_be_read_is_a_problem_and_not_a_guess(amount: dict[str, Any]) -> None:
    refund = the_refund(amount=amount)
    assert refund.refund_amount is None
    assert len(refund.problems) == 1
    assert refund.status is RefundStatus.SUCCEEDED


@pytest.mark.parametrize("written", ["2026-02-27T16:45:10", "yesterday", 20260227, {}])
def test_a_date_that_cannot_be_read_is_a_problem_and_not_a_guess(written: object) -> None:
    refund = the_refund(eventDate=written)
    assert (refund.updated_at, refund.processed_at) == (None, None)
    assert len(refund.problems) == 1


def test_a_pending_refund_is_not_processed() -> None:
    refund = the_refund(eventCode="POSTPONED_REFUND")
    assert refund.updated_at is not None
    assert refund.processed_at is None


# Batches, duplicates, accounts


def test_every_item_of_a_batch_is_read() -> None:
    items = [signed(an_item(pspReference=f"REF{number}")) for number in range(3)]
    delivery = received(items[0], signed(an_item(eventCode="AUTHORISATION")), *items[1:])
    assert [event.query.connector_refund_id for event in delivery.events] == ["REF0", "REF1", "REF2"]


def test_one_unreadable_item_costs_one_item() -> None:
    delivery = received(signed(an_item(pspReference=None)), signed(an_item(success="false")))
    assert [event.event_id for event in delivery.events] == ["REFUND/PW4XJQNB8CDF2T75/false"]
    assert [problem.field for problem in delivery.problems] == ["NotificationRequestItem.pspReference"]


def test_a_repeated_event_has_the_same_id_and_another_outcome_another() -> None:
    def event_id(**changes: Any) -> str | None:
        return received(signed(an_item(**changes))).events[0].event_id

    assert event_id() == event_id(eventDate="2026-02-28T01:00:00+01:00")
    assert len({event_id(), event_id(success="false"), event_id(eventCode="REFUND_FAILED")}) == 3


def test_another_merchant_account_is_foreign() -> None:
    delivery = received(signed(an_item(merchantAccountCode="ButcherECOM")), signed(an_item()))
    assert [event.foreign for event in delivery.events] == [True, False]


# Signatures

VECTOR_KEY = "74F490DD33F7327BAECC88B2947C011FC02D014A473AAA33A8EC93E4DC069174"


# Adyen/adyen-python-api-library, test/UtilTest.py
@pytest.mark.parametrize(
    ("key", "changes", "signature"),
    [
        (
            "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
            {
                "pspReference": "7914073381342284",
                "merchantAccountCode": "TestMerchant",
                "merchantReference": "TestPayment-1407325143704",
                "amount": {"value": 1130, "currency": "EUR"},
            },
            "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=",
        ),
        (
            VECTOR_KEY,
            {
                "pspReference": "M8NB66SBZSGLNK82",
                "merchantAccountCode": "AntoniStroinski",
                "merchantReference": ":slashes are fun",
                "amount": {"value": 1000, "currency": "EUR"},
            },
            "2EQYm7YJpKO4EtHSPu55SQTyWf8dkW5u2nD1tJFpViA=",
        ),
        (
            VECTOR_KEY,
            {
                "pspReference": "ZVWN7D3WSMK2WN82",
                "merchantAccountCode": "AntoniStroinski",
                "merchantReference": "\\:/\\/slashes are fun",
                "amount": {"value": 1000, "currency": "EUR"},
            },
            "CZErGCNQaSsxbaQfZaJlakqo7KPP+mIa8a+wx3yNs9A=",
        ),
    ],
)
def test_published_signatures_verify(key: str, changes: dict[str, Any], signature: str) -> None:
    facts = {**changes, "eventCode": "AUTHORISATION", "success": "true", "originalReference": None}
    client = a_client(webhook_hmac_key=key)
    good = an_item(**facts, additionalData={"hmacSignature": signature})
    assert list(client.handle_event(body=a_body(good), headers={}).events) == []
    with pytest.raises(SignatureError):
        client.handle_event(body=a_body({**good, "pspReference": "ZVWN7D3WSMK2WN83"}), headers={})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda item: {**item, "amount": {"currency": "EUR", "value": 1251}},
        lambda item: {**item, "success": "false"},
        lambda item: {**item, "success": True},
        lambda item: {**item, "eventCode": "REFUND_FAILED"},
        lambda item: {**item, "originalReference": "KD7RHZLQ2VTG5S66"},
        lambda item: {**item, "additionalData": {}},
        lambda item: {**item, "additionalData": None},
        lambda item: {**item, "additionalData": {"hmacSignature": ""}},
        lambda item: {**item, "additionalData": {"hmacSignature": 7}},
        lambda item: {**item, "additionalData": {"hmacSignature": "\ud83d"}},
        lambda item: {**item, "merchantReference": "\ud83d"},
        lambda item: signed(item, OTHER_KEY),
        lambda item: {},
        lambda item: None,
    ],
)
def test_one_forged_item_refuses_the_whole_batch(spoil: Callable[[dict[str, Any]], Any]) -> None:
    good = signed(an_item())
    for items in ([good, spoil(good)], [spoil(good), good], [spoil(good)]):
        with pytest.raises(SignatureError) as caught:
            received(*items)
        assert "defect" not in caught.value.message
        assert caught.value.reply is not None
        assert caught.value.reply.status_code == 400


def test_a_part_of_the_reference_cannot_be_passed_off_as_the_outcome() -> None:
    paid = signed(an_item(eventCode="AUTHORISATION", originalReference=None, merchantReference="a:9900:EUR:REFUND"))
    assert list(received(paid).events) == []
    forged = {**paid, "merchantReference": "a", "amount": {"currency": "EUR", "value": 9900}}
    forged |= {"eventCode": "REFUND", "success": "1250:EUR:AUTHORISATION:true"}
    with pytest.raises(SignatureError):
        received(forged)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"<html></html>",
        b'{"live": "false", "notificationItems": []}',
        b'{"live": "false", "notificationItems": {}}',
        b'{"live": "false", "notificationItems": [7]}',
        b"live=false&eventCode=REFUND&success=true",
    ],
)
def test_what_holds_no_signed_item_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureError):
        a_client().handle_event(body=body, headers={})


@pytest.mark.parametrize("keys", [[OTHER_KEY, KEY], {"old": OTHER_KEY, "new": KEY}, KEY.lower()])
def test_keys_may_rotate(keys: Any) -> None:
    client = a_client(webhook_hmac_key=keys)
    assert len(client.handle_event(body=a_body(signed(an_item())), headers={}).events) == 1


def test_the_reply_is_the_one_that_adyen_knows() -> None:
    reply = received(signed(an_item())).reply
    assert (reply.status_code, reply.body) == (200, b"[accepted]")


# Basic authentication of the webhook


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def test_user_name_and_password_are_checked_where_they_are_set() -> None:
    client = a_client(webhook_username="adyen", webhook_password="open sesame: now")
    body = a_body(signed(an_item()))
    right = basic("adyen:open sesame: now")
    for header in (right, right.replace("Basic", "basic")):
        assert len(client.handle_event(body=body, headers={"Authorization": header}).events) == 1
    for header in ("", "Basic", right.replace("Basic", "Bearer"), right[:-4], basic("adyen:"), basic("a:b")):
        with pytest.raises(SignatureError):
            client.handle_event(body=body, headers={"Authorization": header})


def test_the_password_does_not_stand_in_for_the_signature() -> None:
    client = a_client(webhook_username="adyen", webhook_password="open sesame")
    with pytest.raises(SignatureError):
        client.handle_event(body=a_body(an_item()), headers={"Authorization": basic("adyen:open sesame")})


def test_the_sandbox_sends_them_too() -> None:
    wiring = Wiring(Adyen)
    given = {**wiring.settings, "webhook_username": "adyen", "webhook_password": "open sesame"}
    refund = Refund(connector_refund_id="R1", status=RefundStatus.SUCCEEDED, connector_status="REFUND/true")
    assert len(deliver(wiring.client(given), wiring.event(refund, given)).events) == 1


# Settings and what there is not


@pytest.mark.parametrize("key", ["not-hexadecimal", KEY[:-1], [KEY, "zz"], {"new": "0x12"}])
def test_a_key_that_is_not_hexadecimal_is_named_and_not_shown(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="webhook_hmac_key") as caught:
        a_client(webhook_hmac_key=key)
    for secret in Secrets.of(key).every():
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"webhook_username": "adyen"}, "webhook_password"), ({"webhook_password": "sesame"}, "webhook_username")],
)
def test_user_name_and_password_belong_together(given: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        a_client(**given)


@pytest.mark.parametrize("name", ["merchant_account", "webhook_hmac_key"])
def test_what_a_webhook_needs_is_asked_for(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        a_client(**{name: None})


def test_production_needs_no_address() -> None:
    client = a_client(environment="PRODUCTION")
    assert len(client.handle_event(body=a_body(signed(an_item())), headers={}).events) == 1


def test_there_is_no_get_and_no_list() -> None:
    client = a_client()
    with pytest.raises(UnsupportedOperation, match="handle_event"):
        client.get(connector_refund_id="PW4XJQNB8CDF2T75")
    with pytest.raises(UnsupportedOperation, match="handle_event"):
        client.list()


# Properties


@given(refund=refunds(Adyen, AdyenSandbox, tuple(Adyen.statuses)), message=st.none() | identifiers())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_rendered_as_an_event_maps_to_what_it_was(refund: Refund, message: str | None) -> None:
    if refund.error is not None:
        refund = attrs.evolve(refund, error=attrs.evolve(refund.error, message=message))
    if refund.connector_status == "VOID_PENDING_REFUND/true":
        refund = attrs.evolve(refund, connector_transaction_id=None)
    wiring = Wiring(Adyen)
    try:
        event = wiring.event(refund)
    except ValueError:
        # Adyen has no way to write this amount in this currency.
        assume(False)
    (mapped,) = deliver(wiring.client(), event).events
    assert mapped.refund == attrs.evolve(refund, processed_at=refund.updated_at if refund.status.is_settled else None)


@given(word=st.sampled_from(sorted(Adyen.statuses)), seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_no_mutated_event_is_more_than_refunds_or_typed_errors(word: str, seed: int) -> None:
    wiring = Wiring(Adyen)
    refund = Refund(connector_refund_id="R1", status=Adyen.statuses[word], connector_status=word)
    event = wiring.event(attrs.evolve(refund, refund_amount=Money(1250, "EUR"), merchant_refund_id="order-77"))
    hooks = connector_hooks(Adyen(**wiring.settings))
    for body in mutated_bodies(event.body, 120, Random(seed)):
        changed = attrs.evolve(event, body=body)
        _check_verified(partial(hooks.verify_event, changed, None))
        for one in _mapped(partial(hooks.map_event, changed)):
            if isinstance(one, RefundEvent) and one.refund is not None:
                known = Adyen.statuses.get(one.refund.connector_status or "", RefundStatus.UNKNOWN)
                assert one.refund.status is known


def _check_verified(verify: Callable[[], object]) -> None:
    with contextlib.suppress(SignatureError):
        assert verify() is True


def _mapped(read: Callable[[], Any]) -> list[RefundEvent | MappingError]:
    try:
        return list(read())
    except MappingError as error:
        return [error]


def test_an_event_that_is_read_twice_is_read_alike() -> None:
    event = Event(body=a_body(signed(an_item())), received_at=RECEIVED_AT)
    hooks = a_client().account.hooks
    assert hooks.map_event(event) == hooks.map_event(event)
