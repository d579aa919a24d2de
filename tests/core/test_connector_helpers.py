"""What connectors and their sandboxes share: each helper, tried by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from acme import Acme

from refundry.auth import basic_credentials, header_auth
from refundry.errors import (
    AmbiguousRefund,
    AuthenticationError,
    ConnectorError,
    InvalidQuery,
    MappingError,
    NotARefund,
    ProcessorUnavailable,
    RefundNotFound,
    RefundryError,
    SignatureError,
)
from refundry.http import Event, Moment, Response, WireRequest, parse_xml, url_path
from refundry.model import FAILED, SUCCEEDED, UNKNOWN, ErrorInfo, Money, Refund, RefundEvent, RefundQuery, Window
from refundry.reading import Fields, asked_refund, each_event, page
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, no_webhook, part
from refundry.signing import check_hmac, check_sent, encode_base64url, header_pairs, hmac_base64, hmac_hex
from refundry.testing.mutations import mutated_bodies, replace_one_item
from refundry.times import from_iso, from_milliseconds, to_iso
from refundry.writing import currency_of, decimal_of, filled, iso_of, minor_of, unix_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Refusing(Acme):
    refusals = {
        "gone": (RefundNotFound, "no such refund"),
        401: (AuthenticationError, "check key"),
        "": (ConnectorError, "check the identifiers"),
    }


def refund(number: int, **facts: Any) -> Refund:
    return Refund(connector_refund_id=f"re_{number}", status=SUCCEEDED, **facts)


# A connector's own tables


def test_a_refund_says_why_it_failed_only_where_it_failed() -> None:
    fields, why = Fields({"amount": "odd"}), ErrorInfo(code="14")
    failed = Acme().refund(fields, "declined", failure=why, created_at=fields.unix_time("amount"))
    assert (failed.status, failed.connector_status, failed.error) == (FAILED, "declined", why)
    assert len(failed.problems) == 1
    assert Acme().refund(fields, "done", failure=why).error is None
    # What the processor said beside its status is kept whatever the status is.
    told = Acme().refund(fields, "done", connector_status="DONE", error=why)
    assert (told.status, told.connector_status, told.error) == (SUCCEEDED, "DONE", why)


@pytest.mark.parametrize(("word", "status"), [("done", SUCCEEDED), ("Done", UNKNOWN), ("", UNKNOWN), (None, UNKNOWN)])
def test_a_condition_that_is_not_in_the_table_is_unknown(word: str | None, status: object) -> None:
    assert Acme().status_of(word) is status


def test_the_first_key_that_the_table_has_decides() -> None:
    refused = Refusing().refusal(None, "odd", "gone", 401, code="gone", request_id="req_1")
    assert type(refused) is RefundNotFound
    assert (refused.message, refused.code, refused.request_id) == (
        "Acme Pay refused the request: no such refund",
        "gone",
        "req_1",
    )
    assert type(Refusing().refusal("odd", 401)) is AuthenticationError
    assert type(Refusing().refusal("odd", "")) is ConnectorError
    assert Refusing().refusal("odd", 500, None) is None
    assert Acme().refusal("gone", "") is None


def test_an_error_that_says_nothing_is_none() -> None:
    assert ErrorInfo.of(code=None, message=None) is None
    assert ErrorInfo.of(code="05", message=None) == ErrorInfo(code="05")


# Reading


def test_the_first_object_of_a_list_or_the_object_itself() -> None:
    fields = Fields({"several": [{"code": "a"}, {"code": "b"}], "one": {"code": "c"}, "none": [], "odd": ["text"]})
    found = [fields.first(name).text("code") for name in ("several", "one", "none", "odd", "absent")]
    assert found == ["a", "c", None, None, None]


def test_what_is_odd_in_the_first_object_is_a_problem_of_the_whole() -> None:
    fields = Fields({"errors": [{"code": []}]})
    assert fields.first("errors").text("code") is None
    assert fields.problems == ("errors.code is not text",)


def test_the_objects_of_a_list_report_what_is_odd_in_them_together() -> None:
    fields = Fields({"history": [{"at": "2026-03-02T09:00:00Z"}, {"at": "soon"}], "odd": [{}, 1], "one": {}})
    first, second = fields.objects("history")
    assert (first.iso_time("at"), second.iso_time("at")) == (NOW, None)
    assert fields.problems == ("history.at: the time is not ISO 8601",)
    assert fields.objects("missing") == []
    for name in ("odd", "one"):
        with pytest.raises(MappingError, match=name):
            fields.objects(name)


def test_an_item_is_a_refund_or_names_one_or_is_left_out() -> None:
    mapped: dict[str, Refund | RefundQuery | None] = {
        "refund": refund(1),
        "named": RefundQuery(connector_refund_id="re_2"),
        "other": None,
    }
    found = page([*mapped, {}], lambda item: mapped[Fields({"item": item}).required("item")], cursor="next")
    assert (found.refunds, found.hints, found.cursor) == ([mapped["refund"]], [mapped["named"]], "next")
    assert [problem.message for problem in found.problems] == ["item 3: item is missing or not text"]


def test_an_item_that_is_no_refund_is_left_out_of_a_page_and_of_a_batch() -> None:
    def refuse(item: object) -> Refund:
        raise NotARefund("this is a payment")

    def refuse_event(item: object) -> RefundEvent:
        raise NotARefund("this is a payment")

    found = page([1, 2], refuse, cursor="next")
    assert (found.refunds, found.hints, found.problems, found.cursor) == ([], [], [], "next")
    assert each_event([1, 2], refuse_event) == []


def test_a_window_is_widened_on_either_side() -> None:
    window = Window(since=NOW - timedelta(days=1), until=NOW, page_size=7)
    assert window.widened(timedelta(seconds=1)) == Window(
        since=NOW - timedelta(days=1, seconds=1), until=NOW + timedelta(seconds=1), page_size=7
    )


@pytest.mark.parametrize("missing", [None, "", ".", ".."])
def test_a_path_without_its_identifier_is_refused(missing: str | None) -> None:
    with pytest.raises(InvalidQuery):
        url_path("refunds", missing)


# Requests and signatures


def test_credentials_stand_in_several_headers() -> None:
    authenticate = header_auth({"X-Id": "one", "X-Key": "two"})
    sent = authenticate(WireRequest("GET", "https://api.acme.example", {"Accept": "*/*"}), Moment(now=NOW, nonce="n"))
    assert sent.headers == {"Accept": "*/*", "X-Id": "one", "X-Key": "two"}


def test_basic_credentials_are_those_of_rfc_7617() -> None:
    # The example of its section 2.
    assert basic_credentials("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_base64_for_urls_has_no_padding() -> None:
    # RFC 7515, appendix C.
    assert encode_base64url(bytes([3, 236, 255, 224, 193])) == "A-z_4ME"


@pytest.mark.parametrize(("sign", "digest"), [(hmac_hex, "sha256"), (hmac_base64, "sha256"), (hmac_hex, "sha512")])
def test_any_secret_may_have_signed_and_nothing_else(sign: Any, digest: str) -> None:
    given = sign(b"second", b"body", digest)
    check_hmac(["first", "second"], b"body", given, sign=sign, digest=digest)
    check_hmac(["second"], b"body", ["other", given], sign=sign, digest=digest)
    for secrets, body, signature in ((["first"], b"body", given), (["second"], b"Body", given), (["second"], b"", "")):
        with pytest.raises(SignatureError):
            check_hmac(secrets, body, signature, sign=sign, digest=digest)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (str(int(NOW.timestamp())), None),
        (str(int(NOW.timestamp() * 1000)), from_milliseconds),
        ("2026-03-02T09:00:00Z", from_iso),
    ],
)
def test_the_time_of_an_event_is_read_and_compared(sent: str, read: Any) -> None:
    more = {"read": read} if read else {}
    tolerance = timedelta(minutes=5)
    check_sent(Event(received_at=NOW + tolerance), sent, tolerance, **more)
    for received in (NOW + tolerance * 2, NOW - tolerance * 2):
        with pytest.raises(SignatureError):
            check_sent(Event(received_at=received), sent, tolerance, **more)
    for odd in ("soon", "", None, []):
        with pytest.raises(SignatureError, match="time"):
            check_sent(Event(received_at=NOW), odd, tolerance, **more)


def test_times_are_cut_off_and_never_rounded() -> None:
    moment = NOW.replace(microsecond=999_999)
    assert to_iso(moment) == "2026-03-02T09:00:00.999999Z"
    assert to_iso(moment, "milliseconds") == "2026-03-02T09:00:00.999Z"
    assert to_iso(moment, "seconds") == "2026-03-02T09:00:00Z"


# The sandbox


def test_what_is_absent_is_written_as_none() -> None:
    empty, full = refund(1), refund(2, refund_amount=Money(1050, "KWD"), created_at=NOW)
    assert [write(empty) for write in (minor_of, decimal_of, currency_of)] == [None, None, None]
    assert [write(full) for write in (minor_of, decimal_of, currency_of)] == [1050, Decimal("1.050"), "KWD"]
    assert minor_of(refund(3, refund_amount=Money(10, "JPY")), {"JPY": 2}) == 1000
    assert (unix_of(None), iso_of(None)) == (None, None)
    assert (unix_of(NOW), iso_of(NOW, "milliseconds")) == (1772442000, "2026-03-02T09:00:00.000Z")
    assert filled({"a": None, "b": "", "c": 0}) == {"b": "", "c": 0}


@pytest.mark.parametrize(
    ("asked", "shown", "more"),
    [
        ({"size": 2}, [1, 2], True),
        ({"size": "2", "skip": "4"}, [5], False),
        ({"size": 2, "skip": 3}, [4, 5], False),
        ({"size": 2, "after": "re_2"}, [3, 4], True),
        ({"size": 2, "after": "re_5"}, [], False),
        ({"size": 2, "after": "unknown"}, [1, 2], True),
    ],
)
def test_a_page_is_cut_out_of_a_list(asked: dict[str, Any], shown: list[int], more: bool) -> None:
    assert part([refund(number) for number in range(1, 6)], **asked) == ([refund(number) for number in shown], more)


def test_a_call_bears_credentials_times_and_tokens() -> None:
    url = "https://api.acme.example/refunds?from=1772442000&to=2026-03-02T09:00:00Z"
    call = Call(method="GET", url=url, path="/refunds", headers={"X-Key": "right"})
    assert [call.time(name) for name in ("from", "to", "other")] == [NOW, NOW, None]
    call.check_header("x-key", "right")
    for name, value in (("X-Key", "wrong"), ("X-Other", "right")):
        with pytest.raises(AuthenticationError):
            call.check_header(name, value)
    book = Book(now=NOW)
    token = book.oauth_token(timedelta(minutes=1), scope="all").json()
    assert {name: token[name] for name in token if name != "access_token"} == {
        "token_type": "Bearer",
        "expires_in": 60,
        "scope": "all",
    }
    bearing = Call(method="GET", url=url, path="/", headers={"Authorization": f"Bearer {token['access_token']}"})
    book.check_token(bearing)
    book.now += timedelta(minutes=1)
    for refused in (bearing, call):
        with pytest.raises(AuthenticationError):
            book.check_token(refused)


def test_a_payment_without_refunds_is_not_found() -> None:
    book = Book(now=NOW, refunds={"re_1": refund(1, connector_transaction_id="pay_1")})
    assert book.of_payment("pay_1") == [book.refund("re_1")]
    with pytest.raises(RefundNotFound):
        book.of_payment("pay_2")


def test_the_nearest_kind_of_error_is_rendered() -> None:
    class Sandbox(ConnectorSandbox[Acme]):
        errors = {RefundNotFound: Response(404), ProcessorUnavailable: Response(503), RefundryError: Response(400)}

    sandbox = Sandbox(Acme())
    kinds = (RefundNotFound, ProcessorUnavailable, AuthenticationError)
    assert [sandbox.render_error(kind()).status_code for kind in kinds] == [404, 503, 400]
    with pytest.raises(LookupError, match=r"ConnectorSandbox\.errors has no RefundryError"):
        ConnectorSandbox(Acme()).render_error(RefundNotFound())


def test_a_status_without_a_webhook_is_no_event_that_went_missing() -> None:
    # The webhook cases of the contract leave out what a sandbox refuses so.
    assert isinstance(no_webhook(), ConnectorError)


def test_a_webhook_has_its_json_byte_for_byte() -> None:
    moment = Moment(now=NOW, nonce="n")
    assert json_event(b'{"a": 1}', moment).body == b'{"a": 1}'
    event = json_event({"a": 1}, moment, {"X-Signature": "s"}, url="https://shop.example.com")
    assert (event.body, event.url, event.received_at) == (b'{"a":1}', "https://shop.example.com", NOW)
    assert event.headers == {"content-type": "application/json", "x-signature": "s"}


# The contract's own answers gone wrong

XML = b"<list><count>3</count><item><id>1</id></item><item><id>2</id></item><item><id>3</id></item></list>"


def test_one_item_of_an_xml_list_is_replaced() -> None:
    assert replace_one_item(XML, {}) == XML.replace(b"<id>2</id>", b"<odd>1</odd>")
    with pytest.raises(LookupError):
        replace_one_item(b"<list><count>0</count></list>", {})


def test_xml_is_mutated_as_xml() -> None:
    bodies = list(mutated_bodies(XML, 400, Random(4)))
    assert len(bodies) == 400
    readable = set()
    for body in bodies:
        try:
            parse_xml(body)
        except MappingError:
            continue
        readable.add(body)
    # Most are whole documents that say something else: cut bytes alone would leave nearly none.
    assert len(readable - {XML}) > 100


# The refunds of one payment


ITEMS = (
    {"id": "p1", "type": "payment", "reference": "ours"},
    {"id": "r1", "type": "refund", "reference": "ours"},
    {"id": "r2", "type": "refund", "reference": "twice"},
    {"id": "r3", "type": "refund", "reference": "twice"},
)


def asked(items: object = ITEMS, **identifiers: Any) -> str:
    found = asked_refund(
        RefundQuery(connector_transaction_id="p", **identifiers),
        items,  # type: ignore[arg-type]
        own_id=lambda item: item.required("id"),
        reference=lambda item: item.text("reference"),
        is_refund=lambda item: item.required("type") == "refund",
    )
    return found.required("id")


def test_a_refund_is_asked_for_by_its_own_id_or_the_merchants() -> None:
    assert asked(connector_refund_id="r2") == "r2"
    assert asked(merchant_refund_id="ours") == "r1"
    assert asked(connector_refund_id="r2", merchant_refund_id="ours") == "r2"
    assert asked(ITEMS[:2]) == "r1"


@pytest.mark.parametrize(
    ("kind", "items", "identifiers"),
    [
        (AmbiguousRefund, ITEMS, {"merchant_refund_id": "twice"}),
        (AmbiguousRefund, ITEMS, {}),
        (NotARefund, ITEMS, {"connector_refund_id": "p1"}),
        (RefundNotFound, ITEMS, {"connector_refund_id": "r9"}),
        (RefundNotFound, (), {}),
        # What cannot be read may be the one.
        (MappingError, (*ITEMS, {"id": []}), {"connector_refund_id": "r9"}),
        (MappingError, (*ITEMS, 7), {"connector_refund_id": "r9"}),
    ],
)
def test_a_refund_that_is_not_found_says_why(kind: type[RefundryError], items: object, identifiers: Any) -> None:
    with pytest.raises(RefundryError) as raised:
        asked(items, **identifiers)
    assert type(raised.value) is kind


def test_an_odd_item_does_not_hide_the_one_that_is_asked_for() -> None:
    assert asked((7, *ITEMS), connector_refund_id="r2") == "r2"


def test_what_xml_has_once_is_a_list_of_one() -> None:
    fields = Fields({"once": {"a": "1"}, "twice": ["x", "y"], "deep": {"once": "z"}})
    assert [fields.several(*path) for path in (("once",), ("twice",), ("none",), ("deep", "once"))] == [
        [{"a": "1"}],
        ["x", "y"],
        [],
        ["z"],
    ]


def test_a_flag_must_be_there() -> None:
    fields = Fields({"paging": {"more": True, "last": False, "odd": "true", "number": 1, "empty": None}})
    assert (fields.flag("paging", "more"), fields.flag("paging", "last")) == (True, False)
    for name in ("odd", "number", "empty", "absent"):
        with pytest.raises(MappingError) as raised:
            fields.flag("paging", name)
        assert raised.value.field == f"paging.{name}"


def test_a_word_in_any_case_is_known_only_where_the_connector_says_so() -> None:
    class Shouting(Acme):
        statuses = {"Sent Back": SUCCEEDED, "REFUSED": FAILED}

    class Careless(Shouting):
        any_case = True

    words = ("Sent Back", "SENT BACK", "sent back", "refused", "refused ", "", None)
    assert [Shouting().status_of(word) for word in words] == [SUCCEEDED, *[UNKNOWN] * 6]
    assert [Careless().status_of(word) for word in words] == [*[SUCCEEDED] * 3, FAILED, *[UNKNOWN] * 3]
    assert Careless().refund(Fields({}), "refused").connector_status == "refused"


def test_an_event_about_a_refund_asks_for_that_refund() -> None:
    told = refund(1, merchant_refund_id="m1")
    assert RefundEvent(refund=told).query == told.query()
    hint = RefundQuery(connector_transaction_id="p")
    assert RefundEvent(refund=told, query=hint).query is hint
    with pytest.raises(InvalidQuery, match="query"):
        RefundEvent()


def test_a_header_of_pairs_keeps_order_and_repetitions() -> None:
    event = Event(headers={"Sig": "t=1, v1=a=b,v1=c ,odd"}, received_at=NOW)
    assert header_pairs(event, "sig") == [("t", "1"), ("v1", "a=b"), ("v1", "c"), ("odd", "")]
    assert header_pairs(event, "sig", ";") == [("t", "1, v1=a=b,v1=c ,odd")]
    with pytest.raises(SignatureError, match="Other"):
        header_pairs(event, "Other")


def test_a_window_in_whole_seconds_leaves_nothing_out() -> None:
    half = timedelta(milliseconds=500)
    second = int(NOW.timestamp())
    assert Window(since=NOW, until=NOW + timedelta(seconds=9)).unix() == (second, second + 9)
    assert Window(since=NOW + half, until=NOW + timedelta(seconds=9) + half).unix() == (second, second + 10)
