"""Nuvei keeps the contract, and what is particular to it."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from refundry import RefundClient
from refundry.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectorError,
    MappingError,
    NotARefund,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.http import Response
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Delivery, ErrorInfo, Money, Refund, RefundQuery
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_nuvei import Nuvei

SECRET = "our own secret key"
REFUND, PAYMENT = "7100000117", "1100000100"


class TestNuvei(ConnectorContract):
    connector = Nuvei
    # docs.nuvei.com: transactionStatus of REST 1.0, Status of payment DMNs.
    documented = {"APPROVED", "DECLINED", "ERROR", "Filter Error", "PENDING", "REDIRECT", "CANCELED", "SUCCESS"}


def body_of(top: dict[str, object] | None = None, **changes: object) -> dict[str, Any]:
    """A refund as getTransactionDetails answers it."""
    details: dict[str, object] = {
        "transactionId": REFUND,
        "relatedTransactionId": PAYMENT,
        "clientUniqueId": "return-17",
        "transactionType": "Credit",
        "transactionStatus": "APPROVED",
        "processedAmount": "19.99",
        "processedCurrency": "EUR",
        "gwErrorCode": 0,
        "gwErrorReason": "",
    }
    envelope = {"status": "SUCCESS", "errCode": 0, "reason": "", "internalRequestId": 51700117, "version": "1.0"}
    return {"transactionDetails": {**details, **changes}, **envelope, **(top or {})}


def mapped(body: dict[str, Any]) -> Refund:
    hooks = connector_hooks(Nuvei(merchant_id="900000017", merchant_site_id="900117", merchant_secret_key=SECRET))
    refund = hooks.map_refund(RefundQuery(connector_refund_id=REFUND), Response(200, {}, json.dumps(body).encode()), ())
    assert isinstance(refund, Refund)
    return refund


# Get


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_time_and_checksum_are_in_the_body_that_goes_out_and_in_no_request_that_is_logged(algorithm: str) -> None:
    wiring = Wiring(Nuvei)
    settings = {**wiring.settings, "hash_algorithm": algorithm}
    with pytest.raises(RefundryError):
        wiring.client(settings).get(connector_refund_id=REFUND)
    sent = json.loads(wiring.sent[0].body or b"")
    stamp = wiring.clock.now().strftime("%Y%m%d%H%M%S")
    signed = f"900000017900117{REFUND}{stamp}{settings['merchant_secret_key']}".encode()
    assert wiring.sent[0].url == "https://ppp-test.nuvei.com/ppp/api/v1/getTransactionDetails.do"
    account = {"merchantId": "900000017", "merchantSiteId": "900117"}
    checksum = hashlib.new(algorithm, signed).hexdigest()
    assert sent == {**account, "transactionId": REFUND, "timeStamp": stamp, "checksum": checksum}
    logged = connector_hooks(Nuvei(**settings)).fetch_refund(RefundQuery(connector_refund_id=REFUND))
    assert logged.json == {**account, "transactionId": REFUND}


def test_a_whole_answer() -> None:
    refund = mapped(body_of())
    assert (refund.status, refund.connector_status, refund.error) == (SUCCEEDED, "APPROVED", None)
    assert (refund.connector_refund_id, refund.connector_transaction_id) == (REFUND, PAYMENT)
    assert (refund.merchant_refund_id, refund.refund_amount, refund.problems) == ("return-17", Money(1999, "EUR"), ())


def test_the_status_table_whatever_the_capitals() -> None:
    words = dict.fromkeys(["DECLINED", "ERROR", "Filter Error", "CANCELED"], FAILED)
    words |= {"APPROVED": SUCCEEDED, "PENDING": PENDING, "REDIRECT": PENDING}
    assert {word: mapped(body_of(transactionStatus=word)).status for word in words} == words
    assert {word: mapped(body_of(transactionStatus=word.lower())).status for word in words} == words


@pytest.mark.parametrize("word", ["PROCESSING", "SUCCESS", "APPROVED ", None, ""])
def test_a_word_that_is_no_status_is_never_guessed(word: str | None) -> None:
    refund = mapped(body_of(transactionStatus=word))
    assert (refund.status, refund.connector_status) == (UNKNOWN, word or None)


def test_a_good_request_without_details_is_no_successful_refund() -> None:
    flat = {**body_of()["transactionDetails"], "status": "SUCCESS", "errCode": 0}
    for body in (flat, {"status": "SUCCESS", "errCode": 0, "transactionStatus": "APPROVED"}):
        with pytest.raises(MappingError):
            mapped(body)


@pytest.mark.parametrize("kind", ["Sale", "Auth", "Settle", "Void", "VoidCredit"])
def test_a_payment_is_no_refund(kind: str) -> None:
    with pytest.raises(NotARefund):
        mapped(body_of(transactionType=kind))


def test_an_answer_that_may_be_about_something_else_is_a_mapping_error() -> None:
    wiring = Wiring(Nuvei)
    client = wiring.client()
    for body in (body_of(transactionId=PAYMENT), body_of(transactionId=None), body_of(transactionType=None)):
        wiring.tamper = lambda _, body=body: Response(200, {}, json.dumps(body).encode())  # type: ignore[misc]
        with pytest.raises(MappingError):
            client.get(connector_refund_id=REFUND)


def test_why_it_failed_is_in_the_gateways_fields() -> None:
    failed = body_of(transactionStatus="DECLINED", gwErrorCode=-1, gwExtendedErrorCode=12, gwErrorReason="Declined")
    assert mapped(failed).error == ErrorInfo(code="-1", message="Declined", reason="12")


def test_an_amount_may_be_a_number_and_the_reference_beside_the_details() -> None:
    body = body_of({"clientUniqueId": "return-18"}, processedAmount=25, processedCurrency="JPY", clientUniqueId=None)
    assert mapped(body).refund_amount == Money(25, "JPY")
    assert mapped(body).merchant_refund_id == "return-18"
    assert len(mapped(body_of({"clientUniqueId": []}, clientUniqueId=[], processedCurrency=None)).problems) == 3


# Errors


def refused(code: object) -> dict[str, object]:
    return {"status": "ERROR", "errCode": code}


@pytest.mark.parametrize(
    ("http", "top", "expected"),
    [
        *((200, refused(code), AuthenticationError) for code in (1001, "1002", 1003, 1013, 1017, 1022)),
        *((200, refused(code), ConnectorError) for code in (0, 1000, 1019, 1021)),
        (200, refused(1038), ProcessorUnavailable),
        (200, refused(9146), RefundNotFound),
        (200, {"status": "SUCCESS", "errCode": 9146}, RefundNotFound),
        (200, {"status": None}, MappingError),
        (200, {"status": ["SUCCESS"]}, MappingError),
        (429, refused(1019), RateLimited),
        (500, {"status": "SUCCESS"}, ProcessorUnavailable),
    ],
)
def test_a_refused_request_is_no_failed_refund(http: int, top: dict[str, object], expected: type) -> None:
    wiring = Wiring(Nuvei)
    body = json.dumps(body_of(top, transactionStatus="ERROR")).encode()
    wiring.tamper = lambda _: Response(http, {}, body)
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(connector_refund_id=REFUND)
    assert type(caught.value) is expected
    if http == 200 and expected is not MappingError:
        assert caught.value.request_id == "51700117"


# Webhooks


def dmn(secret: str = SECRET, algorithm: str = "sha256", **changes: str) -> dict[str, str]:
    """A DMN with its checksum, computed here on its own."""
    fields = {
        "totalAmount": "19.99",
        "currency": "EUR",
        "responseTimeStamp": "2026-02-14.08:30:00",
        "PPP_TransactionID": "31000117",
        "Status": "APPROVED",
        "productId": "two words & more",
        "TransactionID": REFUND,
        "transactionType": "Credit",
        "relatedTransactionId": PAYMENT,
        "ppp_status": "OK",
        "merchant_id": "900000017",
        **changes,
    }
    signed = (secret + "".join(list(fields.values())[:6])).encode()
    return {**fields, "advanceResponseChecksum": hashlib.new(algorithm, signed).hexdigest()}


def delivered(fields: dict[str, str], **settings: Any) -> Delivery:
    client = RefundClient("nuvei", **{"merchant_secret_key": SECRET, **settings})
    return client.handle_event(body=urlencode(fields).encode(), headers={})


def test_an_authentic_dmn_is_a_hint() -> None:
    (event,) = delivered(dmn()).events
    assert event.is_hint
    assert event.query == RefundQuery(connector_refund_id=REFUND, connector_transaction_id=PAYMENT)
    assert event.event_id == f"{REFUND}/APPROVED"


def test_a_dmn_may_come_by_get() -> None:
    client = RefundClient("nuvei", merchant_secret_key=SECRET)
    given = [
        client.handle_event(body=b"", headers={}, method="GET", url=f"https://shop.example.com/dmn?{urlencode(fields)}")
        for fields in (dmn(Status="PENDING"), dmn())
    ]
    assert [one.events[0].event_id for one in given] == [f"{REFUND}/PENDING", f"{REFUND}/APPROVED"]


def test_the_checksum_of_nuveis_own_tests() -> None:
    """From NuveiValidateChecksumAspectTest of Nuvei's plugin for SAP Commerce."""
    names = ("totalAmount", "currency", "responseTimeStamp", "PPP_TransactionID", "Status", "productId")
    covered = dict(zip(names, ("115", "USD", "2020-03-14.16:22:34", "3453459", "APPROVED", "NA"), strict=True))
    published = "aaa9ad16c8ed9f172dff505e4eeb8929b9c77cfed3e38127d55d42e33a70c762"
    assert delivered(
        {**dmn(**covered), "advanceResponseChecksum": published}, merchant_secret_key="THE_SECRET_KEY"
    ).events


def test_a_site_may_use_md5_and_a_product_may_be_missing() -> None:
    fields = dmn(algorithm="md5", productId="")
    del fields["productId"]
    assert delivered(fields, hash_algorithm="md5").events
    with pytest.raises(SignatureError):
        delivered(fields)


def test_a_wrong_checksum_is_refused() -> None:
    odd = [{"totalAmount": "19.990"}, {"Status": "DECLINED"}, {"advanceResponseChecksum": "ü"}]
    for fields in (*({**dmn(), **changes} for changes in odd), dmn("another secret"), dmn(algorithm="md5")):
        with pytest.raises(SignatureError, match="does not fit"):
            delivered(fields)


@pytest.mark.parametrize("kind", ["Sale", "Auth", "VoidCredit", ""])
def test_a_dmn_about_something_else_is_acknowledged_and_ignored(kind: str) -> None:
    delivery = delivered(dmn(transactionType=kind))
    assert (delivery.events, delivery.reply.status_code) == ([], 200)


def test_a_dmn_of_another_merchant_is_foreign() -> None:
    assert not delivered(dmn(), merchant_id="900000017").events[0].foreign
    assert delivered(dmn(), merchant_id="900000018").events[0].foreign


def test_an_unknown_hash_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(ConfigurationError, match="hash_algorithm"):
        RefundClient("nuvei", merchant_secret_key=SECRET, hash_algorithm="sha1")
