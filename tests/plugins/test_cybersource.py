"""CyberSource keeps the contract, and what is particular to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import attrs
import pytest

from refundry import RefundClient, WaitEnd
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
from refundry.http import Event, Moment, Request, Response, WireRequest
from refundry.model import (
    FAILED,
    MANUAL_REVIEW,
    PENDING,
    SUCCEEDED,
    UNKNOWN,
    Delivery,
    ErrorInfo,
    Money,
    Refund,
    RefundQuery,
    RefundStatus,
    Window,
)
from refundry.plugins import connector_hooks, sandbox_hooks
from refundry.sandbox import Book, Call
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.mutations import mutated_bodies
from refundry_cybersource import CyberSource
from refundry_cybersource.sandbox import CyberSourceSandbox

REFUND_ID = "7000000000000000000017"
PAYMENT_ID = "7000000000000000000003"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MOMENT = Moment(now=NOW, nonce="00000000-0000-4000-8000-000000000001")
QUERY = RefundQuery(connector_refund_id=REFUND_ID)
SETTINGS: dict[str, Any] = dict(CyberSourceSandbox.settings)
BASE = "https://apitest.cybersource.com"


class TestCyberSource(ConnectorContract):
    connector = CyberSource
    documented = {
        # The answers of the refund call, and what becomes of them in the batch.
        *("PENDING", "DECLINED", "INVALID_REQUEST", "TRANSMITTED", "REJECTED", "VOIDED", "CANCELLED", "SUCCEEDED"),
        # The pages on refunds and on status checks of PPRO, Thunes, Pay by Bank and PayTo, sales included.
        *("COMPLETED", "FAILED", "PENDING_FUNDS", "REFUNDED", "SERVER_ERROR"),
        *("ABANDONED", "FUNDED", "REJECT", "SETTLED", "SETTLE_INITIATED"),
        # The result codes of a service, and the reason codes that say the outcome is not known.
        *("rCode=1", "rCode=0", "rCode=-1"),
        *("reasonCode=100", "reasonCode=150", "reasonCode=151", "reasonCode=152", "reasonCode=250"),
    }


def transaction(**changes: object) -> dict[str, Any]:
    """A refund of the documented shape."""
    made: dict[str, Any] = {
        "id": REFUND_ID,
        "rootId": PAYMENT_ID,
        "reconciliationId": "70017",
        "submitTimeUTC": "2026-02-14T07:30:00Z",
        "applicationInformation": {"status": "PENDING", "reasonCode": 100, "applications": [service()]},
        "clientReferenceInformation": {"code": "return-17"},
        "orderInformation": {"amountDetails": {"totalAmount": "10.99", "currency": "USD"}},
    }
    return {**made, **changes}


def service(**changes: object) -> dict[str, Any]:
    return {"name": "ics_credit", "reasonCode": "100", "rCode": "1", "rFlag": "SOK", **changes}


def outcome(*services: dict[str, Any], **facts: object) -> dict[str, Any]:
    return {"applicationInformation": {**facts, "applications": list(services)}}


def mapped(**changes: object) -> Refund:
    response = Response(200, {}, json.dumps(transaction(**changes)).encode())
    refund = connector_hooks(CyberSource(**SETTINGS)).map_refund(QUERY, response, ())
    assert isinstance(refund, Refund)
    return refund


def book_refund(number: int, word: str = "PENDING") -> Refund:
    return Refund(
        connector_refund_id=f"70000000000000000000{number}",
        connector_transaction_id=PAYMENT_ID,
        status=CyberSource.statuses[word],
        connector_status=word,
        refund_amount=Money(1099, "USD"),
        created_at=NOW - timedelta(hours=number),
    )


# Get


def test_a_get_asks_for_the_transaction_and_carries_no_credential() -> None:
    request = connector_hooks(CyberSource(**SETTINGS)).fetch_refund(QUERY)
    assert (request.method, request.path) == ("GET", f"/tss/v2/transactions/{REFUND_ID}")
    assert dict(request.headers) == {"Accept": "application/hal+json;charset=utf-8"}
    assert SETTINGS["shared_secret"] not in repr(request)


def test_a_whole_answer() -> None:
    assert mapped() == Refund(
        connector_refund_id=REFUND_ID,
        connector_transaction_id=PAYMENT_ID,
        merchant_refund_id="return-17",
        status=PENDING,
        connector_status="PENDING",
        refund_amount=Money(1099, "USD"),
        created_at=datetime(2026, 2, 14, 7, 30, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("TRANSMITTED", SUCCEEDED),
        ("Transmitted", SUCCEEDED),
        ("Settled", SUCCEEDED),
        ("refunded", SUCCEEDED),
        ("Declined", FAILED),
        ("SERVER_ERROR", PENDING),
        ("PENDING_FUNDS", MANUAL_REVIEW),
        ("FUNDED", UNKNOWN),
        ("TRANSMITTED ", UNKNOWN),
        ("202", UNKNOWN),
        ("rCode=0", UNKNOWN),
        ("reasonCode=100", UNKNOWN),
    ],
)
def test_a_stated_word_is_read_in_any_case_and_kept_as_it_came(word: str, status: RefundStatus) -> None:
    refund = mapped(**outcome(service(), status=word))
    assert refund.status is status
    assert refund.connector_status == word


def test_the_status_comes_from_the_first_place_that_states_one() -> None:
    silent = outcome(service())
    assert mapped(status="FAILED").connector_status == "PENDING"
    assert mapped(**silent, status="TRANSMITTED").connector_status == "TRANSMITTED"
    assert mapped(**outcome(service(status="TRANSMITTED"))).status is SUCCEEDED
    assert mapped(**outcome(service(status="VOIDED"), status="", reasonCode=100)).status is FAILED


def test_services_that_disagree_state_nothing() -> None:
    refund = mapped(**outcome(service(status="TRANSMITTED"), service(name="ics_ap_refund", status="PENDING")))
    assert (refund.status, refund.connector_status) == (PENDING, "rCode=1")


def test_a_service_that_does_not_refund_has_no_say() -> None:
    other = service(name="ics_decision", status="TRANSMITTED", rCode="1")
    refund = mapped(**outcome(other, service(rCode="0")))
    assert (refund.status, refund.connector_status) == (FAILED, "rCode=0")


@pytest.mark.parametrize(
    ("facts", "services", "status", "word"),
    [
        ({"reasonCode": 100}, [service()], PENDING, "rCode=1"),
        ({"reasonCode": "100"}, [], PENDING, "reasonCode=100"),
        ({"reasonCode": 100}, [{"name": "ics_credit"}], PENDING, "reasonCode=100"),
        ({}, [service(rCode="0", reasonCode="203")], FAILED, "rCode=0"),
        ({}, [service(rCode=0, reasonCode=203)], FAILED, "rCode=0"),
        ({}, [service(rCode="-1", reasonCode="102")], FAILED, "rCode=-1"),
        ({}, [service(rCode="0"), service(rCode="-1")], FAILED, "rCode=0"),
        ({}, [service(rCode="0"), service(rCode="1")], PENDING, "rCode=1"),
        ({}, [service(rCode="0"), {"name": "ics_credit", "reasonCode": "203"}], UNKNOWN, None),
        ({}, [service(rCode="7")], UNKNOWN, "rCode=7"),
        ({"reasonCode": 203}, [], UNKNOWN, "reasonCode=203"),
        ({}, [], UNKNOWN, None),
    ],
)
def test_without_a_status_the_results_of_the_services_count(
    facts: dict[str, Any], services: list[dict[str, Any]], status: RefundStatus, word: str | None
) -> None:
    refund = mapped(**outcome(*services, **facts))
    assert (refund.status, refund.connector_status) == (status, word)


@pytest.mark.parametrize("reason", [150, "151", "152", "250"])
def test_a_timeout_is_never_a_failure(reason: object) -> None:
    failed = service(rCode="-1", reasonCode=str(reason))
    refund = mapped(**outcome(failed, reasonCode=reason))
    assert (refund.status, refund.connector_status) == (MANUAL_REVIEW, f"reasonCode={reason}")
    assert mapped(**outcome(failed)).status is MANUAL_REVIEW


@pytest.mark.parametrize(
    "changes",
    [
        outcome(service(), status=["PENDING"]),
        outcome(service(rCode={})),
        outcome(service(status=True)),
        outcome(reasonCode=1.5),
        {"applicationInformation": []},
        {"applicationInformation": {"applications": {}}},
        {"applicationInformation": {"applications": ["ics_credit"]}},
        {"id": None},
        {"id": {}},
    ],
)
def test_an_odd_id_or_status_is_a_mapping_error(changes: dict[str, Any]) -> None:
    with pytest.raises(MappingError):
        mapped(**changes)


@pytest.mark.parametrize("name", ["ics_auth", "ics_bill", "ics_ap_sale", "ics_void", "ics_credit_auth", "ics_oct"])
def test_another_transaction_is_no_refund_whatever_its_status(name: str) -> None:
    with pytest.raises(NotARefund):
        mapped(**outcome(service(name=name), status="TRANSMITTED"))


@pytest.mark.parametrize(
    "name", ["ics_ap_refund", "ics_ecp_credit", "ics_pin_debit_credit", "ics_bank_transfer_refund"]
)
def test_every_service_that_refunds_is_a_refund(name: str) -> None:
    assert mapped(**outcome(service(name=name), status="TRANSMITTED")).status is SUCCEEDED


def test_the_reason_of_a_failure_may_stand_in_two_places() -> None:
    declined = service(rCode="0", rMessage="declined by the bank")
    numbered = mapped(**outcome(declined, status="DECLINED", reasonCode=203))
    assert numbered.error == ErrorInfo(code="203", message="declined by the bank")
    worded = mapped(
        **outcome(declined, status="DECLINED", reasonCode=203),
        errorInformation={"reason": "PROCESSOR_DECLINED", "message": "no"},
    )
    assert worded.error == ErrorInfo(code="PROCESSOR_DECLINED", message="no")


def test_what_went_well_is_no_reason_of_a_failure() -> None:
    voided = service(rMessage="Request was processed successfully.")
    assert mapped(**outcome(voided, status="VOIDED", reasonCode=100)).error is None
    assert mapped(errorInformation={"reason": "left over"}).error is None


@pytest.mark.parametrize("name", ["submitTimeUTC", "submitTimeUtc"])
def test_the_time_is_spelt_in_two_ways(name: str) -> None:
    body = transaction()
    del body["submitTimeUTC"]
    body[name] = "2026-02-14T07:30:00+0000"
    refund = connector_hooks(CyberSource(**SETTINGS)).map_refund(
        QUERY, Response(200, {}, json.dumps(body).encode()), ()
    )
    assert isinstance(refund, Refund)
    assert refund.created_at == datetime(2026, 2, 14, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("links", "payment"),
    [
        ([{"href": f"{BASE}/tss/v2/transactions/{PAYMENT_ID}", "method": "GET"}], PAYMENT_ID),
        ([{"href": "/a/1"}, {"href": "/b/1/"}], "1"),
        ([{"href": "/a/1"}, {"href": "/a/2"}], None),
        ([{"href": 5}, None], None),
        ({"href": "/a/1"}, None),
        (None, None),
    ],
)
def test_the_payment_is_the_root_or_the_only_related_transaction(links: object, payment: str | None) -> None:
    assert mapped(rootId=None, _links={"relatedTransactions": links}).connector_transaction_id == payment
    assert mapped(_links={"relatedTransactions": links}).connector_transaction_id == PAYMENT_ID


@pytest.mark.parametrize(
    ("amount", "currency", "money"),
    [
        ("10.99", "USD", Money(1099, "USD")),
        ("1099", "JPY", Money(1099, "JPY")),
        ("1099.00", "JPY", Money(1099, "JPY")),
        ("1.234", "KWD", Money(1234, "KWD")),
        ("10.999", "USD", None),
        ("ten", "USD", None),
        ("10.99", "XYZ", None),
        ("10.99", None, None),
    ],
)
def test_an_amount_is_decimal_text_and_never_rounded(amount: str, currency: str | None, money: Money | None) -> None:
    refund = mapped(orderInformation={"amountDetails": {"totalAmount": amount, "currency": currency}})
    assert refund.refund_amount == money
    assert bool(refund.problems) == (money is None)


# Signatures


def signed(settings: dict[str, Any], request: Request | None = None) -> WireRequest:
    made = request or connector_hooks(CyberSource(**settings)).fetch_refund(QUERY)
    assert made.auth is not None
    return made.auth(made.to_wire(BASE), MOMENT)


def search_request(settings: dict[str, Any]) -> Request:
    window = Window(since=NOW - timedelta(days=1), until=NOW, page_size=50)
    return connector_hooks(CyberSource(**settings)).fetch_refunds(window, None)


def claims_of(request: WireRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """Head and claims of the token, after its signature was worked out anew."""
    token = request.headers["Authorization"].removeprefix("Bearer ")
    head, claims, signature = token.split(".")
    key = base64.b64decode(SETTINGS["shared_secret"])
    made = hmac.new(key, f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == made
    unpadded = (part + "=" * (-len(part) % 4) for part in (head, claims))
    first, second = (json.loads(base64.urlsafe_b64decode(part)) for part in unpadded)
    return first, second


def test_a_token_covers_the_request_for_two_minutes() -> None:
    request = signed(SETTINGS)
    head, claims = claims_of(request)
    assert head == {"alg": "HS256", "typ": "JWT", "kid": SETTINGS["key_id"]}
    assert claims == {
        "iat": 1772442000,
        "exp": 1772442120,
        "request-method": "GET",
        "request-host": "apitest.cybersource.com",
        "request-resource-path": f"/tss/v2/transactions/{REFUND_ID}",
        "iss": "refundry_sandbox",
        "jti": MOMENT.nonce,
        "v-c-jwt-version": "2",
        "v-c-merchant-id": "refundry_sandbox",
    }


def test_the_signature_of_a_token_is_what_openssl_makes() -> None:
    assert signed(SETTINGS).headers["Authorization"].endswith(".JbEBWoR5F1qdFBW2PYRzOOBSmcNV6atdaheMqrC4lOg")


def test_a_token_for_a_body_holds_its_digest() -> None:
    request = signed(SETTINGS, search_request(SETTINGS))
    _, claims = claims_of(request)
    assert request.body is not None
    assert claims["digest"] == base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    assert (claims["digestAlgorithm"], claims["request-method"]) == ("SHA-256", "POST")


def checked(request: WireRequest, *, now: datetime = NOW, **changes: Any) -> None:
    """What the sandbox thinks of a signed request, of which something may have been changed after."""
    call = Call(
        method=request.method,
        url=request.url,
        path=request.url.removeprefix(BASE).partition("?")[0],
        headers=dict(request.headers),
        body=request.body or b"",
    )
    hooks = sandbox_hooks(CyberSourceSandbox(CyberSource(**SETTINGS)))
    hooks.check_call(attrs.evolve(call, **changes), Book(now=now))


def test_the_sandbox_accepts_what_was_signed_and_nothing_else() -> None:
    get, search = signed(SETTINGS), signed(SETTINGS, search_request(SETTINGS))
    checked(get)
    checked(search)
    replayed: list[Callable[[], None]] = [
        lambda: checked(get, url=f"{BASE}/tss/v2/transactions/{PAYMENT_ID}"),
        lambda: checked(get, url=f"{get.url}?a=b"),
        lambda: checked(get, url=get.url.replace("apitest", "api")),
        lambda: checked(get, method="POST"),
        lambda: checked(get, body=b"{}"),
        lambda: checked(search, body=(search.body or b"").replace(b"50", b"51")),
        lambda: checked(get, now=NOW + timedelta(minutes=6)),
        lambda: checked(get, now=NOW - timedelta(minutes=6)),
        lambda: checked(get, headers={}),
        lambda: checked(get, headers={name: value[:-3] for name, value in get.headers.items()}),
    ]
    for attempt in replayed:
        with pytest.raises(AuthenticationError):
            attempt()


@pytest.mark.parametrize("name", ["merchant_id", "key_id", "shared_secret"])
def test_the_sandbox_refuses_other_credentials(name: str) -> None:
    with pytest.raises(AuthenticationError):
        checked(signed({**SETTINGS, name: "b3RoZXI="}))


def test_a_token_gets_and_lists() -> None:
    wiring = Wiring(CyberSource, [book_refund(11)])
    client = wiring.client()
    assert client.get(connector_refund_id=book_refund(11).connector_refund_id).status is PENDING
    assert len(list(client.list(since=NOW - timedelta(days=1)))) == 1


def test_every_try_is_signed_anew() -> None:
    wiring = Wiring(CyberSource, [book_refund(11)])
    tries = iter([Response(502), Response(502)])
    wiring.tamper = lambda good: next(tries, good)
    wiring.client().get(connector_refund_id=book_refund(11).connector_refund_id)
    assert len({request.headers["Authorization"] for request in wiring.sent}) == 3


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shared_secret", "not base64!"),
        ("shared_secret", "abc"),
        ("webhook_key", "abc"),
        ("webhook_key", {"one": "YWJj", "two": "abc"}),
    ],
)
def test_a_setting_that_cannot_be_right_is_named_when_the_client_is_made(name: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        RefundClient(CyberSource, **{**SETTINGS, name: value})
    assert "abc" not in str(caught.value)
    assert "not base64!" not in str(caught.value)


def test_webhooks_alone_need_no_rest_key() -> None:
    client = RefundClient(CyberSource, webhook_key=SETTINGS["webhook_key"])
    with pytest.raises(ConfigurationError, match="merchant_id"):
        client.get(connector_refund_id=REFUND_ID)


def test_india_is_another_host_and_signed_for() -> None:
    wiring = Wiring(CyberSource)
    wiring.tamper = lambda _: Response(404)
    client = wiring.client(environment="PRODUCTION", base_url="https://api.in.cybersource.com")
    with pytest.raises(RefundNotFound):
        client.get(connector_refund_id=REFUND_ID)
    _, claims = claims_of(WireRequest("GET", "", {"Authorization": wiring.sent[0].headers["Authorization"]}))
    assert claims["request-host"] == "api.in.cybersource.com"


# Not found


def test_a_fresh_refund_may_be_not_found_for_a_while() -> None:
    wiring = Wiring(CyberSource, [book_refund(11, "TRANSMITTED")])
    missing = iter([Response(404, {}, b"")] * 3)
    wiring.tamper = lambda good: next(missing, good)
    end = wiring.client().wait(connector_refund_id=book_refund(11).connector_refund_id, timeout=7200)
    assert (end.reason, end.polls) == (WaitEnd.SETTLED, 4)
    # Each look is five minutes after the last, or later.
    assert min(wiring.clock.slept) >= 270


def test_a_refund_that_stays_not_found_ends_the_wait() -> None:
    with pytest.raises(RefundNotFound):
        Wiring(CyberSource).client().wait(connector_refund_id=REFUND_ID, timeout=7200)


# Errors


def refused(status: int, body: object) -> RefundryError:
    wiring = Wiring(CyberSource)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    wiring.tamper = lambda _: Response(status, {"v-c-correlation-id": "corr-17"}, content)
    with pytest.raises(RefundryError) as caught:
        wiring.client().get(connector_refund_id=REFUND_ID)
    return caught.value


REASONS = (
    "MISSING_FIELD",
    "INVALID_DATA",
    "DUPLICATE_REQUEST",
    "INVALID_MERCHANT_CONFIGURATION",
    "INVALID_AMOUNT",
    "CAPTURE_ALREADY_VOIDED",
    "ACCOUNT_NOT_ALLOWED_CREDIT",
    "NOT_SUPPORTED",
)


@pytest.mark.parametrize("reason", REASONS)
def test_the_reason_of_a_400_may_stand_in_two_places(reason: str) -> None:
    for body in ({"reason": reason, "status": "INVALID_REQUEST"}, {"errorInformation": {"reason": reason}}):
        error = refused(400, body)
        assert type(error) is ConnectorError
        assert (error.code, error.request_id, error.retryable) == (reason, "corr-17", False)


@pytest.mark.parametrize("body", [b"", b"[]", b"oops", {"reason": {}}, {"errorInformation": []}])
def test_a_400_without_a_reason_is_an_error_all_the_same(body: object) -> None:
    error = refused(400, body)
    assert type(error) is ConnectorError
    assert error.code is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"response": {"rmsg": "Authentication Failed"}}, AuthenticationError),
        (401, b"", AuthenticationError),
        (403, {}, AuthenticationError),
        (404, {"reason": "NOT_FOUND"}, RefundNotFound),
        (404, b"", RefundNotFound),
        (429, b"", RateLimited),
        (500, {"errors": [{"type": "internalError", "message": "x"}]}, ProcessorUnavailable),
        (502, {"status": "SERVER_ERROR", "reason": "SYSTEM_ERROR"}, ProcessorUnavailable),
        (503, b"", ProcessorUnavailable),
    ],
)
def test_every_documented_error_has_its_kind(status: int, body: object, kind: type[RefundryError]) -> None:
    error = refused(status, body)
    assert type(error) is kind
    assert "rmsg" not in str(error)


def test_a_wrong_clock_is_named() -> None:
    assert "clock" in str(refused(401, b""))


# List


def test_a_search_asks_for_refunds_of_the_window() -> None:
    request = search_request(SETTINGS)
    assert (request.method, request.path) == ("POST", "/tss/v2/searches")
    assert request.json == {
        "save": False,
        "name": "refunds",
        "timezone": "GMT",
        "query": "applicationInformation.applications.name:(ics_credit OR ics_ap_refund OR ics_bank_transfer_refund"
        " OR ics_china_refund OR ics_direct_debit_refund OR ics_ecp_credit OR ics_gift_card_refund"
        " OR ics_paypal_credit OR ics_paypal_refund OR ics_pin_debit_credit)"
        " AND submitTimeUtc:[1772355600000 TO 1772442001000}",
        "offset": 0,
        "limit": 50,
        "sort": "id:asc,submitTimeUtc:asc",
    }


def test_a_summary_without_a_status_is_looked_up() -> None:
    wiring = Wiring(CyberSource, [book_refund(11, "TRANSMITTED"), book_refund(12, "PENDING")])

    def without_status(good: Response) -> Response:
        body = json.loads(good.body)
        if "_embedded" in body:
            del body["_embedded"]["transactionSummaries"][0]["applicationInformation"]["status"]
        return Response(good.status_code, good.headers, json.dumps(body).encode())

    wiring.tamper = without_status
    listed = list(wiring.client().list(since=NOW - timedelta(days=1)))
    assert {one.connector_refund_id: one.connector_status for one in listed} == {
        "7000000000000000000011": "TRANSMITTED",
        "7000000000000000000012": "PENDING",
    }
    assert [request.method for request in wiring.sent] == ["POST", "GET"]


def page_of(body: object, cursor: str | None = None) -> Any:
    window = Window(since=NOW - timedelta(days=1), until=NOW)
    response = Response(201, {}, json.dumps(body).encode())
    return connector_hooks(CyberSource(**SETTINGS)).map_refunds(window, cursor, response)


def summaries(*items: object, total: object) -> dict[str, Any]:
    return {"totalCount": total, "count": len(items), "_embedded": {"transactionSummaries": list(items)}}


def test_the_next_page_begins_where_this_one_ended() -> None:
    assert page_of(summaries(transaction(), transaction(), total=5)).cursor == "2"
    assert page_of(summaries(transaction(), transaction(), total=5), "2").cursor == "4"
    assert page_of(summaries(transaction(), total=5), "4").cursor is None
    # Fewer summaries than counted have been seen.
    assert page_of({**summaries(transaction(), total=2), "count": 2}).cursor == "1"


def test_past_the_end_there_are_no_summaries() -> None:
    page = page_of({"totalCount": 5, "count": 0}, "5")
    assert (page.refunds, page.hints, page.problems, page.cursor) == ([], [], [], None)


@pytest.mark.parametrize("body", [{}, {"totalCount": None}, {"totalCount": "5"}, {"totalCount": True}, [], None])
def test_an_answer_that_is_no_search_result_is_not_an_empty_list(body: object) -> None:
    with pytest.raises(MappingError):
        page_of(body)


def test_another_transaction_among_the_hits_is_left_out() -> None:
    payment = transaction(**outcome(service(name="ics_bill"), status="TRANSMITTED"))
    page = page_of(summaries(payment, transaction(), total=2))
    assert [one.connector_refund_id for one in page.refunds] == [REFUND_ID]
    assert page.problems == []


def test_an_item_that_cannot_be_named_is_a_problem_and_no_more() -> None:
    silent = transaction(**outcome(service()), id="with a\nline end")
    page = page_of(summaries(silent, transaction(), transaction(id=None), total=3))
    assert len(page.refunds) == 1
    assert len(page.problems) == 2


def test_no_mutated_page_is_more_than_a_page_or_a_typed_error() -> None:
    good = json.dumps(summaries(transaction(), transaction(**outcome(service())), total=2)).encode()
    hooks = connector_hooks(CyberSource(**SETTINGS))
    window = Window(since=NOW - timedelta(days=1), until=NOW)
    for body in mutated_bodies(good, 3000, Random(17)):
        try:
            page = hooks.map_refunds(window, None, Response(201, {}, body))
        except RefundryError:
            continue
        assert len(page.refunds) + len(page.hints) + len(page.problems) <= 2


def test_the_404_that_once_stood_for_no_hits_is_no_empty_list() -> None:
    wiring = Wiring(CyberSource)
    wiring.tamper = lambda _: Response(404, {}, json.dumps({"totalCount": 0, "count": 0}).encode())
    with pytest.raises(ConnectorError):
        list(wiring.client().list(since=NOW - timedelta(days=1)))


# Webhook

EVENT = b'{"eventType":"payments.payments.updated","payload":{"id":"7000000000000000000017"}}'
SIGNATURE = "t=1772442000000;keyId=key-1;sig=zt4nKk1xWkn7Ecs2YhqusUT3IJrHrApBO9+vCGR91vU="


def delivered(body: bytes = EVENT, signature: str | None = SIGNATURE, key: object = None) -> Delivery:
    client = RefundClient(CyberSource, webhook_key=key or SETTINGS["webhook_key"])
    headers = {} if signature is None else {"V-C-Signature": signature}
    return client.handle_event(body=body, headers=headers, received_at=NOW)


def said(event: dict[str, Any]) -> Delivery:
    body = json.dumps(event).encode()
    key = base64.b64decode(SETTINGS["webhook_key"])
    made = base64.b64encode(hmac.new(key, b"1772442000000." + body, hashlib.sha256).digest()).decode()
    return delivered(body, f"t=1772442000000;keyId=key-1;sig={made}")


def test_a_signature_is_what_openssl_makes_and_the_event_only_a_hint() -> None:
    delivery = delivered()
    assert [one.query for one in delivery.events] == [QUERY]
    assert all(one.is_hint for one in delivery.events)
    assert delivery.reply.status_code == 200


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "t=1772442000000",
        "sig=zt4nKk1xWkn7Ecs2YhqusUT3IJrHrApBO9+vCGR91vU=",
        SIGNATURE.replace("t=1772442000000", "t=1772442000001"),
        SIGNATURE.replace("sig=z", "sig=y"),
        SIGNATURE.removesuffix("="),
        SIGNATURE.replace("sig=zt4nKk1xWkn7Ecs2YhqusUT3IJrHrApBO9+vCGR91vU=", "sig="),
    ],
)
def test_any_other_signature_is_refused(signature: str | None) -> None:
    with pytest.raises(SignatureError):
        delivered(signature=signature)


def test_the_parts_of_a_signature_come_in_any_order() -> None:
    parts = SIGNATURE.split(";")
    assert delivered(signature="; ".join(reversed(parts))).events


def test_the_key_id_chooses_the_key() -> None:
    good, other = SETTINGS["webhook_key"], base64.b64encode(b"another key").decode()
    assert delivered(key={"key-1": good, "key-2": other}).events
    for keys in ({"key-1": other, "key-2": good}, {"key-2": good}):
        with pytest.raises(SignatureError):
            delivered(key=keys)
    with pytest.raises(SignatureError):
        delivered(signature=SIGNATURE.replace("keyId=key-1;", ""), key={"key-1": good})


def test_the_key_is_the_text_decoded() -> None:
    key = base64.b64encode(SETTINGS["webhook_key"].encode()).decode()
    with pytest.raises(SignatureError):
        delivered(key=key)


def test_a_rendered_event_names_the_key_it_is_signed_with() -> None:
    keys = {"key-7": SETTINGS["webhook_key"]}
    event: Event = Wiring(CyberSource).event(book_refund(11), {**SETTINGS, "webhook_key": keys})
    assert "keyId=key-7" in str(event.header("v-c-signature"))
    assert delivered(event.body, event.header("v-c-signature"), keys).events


@pytest.mark.parametrize(
    ("payload", "query"),
    [
        ({"id": REFUND_ID, "status": "REFUNDED"}, {"connector_refund_id": REFUND_ID}),
        ({"transactionId": REFUND_ID}, {"connector_refund_id": REFUND_ID}),
        ({"data": {"id": REFUND_ID}}, {"connector_refund_id": REFUND_ID}),
        ([{"data": {"transactionId": REFUND_ID}}], {"connector_refund_id": REFUND_ID}),
    ],
)
def test_a_payload_has_several_forms(payload: object, query: dict[str, str]) -> None:
    for kind in ("payments.payments.updated", "payments.refunds.accept", "payments.credits.failed"):
        delivery = said({"eventType": kind, "notificationId": "note-1", "payload": payload})
        assert [one.query for one in delivery.events] == [RefundQuery.of(query)]
        assert delivery.events[0].event_id == "note-1"


def test_a_reconciliation_id_is_not_taken_for_a_transaction() -> None:
    with pytest.raises(MappingError, match="names no transaction"):
        said({"eventType": "payments.refunds.accept", "payload": {"reconciliationId": PAYMENT_ID}})


def test_an_event_about_something_else_is_acknowledged_and_ignored() -> None:
    for kind in ("payments.payments.accepted", "risk.casemanagement.decision.accept", "tms.token.updated", None):
        delivery = said({"eventType": kind, "payload": {"id": REFUND_ID}})
        assert (delivery.events, delivery.reply.status_code) == ([], 200)


@pytest.mark.parametrize("payload", [None, "text", {}, {"data": []}, {"id": {}}, {"id": "with a\nline end"}, [None]])
def test_an_event_that_names_nothing_is_a_mapping_error(payload: object) -> None:
    with pytest.raises(MappingError) as caught:
        said({"eventType": "payments.payments.updated", "payload": payload})
    assert "defect" not in caught.value.message


def test_a_get_of_what_a_sale_s_event_named_says_that_it_is_no_refund() -> None:
    wiring = Wiring(CyberSource, [book_refund(11)])
    wiring.tamper = lambda good: Response(200, good.headers, good.body.replace(b"ics_credit", b"ics_ap_sale"))
    with pytest.raises(NotARefund):
        wiring.client().get(connector_refund_id=book_refund(11).connector_refund_id)
