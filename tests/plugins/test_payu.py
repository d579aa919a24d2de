"""PayU India keeps the contract, and what is particular to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry import RefundClient
from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    MappingError,
    NotARefund,
    RefundNotFound,
    RefundryError,
    UnsupportedOperation,
)
from refundry.http import Moment, Response, WireRequest, parse_form
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.strategies import AMOUNTS
from refundry_payu import PayU

KEYS: dict[str, Any] = {"key": "OurKey", "salt": "our own salt"}
NOW = datetime(2026, 3, 4, tzinfo=UTC)
ACTION: dict[str, Any] = {
    "mihpayid": "17025500017",
    "bank_ref_num": "52700001",
    "request_id": "131200017",
    "amt": "123.45",
    "mode": "CC",
    "action": "refund",
    "token": "return-17",
    "status": "success",
    "bank_arn": None,
    "settlement_id": None,
    "refund_mode": "Back to Source",
}
CAPTURE = {**ACTION, "action": "capture", "request_id": "131200001"}


class TestPayU(ConnectorContract):
    connector = PayU
    # docs.payu.in, the states of a refund, in the form in which they are looked up.
    documented = {"queued", "requested", "in_progress", "pending", "od_hit", "success", "failure"}

    def test_one_bad_item_costs_one_item(self) -> None:
        made = self.many(100)
        wiring = self.wiring(*made)

        def with_one_bad_item(response: Response) -> Response:
            body = response.json()
            actions = body["transaction_details"][made[0].connector_transaction_id]
            actions[made[50].connector_refund_id] = {"odd": True}
            return Response(200, response.headers, json.dumps(body).encode())

        wiring.tamper = with_one_bad_item
        iterator = wiring.client().list(**self.window(made))
        assert len(list(iterator)) == 99
        assert len(iterator.problems) == 1


def answer(asked: str, found: object, status: object = 1, **more: object) -> Response:
    body = {"status": status, "msg": "fetched", "transaction_details": {asked: found}, **more}
    return Response(200, {}, json.dumps(body).encode())


def mapped(**changes: object) -> Refund:
    response = answer("131200017", {"131200017": {**ACTION, **changes}})
    refund = connector_hooks(PayU(**KEYS)).map_refund(RefundQuery(connector_refund_id="131200017"), response, ())
    assert isinstance(refund, Refund)
    return refund


def of_payment(found: object, refund_id: str = "131200017") -> object:
    query = RefundQuery(connector_refund_id=refund_id, connector_transaction_id="17025500017")
    return connector_hooks(PayU(**KEYS)).map_refund(query, answer("17025500017", found), ())


def sent(form: str) -> dict[str, str]:
    request = connector_hooks(PayU(key="key", salt="salt")).fetch_refund(RefundQuery(connector_refund_id="1"))
    assert request.auth is not None
    wire = request.auth(WireRequest("POST", "https://test.payu.in", {}, form.encode()), Moment(now=NOW, nonce="1"))
    return parse_form(wire.body or b"")


# Requests


def test_the_hash_is_that_of_active_merchant() -> None:
    # From test/unit/gateways/payu_in_test.rb of activemerchant/active_merchant.
    expected = (
        "06ee55774af4e3eee3f946d4079d34efca243453199b0d4a1328f248b93428ed"
        "5c6342c6d73010c0b86d19afc04ae7a1c62c68c472cc0811d00a9a10ecf28791"
    )
    form = sent("command=cancel_refund_transaction&var1=abc")
    assert form == {"key": "key", "command": "cancel_refund_transaction", "var1": "abc", "hash": expected}
    assert sent("command=cancel_refund_transaction&var1=abc&var2=more")["hash"] == expected
    assert sent("command=cancel_refund_transaction&var1=abd")["hash"] != expected


def test_a_payment_is_asked_for_its_actions_where_it_is_known() -> None:
    hooks = connector_hooks(PayU(**KEYS))
    by_request = hooks.fetch_refund(RefundQuery(connector_refund_id="131200017"))
    assert by_request.form == {"command": "check_action_status_txnid", "var1": "131200017"}
    assert (by_request.path, by_request.params) == ("/merchant/postservice.php", {"form": "2"})
    query = RefundQuery(connector_refund_id="131200017", connector_transaction_id="17025500017")
    by_payment = hooks.fetch_refund(query)
    assert by_payment.form == {"command": "check_action_status", "var1": "17025500017", "var2": "payuid"}


# One refund


def test_a_whole_answer() -> None:
    assert mapped(bank_arn="74000000000000000000017") == Refund(
        connector_refund_id="131200017",
        connector_transaction_id="17025500017",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="success",
        refund_amount=Money(12_345, "INR"),
        acquirer_reference_number="74000000000000000000017",
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("QUEUED", PENDING),
        ("REQUESTED", PENDING),
        ("IN PROGRESS", PENDING),
        ("IN_PROGRESS", PENDING),
        ("PENDING", PENDING),
        ("od_hit", PENDING),
        ("SUCCESS", SUCCEEDED),
        ("FAILURE", FAILED),
        ("failed", UNKNOWN),
        ("captured", UNKNOWN),
        (1, UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_a_status_in_any_case_is_kept_as_it_was_written(word: object, status: object) -> None:
    refund = mapped(status=word)
    assert (refund.status, refund.connector_status) == (status, None if word is None else str(word))


@pytest.mark.parametrize("amount", AMOUNTS)
def test_amounts_are_rupees(amount: int) -> None:
    money = Money(amount, "INR")
    assert mapped(amt=f"{money.decimal:f}").refund_amount == money


def test_an_odd_amount_is_reported() -> None:
    refund = mapped(amt="1.005")
    assert (refund.refund_amount, len(refund.problems)) == (None, 1)


@pytest.mark.parametrize(("arn", "expected"), [(308000017, "308000017"), (" 308 ", "308"), (None, None), ("", None)])
def test_the_bank_reference_is_a_number_a_text_or_absent(arn: object, expected: str | None) -> None:
    assert mapped(bank_arn=arn).acquirer_reference_number == expected


def test_only_the_refund_that_was_asked_for_is_read() -> None:
    other = {**ACTION, "request_id": "131200018", "status": "failure"}
    found = {"131200001": CAPTURE, "131200018": other, "131200017": ACTION, "131200019": "odd"}
    refund = of_payment(found)
    assert isinstance(refund, Refund)
    assert (refund.connector_refund_id, refund.status) == ("131200017", SUCCEEDED)
    with pytest.raises(NotARefund):
        of_payment(found, "131200001")
    with pytest.raises(RefundNotFound):
        of_payment(found, "131200020")
    with pytest.raises(MappingError):
        of_payment(found, "131200019")
    wiring = Wiring(PayU)
    wiring.tamper = lambda _: answer("17025500017", {"131200017": other})
    with pytest.raises(MappingError, match="another refund"):
        wiring.client().get(connector_refund_id="131200017", connector_transaction_id="17025500017")


@pytest.mark.parametrize("found", [None, [], "Something else", 1, True])
def test_what_is_no_object_of_actions_is_a_mapping_error(found: object) -> None:
    with pytest.raises(MappingError):
        of_payment(found)


@pytest.mark.parametrize("changes", [{"request_id": " "}, {"action": None}, {"status": ["success"]}])
def test_an_action_without_its_facts_is_a_mapping_error(changes: dict[str, object]) -> None:
    with pytest.raises(MappingError):
        mapped(**changes)


# Errors come with HTTP 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"status": 0, "transaction_details": {"131200017": "No action status found"}}, RefundNotFound),
        ({"status": 0, "msg": "Parameter missing"}, ConnectorError),
        ({"status": 0, "msg": "Invalid payuid", "mihpayid": ""}, ConnectorError),
        ({"status": 0, "msg": "Invalid Hash."}, AuthenticationError),
        ({"status": "0", "msg": "Merchant key is not valid"}, AuthenticationError),
        ({"status": 0}, ConnectorError),
        ({"status": 0, "transaction_details": {"131200017": {"131200017": ACTION}}}, ConnectorError),
        ({"status": True, "transaction_details": {"131200017": {"131200017": ACTION}}}, MappingError),
        ({"transaction_details": {"131200017": {"131200017": ACTION}}}, MappingError),
        ({"status": 1, "msg": "fetched"}, MappingError),
        ({"status": 1, "transaction_details": {"131200018": {"131200017": ACTION}}}, MappingError),
    ],
)
def test_the_status_at_the_root_is_that_of_the_query(body: object, expected: type[RefundryError]) -> None:
    wiring = Wiring(PayU)
    wiring.tamper = lambda _: Response(200, {}, json.dumps(body).encode())
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(connector_refund_id="131200017")
    assert type(caught.value) is expected


# List


def test_a_list_has_the_refunds_of_one_payment_alone() -> None:
    window = Window(since=NOW, until=NOW.replace(day=5), connector_transaction_id="17025500017")
    hooks = connector_hooks(PayU(**KEYS))
    page = hooks.map_refunds(window, None, answer("17025500017", {"1": CAPTURE, "2": ACTION}))
    assert ([one.connector_refund_id for one in page.refunds], page.cursor) == (["131200017"], None)
    assert hooks.map_refunds(window, None, answer("17025500017", "No action status found", 0)).refunds == []
    with pytest.raises(UnsupportedOperation):
        RefundClient("payu", **KEYS).list(since=NOW)


# The callback proves nothing


@pytest.mark.parametrize("status", ["success", "failure"])
def test_a_callback_is_a_hint_whatever_it_says(status: str) -> None:
    body = {**ACTION, "mihpayid": " 17025500017 ", "status": status, "bank_arn": 308000017, "key": "OurKey"}
    (event,) = RefundClient("payu", **KEYS).handle_event(body=json.dumps(body).encode(), headers={}).events
    assert event.is_hint
    assert (event.query.connector_refund_id, event.query.connector_transaction_id) == ("131200017", "17025500017")
    assert (event.event_id, event.foreign) == (f"131200017-{status}", False)


def test_a_callback_for_another_key_is_foreign() -> None:
    body = json.dumps({**ACTION, "key": "TheirKey"}).encode()
    assert RefundClient("payu", **KEYS).handle_event(body=body, headers={}).events[0].foreign
    assert not RefundClient("payu").handle_event(body=body, headers={}).events[0].foreign


def test_a_callback_about_something_else_is_ignored() -> None:
    assert RefundClient("payu").handle_event(body=json.dumps(CAPTURE).encode(), headers={}).events == []


def test_a_refund_that_the_bank_makes_by_hand_takes_up_to_seven_business_days() -> None:
    # docs.payu.in: "requested" is an offline refund, which takes 5 to 7 business days; two weekends may lie between.
    assert PayU.settles_within == timedelta(days=7 + 2 * 2)
