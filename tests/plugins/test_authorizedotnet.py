"""Authorize.Net keeps the contract, and what is particular to it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundry.client import RefundClient
from refundry.connector import ENVIRONMENTS
from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    MappingError,
    NotARefund,
    ProcessorUnavailable,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.http import Moment, Response
from refundry.model import (
    FAILED,
    MANUAL_REVIEW,
    PENDING,
    SUCCEEDED,
    UNKNOWN,
    ErrorInfo,
    Money,
    Refund,
    RefundQuery,
    RefundStatus,
    Window,
)
from refundry.plugins import ConnectorHooks, connector_hooks
from refundry.signing import hmac_hex
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.strategies import AMOUNTS, CURRENCIES
from refundry_authorizedotnet import AuthorizeDotNet
from refundry_authorizedotnet.sandbox import AuthorizeDotNetSandbox

BOM = b"\xef\xbb\xbf"
SETTINGS = AuthorizeDotNetSandbox.settings
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WINDOW = Window(since=NOON - timedelta(days=3), until=NOON, page_size=2)
OK = {"resultCode": "Ok", "message": [{"code": "I00001", "text": "fine"}]}


class TestAuthorizeDotNet(ConnectorContract):
    connector = AuthorizeDotNet
    # TransactionStatusEnum of AuthorizeNet/sdk-java, made from the processor's schema.
    documented = {
        "authorizedPendingCapture",
        "capturedPendingSettlement",
        "communicationError",
        "refundSettledSuccessfully",
        "refundPendingSettlement",
        "approvedReview",
        "declined",
        "couldNotVoid",
        "expired",
        "generalError",
        "pendingFinalSettlement",
        "pendingSettlement",
        "failedReview",
        "settledSuccessfully",
        "settlementError",
        "underReview",
        "updatingSettlement",
        "voided",
        "FDSPendingReview",
        "FDSAuthorizedPendingReview",
        "returnedItem",
        "chargeback",
        "chargebackReversal",
        "authorizedPendingRelease",
    }


def _hooks(**changes: Any) -> ConnectorHooks:
    return connector_hooks(AuthorizeDotNet(**{**SETTINGS, **changes}))


def _answer(body: object, status: int = 200) -> Response:
    return Response(status, {"Content-Type": "application/json"}, BOM + json.dumps(body).encode())


def _transaction(**changes: Any) -> dict[str, Any]:
    facts = {
        "transId": "40110022001",
        "refTransId": "40110011001",
        "submitTimeUTC": "2026-02-27T10:20:30.47Z",
        "submitTimeLocal": "2026-02-27T03:20:30.47",
        "transactionType": "refundTransaction",
        "transactionStatus": "refundSettledSuccessfully",
        "responseCode": 1,
        "responseReasonCode": 1,
        "responseReasonDescription": "Approval",
        "batch": {
            "batchId": "7001",
            "settlementTimeUTC": "2026-02-28T02:00:01.5Z",
            "settlementState": "settledSuccessfully",
        },
        "order": {"invoiceNumber": "R-17", "description": "sent back"},
        "authAmount": 12.34,
        "settleAmount": 12.34,
    }
    merged = {**facts, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _map(query: RefundQuery | None = None, currency: str | None = "USD", **changes: Any) -> Refund:
    answer = _answer({"transaction": _transaction(**changes), "messages": OK})
    mapped = _hooks(currency=currency).map_refund(query or RefundQuery(connector_refund_id="40110022001"), answer, ())
    assert isinstance(mapped, Refund)
    return mapped


def _error(body: object, status: int = 200) -> RefundryError | None:
    return _hooks().map_error(_answer(body, status))


def _failure(code: str) -> dict[str, Any]:
    return {"messages": {"resultCode": "Error", "message": [{"code": code, "text": "no"}]}}


# Asking


def test_every_call_is_one_object_with_the_credentials_first() -> None:
    request = _hooks().fetch_refund(RefundQuery(connector_refund_id="40110022001"))
    assert request.json == {"getTransactionDetailsRequest": {"transId": "40110022001"}}
    assert request.auth is not None
    wire = request.auth(request.to_wire("https://example.com"), Moment(now=NOON, nonce="n"))
    assert (wire.method, wire.url) == ("POST", "https://example.com/xml/v1/request.api")
    login, key = SETTINGS["api_login_id"], SETTINGS["transaction_key"]
    credentials = f'"merchantAuthentication":{{"name":"{login}","transactionKey":"{key}"}}'
    expected = f'{{"getTransactionDetailsRequest":{{{credentials},"transId":"40110022001"}}}}'
    assert wire.body == expected.encode()
    assert wire.headers["Content-Type"] == "application/json"


def test_each_environment_has_its_host() -> None:
    hosts = [RefundClient(AuthorizeDotNet, environment=name, **SETTINGS).account.urls["api"] for name in ENVIRONMENTS]
    assert hosts == ["https://apitest.authorize.net", "https://api.authorize.net"]


# Mapping


def test_a_settled_refund_is_read_in_full() -> None:
    assert _map() == Refund(
        connector_refund_id="40110022001",
        connector_transaction_id="40110011001",
        merchant_refund_id="R-17",
        status=SUCCEEDED,
        connector_status="refundSettledSuccessfully",
        refund_amount=Money(1234, "USD"),
        refund_reason="sent back",
        created_at=datetime(2026, 2, 27, 10, 20, 30, 470_000, UTC),
        processed_at=datetime(2026, 2, 28, 2, 0, 1, 500_000, UTC),
    )


def test_a_bare_answer_has_no_more_than_it_says() -> None:
    names = ("refTransId", "submitTimeUTC", "batch", "order", "responseReasonDescription")
    refund = _map(transactionStatus="refundPendingSettlement", **dict.fromkeys(names))
    assert refund == Refund(
        connector_refund_id="40110022001",
        status=PENDING,
        connector_status="refundPendingSettlement",
        refund_amount=Money(1234, "USD"),
    )


def test_an_unlinked_credit_with_an_empty_payment_id_has_none() -> None:
    assert _map(refTransId="").connector_transaction_id is None


def test_numbers_written_as_text_are_read() -> None:
    refund = _map(settleAmount="2.00", transId=40110022001, responseCode="1")
    assert (refund.refund_amount, refund.connector_refund_id) == (Money(200, "USD"), "40110022001")


@pytest.mark.parametrize("settled", [None, "", 0])
def test_what_did_not_settle_has_the_amount_that_was_asked_for(settled: object) -> None:
    assert _map(transactionStatus="voided", settleAmount=settled).refund_amount == Money(1234, "USD")


def test_the_settled_amount_counts_where_there_is_one() -> None:
    assert _map(authAmount=20).refund_amount == Money(1234, "USD")


def test_without_a_known_currency_there_is_no_amount_and_a_problem() -> None:
    refund = _map(currency=None)
    assert refund.refund_amount is None
    assert len(refund.problems) == 1
    assert refund.status is SUCCEEDED


def test_the_currency_of_the_query_goes_before_the_account_s() -> None:
    query = RefundQuery(connector_refund_id="40110022001", currency="CAD")
    assert _map(query).refund_amount == Money(1234, "CAD")
    assert _map(query, currency=None).refund_amount == Money(1234, "CAD")


@given(currency=st.sampled_from(CURRENCIES), amount=st.sampled_from(AMOUNTS))
def test_every_amount_survives_the_trip(currency: str, amount: int) -> None:
    refund = Refund(
        connector_refund_id="40110022001",
        status=PENDING,
        connector_status="refundPendingSettlement",
        refund_amount=Money(amount, currency),
    )
    answer = Wiring(AuthorizeDotNet).hooks.render_refund(refund)
    assert _hooks(currency=None).map_refund(refund.query(), answer, ()) == refund


def test_a_time_that_cannot_be_read_is_a_problem() -> None:
    refund = _map(submitTimeUTC="yesterday")
    assert refund.created_at is None
    assert len(refund.problems) == 1


def test_a_time_without_a_zone_is_utc_as_its_name_says() -> None:
    assert _map(submitTimeUTC="2026-02-27T10:20:30").created_at == datetime(2026, 2, 27, 10, 20, 30, tzinfo=UTC)


def test_only_one_word_is_success_and_what_goes_on_is_pending() -> None:
    by_status = {
        status: {word for word, one in AuthorizeDotNet.statuses.items() if one is status} for status in RefundStatus
    }
    assert by_status == {
        SUCCEEDED: {"refundSettledSuccessfully"},
        PENDING: {
            "refundPendingSettlement",
            "pendingSettlement",
            "pendingFinalSettlement",
            "updatingSettlement",
            "approvedReview",
            "couldNotVoid",
        },
        MANUAL_REVIEW: {"underReview", "FDSPendingReview", "FDSAuthorizedPendingReview", "authorizedPendingRelease"},
        FAILED: {
            "declined",
            "generalError",
            "communicationError",
            "settlementError",
            "failedReview",
            "expired",
            "voided",
            "returnedItem",
        },
        UNKNOWN: set(),
    }


@pytest.mark.parametrize("word", sorted(AuthorizeDotNet.unmapped))
def test_a_payment_s_word_is_never_an_outcome(word: str) -> None:
    refund = _map(transactionStatus=word)
    assert (refund.status, refund.connector_status) == (UNKNOWN, word)


@pytest.mark.parametrize(
    "kind",
    [
        "authCaptureTransaction",
        "authOnlyTransaction",
        "captureOnlyTransaction",
        "priorAuthCaptureTransaction",
        "voidTransaction",
    ],
)
@pytest.mark.parametrize("word", ["settledSuccessfully", "voided", "refundSettledSuccessfully"])
def test_a_payment_s_id_is_not_a_refund(kind: str, word: str) -> None:
    with pytest.raises(NotARefund, match="transId of the refund"):
        _map(transactionType=kind, transactionStatus=word)


def test_without_a_type_only_a_refund_s_own_word_is_believed() -> None:
    assert _map(transactionType=None).status is SUCCEEDED
    with pytest.raises(MappingError):
        _map(transactionType=None, transactionStatus="voided")


@pytest.mark.parametrize("envelope", [{}, {"resultCode": "Warning"}, {"resultCode": None}, {"resultCode": 1}])
def test_an_envelope_that_does_not_say_ok_is_no_outcome(envelope: dict[str, object]) -> None:
    answer = _answer({"transaction": _transaction(), "messages": envelope})
    with pytest.raises(MappingError):
        _hooks().map_refund(RefundQuery(connector_refund_id="40110022001"), answer, ())


@pytest.mark.parametrize("transaction", [None, {}, [], "text", {"transId": "40110022001"}])
def test_an_answer_without_a_transaction_is_no_failed_refund(transaction: object) -> None:
    with pytest.raises(MappingError):
        _hooks().map_refund(RefundQuery(), _answer({"transaction": transaction, "messages": OK}), ())


# Why a refund failed


def test_a_declined_refund_says_why() -> None:
    refund = _map(
        transactionStatus="declined", responseCode=2, responseReasonCode=54, responseReasonDescription="too late"
    )
    assert (refund.status, refund.error) == (FAILED, ErrorInfo(code="54", message="too late"))


def test_an_approved_refund_that_was_voided_has_no_error_of_its_own() -> None:
    refund = _map(transactionStatus="voided")
    assert (refund.status, refund.error) == (FAILED, None)


def test_a_held_refund_has_no_error() -> None:
    assert _map(transactionStatus="FDSPendingReview", responseCode=4, responseReasonCode=253).error is None


def test_a_returned_echeck_says_what_the_bank_said_last() -> None:
    items = [{"id": "1", "code": "R01", "description": "first"}, {"id": "2", "code": "R02", "description": "closed"}]
    refund = _map(transactionStatus="returnedItem", returnedItems=items)
    assert (refund.status, refund.error) == (FAILED, ErrorInfo(code="R02", message="closed"))


@pytest.mark.parametrize("items", [{}, [None], ["x"], [[]], "x", {"returnedItem": {"code": "R02"}}])
def test_odd_returned_items_do_not_spoil_the_answer(items: object) -> None:
    assert _map(transactionStatus="returnedItem", returnedItems=items).status is FAILED


# Errors, which come with HTTP 200


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("E00001", ProcessorUnavailable),
        ("E00003", ConnectorError),
        ("E00005", AuthenticationError),
        ("E00006", AuthenticationError),
        ("E00007", AuthenticationError),
        ("E00008", AuthenticationError),
        ("E00009", ConnectorError),
        ("E00010", AuthenticationError),
        ("E00011", AuthenticationError),
        ("E00013", ConnectorError),
        ("E00040", RefundNotFound),
        ("E00049", ProcessorUnavailable),
        ("E00053", ProcessorUnavailable),
        ("E00104", ProcessorUnavailable),
    ],
)
def test_an_error_within_http_200_is_typed(code: str, kind: type[RefundryError]) -> None:
    error = _error(_failure(code))
    assert type(error) is kind
    assert error.code == code
    assert "no" not in error.message.split()


def test_a_disabled_api_says_what_to_enable() -> None:
    assert "Transaction Details API" in str(_error(_failure("E00011")))


def test_one_message_instead_of_a_list_is_read() -> None:
    body = {"messages": {"resultCode": "Error", "message": {"code": "E00040", "text": "no"}}}
    assert isinstance(_error(body), RefundNotFound)


@pytest.mark.parametrize("message", [None, [], [None], "E00040", [["E00040"]], [{}], [{"code": {}}], 7])
def test_an_error_without_a_readable_code_is_an_error(message: object) -> None:
    error = _error({"messages": {"resultCode": "Error", "message": message}})
    assert type(error) is ConnectorError
    assert error.code is None


def test_an_error_beside_a_transaction_is_no_refund() -> None:
    wiring = Wiring(AuthorizeDotNet)
    wiring.tamper = lambda _: _answer({"transaction": _transaction(), **_failure("E00003")})
    with pytest.raises(ConnectorError):
        wiring.client().get(connector_refund_id="40110022001")


def test_success_is_no_error() -> None:
    assert _error({"messages": OK}) is None


# Listing


def _listed(cursor: str | None, body: dict[str, Any], window: Window = WINDOW) -> Any:
    return _hooks().map_refunds(window, cursor, _answer({**body, "messages": OK}))


def _item(number: int, word: str = "refundSettledSuccessfully", **changes: Any) -> dict[str, Any]:
    facts = {"transId": str(number), "submitTimeUTC": "2026-03-01T08:00:00Z", "transactionStatus": word}
    return {**facts, **changes}


def test_a_listing_asks_for_batches_then_their_pages_then_what_is_unsettled() -> None:
    hooks = _hooks()
    first = hooks.fetch_refunds(WINDOW, None)
    dates = {"firstSettlementDate": "2026-02-27T12:00:00Z", "lastSettlementDate": "2026-03-02T12:00:00Z"}
    assert first.json == {"getSettledBatchListRequest": dates}
    assert list(first.json["getSettledBatchListRequest"]) == list(dates)

    page = _listed(None, {"batchList": [{"batchId": "7001"}, {"batchId": 7002}]})
    asked: list[Any] = []
    answers: list[dict[str, Any]] = [
        {"transactions": [_item(1), _item(2)], "totalNumInResultSet": 3},
        {"transactions": [_item(3)], "totalNumInResultSet": 3},
        {"transactions": [_item(4), _item(5)], "totalNumInResultSet": 2},
        {"transactions": [_item(6), _item(7)], "totalNumInResultSet": 4},
        {"transactions": [_item(8), _item(9)]},
        {},
    ]
    found: list[str | None] = []
    for answer in answers:
        asked.append(hooks.fetch_refunds(WINDOW, page.cursor).json)
        page = _listed(page.cursor, answer)
        found += [hint.connector_refund_id for hint in page.hints]
    assert page.cursor is None
    assert found == [str(number) for number in range(1, 10)]

    def part(offset: int) -> dict[str, Any]:
        return {"sorting": {"orderBy": "id", "orderDescending": False}, "paging": {"limit": 2, "offset": offset}}

    assert asked == [
        {"getTransactionListRequest": {"batchId": "7001", **part(1)}},
        {"getTransactionListRequest": {"batchId": "7001", **part(2)}},
        {"getTransactionListRequest": {"batchId": "7002", **part(1)}},
        {"getUnsettledTransactionListRequest": part(1)},
        {"getUnsettledTransactionListRequest": part(2)},
        {"getUnsettledTransactionListRequest": part(3)},
    ]
    assert list(asked[0]["getTransactionListRequest"]) == ["batchId", "sorting", "paging"]


def test_without_batches_the_unsettled_follow_at_once() -> None:
    page = _listed(None, {})
    request = _hooks().fetch_refunds(WINDOW, page.cursor)
    assert list(request.json) == ["getUnsettledTransactionListRequest"]  # type: ignore[call-overload]


def test_only_what_may_be_a_refund_is_looked_up() -> None:
    words = sorted(TestAuthorizeDotNet.documented)
    items = [_item(number, word) for number, word in enumerate(words)]
    page = _listed("[[], 1]", {"transactions": items}, attrs.evolve(WINDOW, page_size=100))
    looked_up = {words[int(hint.connector_refund_id or "")] for hint in page.hints}
    assert looked_up == {
        "refundSettledSuccessfully",
        "refundPendingSettlement",
        "underReview",
        "FDSPendingReview",
        "FDSAuthorizedPendingReview",
        "authorizedPendingRelease",
    }


def test_a_held_payment_in_the_list_is_left_out() -> None:
    wiring = Wiring(AuthorizeDotNet, [_pending("1"), _pending("2")])
    payment = _answer({"transaction": _transaction(transactionType="authOnlyTransaction"), "messages": OK})

    def one_is_a_payment(response: Response) -> Response:
        body = wiring.sent[-1].body or b""
        return payment if b'"transId":"2"' in (body if isinstance(body, bytes) else body.encode()) else response

    wiring.tamper = one_is_a_payment
    iterator = wiring.client().list(since=wiring.clock.now() - timedelta(days=1))
    assert [refund.connector_refund_id for refund in iterator] == ["1"]
    assert iterator.problems == []


def test_what_was_submitted_after_the_window_is_left_out() -> None:
    items = [_item(1, submitTimeUTC="2026-03-02T12:00:00Z"), _item(2, submitTimeUTC="2026-03-02T11:59:59.9Z")]
    page = _listed("[[], 1]", {"transactions": [*items, _item(3, submitTimeUTC="soon")]})
    assert [hint.connector_refund_id for hint in page.hints] == ["2", "3"]


def test_a_bad_batch_costs_one_batch() -> None:
    page = _listed(None, {"batchList": [{"batchId": "7001"}, {"odd": 1}, {"batchId": "7003"}]})
    assert len(page.problems) == 1
    assert json.loads(page.cursor) == [["7001", "7003"], 1]


def test_an_empty_object_is_no_empty_list() -> None:
    for cursor in (None, "[[], 1]"):
        with pytest.raises(MappingError):
            _hooks().map_refunds(WINDOW, cursor, _answer({}))


def test_a_long_window_is_asked_for_in_parts_of_31_days() -> None:
    wiring = Wiring(AuthorizeDotNet, [_pending("1")])
    listed = list(wiring.client().list(since=wiring.clock.now() - timedelta(days=70)))
    assert [refund.connector_refund_id for refund in listed] == ["1"]
    asked = [json.loads(request.body or "{}").get("getSettledBatchListRequest") for request in wiring.sent]
    spans = [
        datetime.fromisoformat(one["lastSettlementDate"]) - datetime.fromisoformat(one["firstSettlementDate"])
        for one in asked
        if one
    ]
    assert spans == [timedelta(days=31), timedelta(days=31), timedelta(days=8)]


def _pending(number: str) -> Refund:
    return Refund(
        connector_refund_id=number,
        status=PENDING,
        connector_status="refundPendingSettlement",
        refund_amount=Money(100, "USD"),
        created_at=NOON - timedelta(hours=4),
    )


# Webhooks

# From tests/Message/AcceptNotificationTest.php of academe/omnipay-authorizenetapi.
VECTOR_KEY = (
    "339E42F5D962293A925C244313E8C3546FD765AD202BFF3805F4C8459193E2AA"
    "1C106F476D6907C7A85714CCD69BB7BF184D17ECCDD546CED7EF69DB4C4AD723"
)
VECTOR_BODY = (
    b'{"notificationId":"701bf27d-d46f-4c3b-82f2-066448e2901e",'
    b'"eventType":"net.authorize.payment.authorization.created","eventDate":"2019-01-31T14:38:42.6937313Z",'
    b'"webhookId":"e6b3764d-5677-4fb1-a929-2e25a02f3073","payload":{"responseCode":1,"authCode":"P1XHLC",'
    b'"avsResponse":"Y","authAmount":7.67,"entityName":"transaction","id":"60116007277"}}'
)
VECTOR_SIGNATURE = (
    "13151697A33C77CB102AAA060CD58FB2394696BAEA981047A31830A8A1853A4C"
    "8D454E696871A38A68B6940B8746FC096111334D584579F6792F568A622A0373"
)


def _receive(body: bytes, header: str | None, key: str = VECTOR_KEY) -> Any:
    client = RefundClient(AuthorizeDotNet, signature_key=key)
    return client.handle_event(body=body, headers={} if header is None else {"x-anet-signature": header})


def _signed(body: dict[str, Any]) -> Any:
    raw = json.dumps(body).encode()
    return _receive(raw, "sha512=" + hmac_hex(VECTOR_KEY.encode(), raw, "sha512").upper())


def _notification(kind: str, **payload: Any) -> dict[str, Any]:
    facts = {"responseCode": 1, "authAmount": 12.34, "entityName": "transaction", "id": "40110022001"}
    return {
        "notificationId": "f3b9ad0c-3f2c-4a38-b3b1-5f8a3a0c7d11",
        "eventType": f"net.authorize.payment.{kind}",
        "eventDate": "2026-03-02T12:00:00.1234567Z",
        "webhookId": "0f5cf3f0-7c0d-4c46-9d0b-4b8b6b8d8f21",
        "payload": {name: value for name, value in {**facts, **payload}.items() if value is not None},
    }


@pytest.mark.parametrize("write", [str, str.lower, lambda text: f" {text} "])
def test_the_published_signature_fits_in_either_case(write: Callable[[str], str]) -> None:
    assert len(VECTOR_BODY) == 340
    delivery = _receive(VECTOR_BODY, f"sha512={write(VECTOR_SIGNATURE)}")
    assert delivery.events == []
    assert delivery.reply.status_code == 200


def test_the_key_is_its_text_and_not_the_bytes_it_stands_for() -> None:
    decoded = hmac_hex(bytes.fromhex(VECTOR_KEY), VECTOR_BODY, "sha512")
    with pytest.raises(SignatureError):
        _receive(VECTOR_BODY, f"sha512={decoded}")


@pytest.mark.parametrize(
    "header",
    [None, "", "sha512=", "sha512", VECTOR_SIGNATURE, f"sha256={VECTOR_SIGNATURE}", f"sha512={VECTOR_SIGNATURE[:-1]}"],
)
def test_a_header_of_another_form_is_refused(header: str | None) -> None:
    with pytest.raises(SignatureError) as caught:
        _receive(VECTOR_BODY, header)
    assert VECTOR_SIGNATURE not in str(caught.value)


@pytest.mark.parametrize("kind", ["refund.created", "void.created", "fraud.held", "fraud.approved", "fraud.declined"])
def test_an_event_about_a_refund_is_a_hint_and_never_an_outcome(kind: str) -> None:
    (event,) = _signed(_notification(kind)).events
    assert event.is_hint
    assert event.query == RefundQuery(connector_refund_id="40110022001")
    assert event.event_id == "f3b9ad0c-3f2c-4a38-b3b1-5f8a3a0c7d11"


@pytest.mark.parametrize("kind", ["authcapture.created", "capture.created", "priorAuthCapture.created", "unheard.of"])
def test_an_event_about_something_else_is_acknowledged_and_ignored(kind: str) -> None:
    delivery = _signed(_notification(kind))
    assert (delivery.events, delivery.reply.status_code) == ([], 200)


def test_an_event_of_another_entity_is_ignored() -> None:
    assert _signed(_notification("refund.created", entityName="subscription")).events == []


def test_an_event_without_an_entity_name_still_counts() -> None:
    assert len(_signed(_notification("refund.created", entityName=None)).events) == 1


@pytest.mark.parametrize("odd", [None, "", " ", "1\n2", {}, [], True])
def test_a_refund_event_without_a_usable_id_is_an_error(odd: object) -> None:
    with pytest.raises(MappingError):
        _signed(_notification("refund.created", id=odd))


def test_a_void_of_a_payment_turns_out_to_be_no_refund() -> None:
    (event,) = _signed(_notification("void.created", id="40110011001")).events
    with pytest.raises(NotARefund):
        _map(event.query, transactionType="authCaptureTransaction", transactionStatus="voided")


# The sandbox


def test_the_sandbox_answers_with_a_byte_order_mark() -> None:
    wiring = Wiring(AuthorizeDotNet, [_pending("1")])
    wiring.client().get(connector_refund_id="1")
    with pytest.raises(RefundNotFound):
        wiring.client().get(connector_refund_id="2")
    assert all(answer.body.startswith(BOM + b"{") for answer in wiring.answered)


def test_the_sandbox_writes_amounts_as_numbers() -> None:
    answer = Wiring(AuthorizeDotNet).hooks.render_refund(_pending("1"))
    assert b'"settleAmount":1.00' in answer.body


@pytest.mark.parametrize("error", [ProcessorUnavailable("later"), ConnectorError("odd", code="E00013")])
def test_the_sandbox_renders_every_kind_of_error(error: RefundryError) -> None:
    answer = Wiring(AuthorizeDotNet).hooks.render_error(error)
    assert type(_hooks().map_error(answer)) is type(error)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"[]",
        lambda body: b"not json",
        lambda body: b'{"getTransactionDetailsRequest":[]}',
        lambda body: b'{"getTransactionDetailsRequest":{"transId":"1"}}',
        lambda body: body.replace(b"getTransactionDetailsRequest", b"getSomethingElseRequest"),
        lambda body: json.dumps({name: dict(reversed(one.items())) for name, one in json.loads(body).items()}).encode(),
    ],
)
def test_the_sandbox_refuses_what_is_not_in_the_schema(change: Callable[[bytes], bytes]) -> None:
    wiring = Wiring(AuthorizeDotNet, [_pending("1")])
    answer = wiring.answer

    def answer_changed(request: Any) -> Response:
        return answer(attrs.evolve(request, body=change(request.body)))

    wiring.answer = answer_changed  # type: ignore[method-assign]
    with pytest.raises(ConnectorError):
        wiring.client().get(connector_refund_id="1")
