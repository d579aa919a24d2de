"""TrustPay keeps the contract for cards and for bank transfers, and what is particular to it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from refundry import Delivery, ErrorInfo, Money, Refund, RefundClient, RefundQuery, errors
from refundry.http import Response
from refundry.model import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_trustpay import TrustPayBank, TrustPayCards

CARDS = connector_hooks(TrustPayCards(api_key="our own key"))
BANK = connector_hooks(TrustPayBank(project_id="4107", secret_key="our own secret"))
NOON = datetime(2026, 2, 14, 12, tzinfo=UTC)


class TestTrustPayCards(ConnectorContract):
    connector = TrustPayCards
    # The codes that hyperswitch-prism has by themselves, those of one row together.
    documented = {
        *("000.200.000", "000.400.100", "900.100.100", "900.100.300", "800.700.100", "800.120.100", "700.400.200"),
        *("100.100.600", "100.350.100", "100.380.401", "100.380.501", "100.390.103", "100.390.105", "100.390.111"),
        *("100.390.112", "100.390.115", "100.390.118", "100.400.304", "100.550.312", "200.300.404", "300.100.100"),
        *("400.001.301", "400.001.600", "400.001.601", "400.001.602", "400.001.603", "400.003.600", "700.500.001"),
        *("700.500.003", "800.300.102", "800.300.401"),
        *(f"800.100.{end}" for end in (100, 151, 152, 153, 155, 157, 158, 160, 162, 163, 165, 168, 170, 171, 172)),
        *(f"800.100.{end}" for end in (190, 202, 203)),
    }


class TestTrustPayBank(ConnectorContract):
    connector = TrustPayBank
    documented = {"Paid", "Refunded", "Rejected", "Authorized", "Authorizing", "Pending", "Chargebacked"}


def answer(body: object, status_code: int = 200) -> Response:
    return Response(status_code, {}, json.dumps(body).encode())


def card(**changes: object) -> Refund:
    facts = {"instanceId": "our-refund", "paymentStatus": "000.000.000", "paymentDescription": "its text", **changes}
    query = RefundQuery(connector_refund_id="our-refund", connector_transaction_id="our-payment")
    refund = CARDS.map_refund(query, answer(facts), ())
    assert isinstance(refund, Refund)
    return refund


CODES = {
    **dict.fromkeys(("000.000.000", "000.100.110", "000.300.000", "000.600.000", "000.400.100"), SUCCEEDED),
    **dict.fromkeys(("000.400.010", "000.400.020", "000.400.040", "000.400.090"), SUCCEEDED),
    **dict.fromkeys(("000.400.030", "000.400.000", "000.100.200", "000.500.000", "000.400.110"), UNKNOWN),
    **dict.fromkeys(("000.200.000", "800.700.100"), PENDING),
    **dict.fromkeys(("900.100.100", "900.100.300"), MANUAL_REVIEW),
    **dict.fromkeys(("700.400.200", "800.100.203", "100.390.118"), FAILED),
    **dict.fromkeys(("800.120.100", "800.100.999", "000.000.00", "000.000.0000", "000.000.x", None), UNKNOWN),
}


@pytest.mark.parametrize(("code", "status"), CODES.items())
def test_a_code_is_read_whole_or_by_its_beginning(code: str | None, status: object) -> None:
    assert card(paymentStatus=code).status is status


def test_a_beginning_stands_in_the_table_as_it_is_shown() -> None:
    assert card(paymentStatus="000.100.112").connector_status == "000.100.1*"
    assert card(paymentStatus="000.100.200").connector_status == "000.100.200"


def test_a_card_refund_keeps_its_payment_and_says_why_it_failed() -> None:
    assert card(paymentStatus="800.100.151") == Refund(
        connector_refund_id="our-refund",
        connector_transaction_id="our-payment",
        status=FAILED,
        connector_status="800.100.151",
        error=ErrorInfo(code="800.100.151", message="its text"),
    )
    assert card().error is None


def test_an_answer_about_another_instance_is_no_refund() -> None:
    # The same call answers for payments, which look alike.
    wiring = Wiring(TrustPayCards)
    client = wiring.client()
    for other in ("our-payment", "another", 17):
        body = {"instanceId": other, "paymentStatus": "000.000.000"}
        wiring.tamper = lambda _, body=body: answer(body)  # type: ignore[misc]
        with pytest.raises(errors.MappingError, match="another refund"):
            client.get(connector_refund_id="our-refund")


@pytest.mark.parametrize("hooks", [CARDS, BANK])
def test_the_payments_own_id_is_refused_where_it_is_known(hooks: Any) -> None:
    with pytest.raises(errors.InvalidQuery, match="payment"):
        hooks.fetch_refund(RefundQuery(connector_refund_id="7", connector_transaction_id="7"))


def information(**changes: object) -> dict[str, Any]:
    """A bank refund of the shape that hyperswitch-prism expects."""
    return {
        "CreditDebitIndicator": "DBIT",
        "References": {"PaymentRequestId": 7017, "MerchantReference": "return-17"},
        "Amount": {"Amount": 12.5, "Currency": "EUR"},
        "Status": "Paid",
        **changes,
    }


def bank(**changes: object) -> Refund:
    refund = BANK.map_refund(RefundQuery(), answer({"PaymentInformation": information(**changes)}), ())
    assert isinstance(refund, Refund)
    return refund


def test_a_bank_refund() -> None:
    assert bank() == Refund(
        connector_refund_id="7017",
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="Paid",
        refund_amount=Money(1250, "EUR"),
    )
    reason = {"Reason": {"Code": "AC04", "RejectReason": "closed account"}}
    assert bank(Status="Rejected", StatusReasonInformation=reason).error == ErrorInfo(
        code="AC04", message="closed account"
    )


WORDS = {"Pending": PENDING, "Authorized": PENDING, "Refunded": SUCCEEDED, "Rejected": FAILED}


@pytest.mark.parametrize(("word", "status"), [*WORDS.items(), ("Chargebacked", UNKNOWN), ("paid", UNKNOWN)])
def test_a_bank_status_is_read_as_known_and_never_guessed(word: str, status: object) -> None:
    assert (bank(Status=word).status, bank(Status=word).connector_status) == (status, word)


def test_money_that_came_in_is_no_refund() -> None:
    with pytest.raises(errors.NotARefund):
        bank(CreditDebitIndicator="CRDT")
    assert bank(CreditDebitIndicator=None).status is SUCCEEDED
    assert bank(CreditDebitIndicator=None, Status="Refunded").status is UNKNOWN


def result(code: int) -> dict[str, Any]:
    return {"ResultInfo": {"ResultCode": code, "AdditionalInfo": "text", "CorrelationId": "for-support"}}


@pytest.mark.parametrize(
    ("connector", "status_code", "body", "expected"),
    [
        (TrustPayCards, 200, {"errors": [{"code": "800.120.100"}]}, errors.RateLimited),
        (TrustPayCards, 200, {"errors": [{"code": "1"}]}, errors.ConnectorError),
        (TrustPayCards, 404, {"errors": [{"code": "1"}]}, errors.RefundNotFound),
        (TrustPayCards, 200, {"status": 400, "errors": []}, errors.MappingError),
        (TrustPayBank, 200, result(1133000), errors.AuthenticationError),
        (TrustPayBank, 200, result(1132014), errors.RateLimited),
        (TrustPayBank, 200, result(1152000), errors.ConnectorError),
        (TrustPayBank, 200, {"token_type": "Bearer"}, errors.MappingError),
        (TrustPayBank, 500, result(1), errors.ProcessorUnavailable),
    ],
)
def test_an_error_may_come_in_any_answer(connector: Any, status_code: int, body: Any, expected: Any) -> None:
    wiring = Wiring(connector)
    wiring.tamper = lambda _: answer(body, status_code)
    with pytest.raises(errors.RefundryError) as caught:
        wiring.client().get(connector_refund_id="7017")
    assert type(caught.value) is expected


@pytest.mark.parametrize("code", [1133002, 1132005])
def test_an_unknown_bank_refund_has_a_number_for_support(code: int) -> None:
    error = BANK.map_error(answer(result(code)))
    assert isinstance(error, errors.RefundNotFound)
    assert (error.code, error.request_id) == (str(code), "for-support")
    assert BANK.map_error(answer({**result(1001000), "PaymentInformation": information()})) is None


def delivered(body: dict[str, Any], signed: str, key: str = "the key") -> Delivery:
    signature = hmac.new(b"the key", signed.encode(), hashlib.sha256).hexdigest().upper()
    raw = json.dumps({**body, "Signature": signature}).encode()
    return RefundClient("trustpay-bank", webhook_secret=key).handle_event(body=raw, headers={}, received_at=NOON)


def test_the_values_are_signed_sorted_and_numbers_have_two_decimals() -> None:
    facts = information(Extra=[None, True, {"Deep": "ä/b"}, 10, 0.125])
    delivery = delivered(
        {"PaymentInformation": facts}, "0.12/10.00/12.50/7017.00/DBIT/EUR/Paid/null/return-17/true/ä/b"
    )
    (event,) = delivery.events
    assert event.query == RefundQuery(connector_refund_id="7017", merchant_refund_id="return-17")
    # The names are not signed, so nothing but the identifiers is believed.
    assert (event.refund, event.event_id) == (None, "7017-Paid")
    for signed, key in (("0.12/10.00", "the key"), ("12.50/7017.00/DBIT/EUR/Paid/return-17", "another")):
        with pytest.raises(errors.SignatureError):
            delivered({"PaymentInformation": information()}, signed, key)


@pytest.mark.parametrize("number", [10**40, 1e300, 1e-300])
def test_a_number_without_measure_is_refused(number: float) -> None:
    with pytest.raises(errors.SignatureError, match="number"):
        delivered({"PaymentInformation": information(Extra=number)}, "x")


def test_the_other_id_is_a_hint_too() -> None:
    facts = {"CreditDebitIndicator": "DBIT", "References": {"PaymentId": "8"}, "Status": "Rejected"}
    (event,) = delivered({"PaymentInformation": facts}, "8/DBIT/Rejected").events
    assert event.query == RefundQuery(connector_refund_id="8")


@pytest.mark.parametrize(("direction", "word"), [("CRDT", "Paid"), ("CRDT", "Refunded"), ("DBIT", "Chargebacked")])
def test_payments_and_disputes_are_acknowledged_and_ignored(direction: str, word: str) -> None:
    facts = {"CreditDebitIndicator": direction, "References": {"PaymentRequestId": "7"}, "Status": word}
    delivery = delivered(
        {"PaymentInformation": facts}, f"7/{direction}/{word}" if direction < word else f"7/{word}/{direction}"
    )
    assert (list(delivery.events), delivery.reply.status_code) == ([], 200)
