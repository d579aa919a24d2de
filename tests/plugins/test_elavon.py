"""Elavon keeps the contract, and what is particular to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    MappingError,
    NotARefund,
    ProcessorUnavailable,
    RefundNotFound,
    RefundryError,
)
from refundry.http import Moment, Response, parse_form
from refundry.model import FAILED, SUCCEEDED, UNKNOWN, ErrorInfo, Money, Refund, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract, Wiring
from refundry_elavon import Elavon

KEYS: dict[str, Any] = {"merchant_id": "0098765", "user_id": "our<api>&user", "pin": "OUR OWN PIN"}
REFUND_ID = "040326A15-0A0B0C0D-1111-4222-8333-444455556666"
FIELDS = {
    "ssl_txn_id": REFUND_ID,
    "ssl_merchant_txn_id": "return-17",
    "ssl_trans_status": "STL",
    "ssl_transaction_type": "RETURN",
    "ssl_txn_time": "03/04/2026 12:06:07 AM",
    "ssl_settle_time": "03/05/2026 12:30:00 PM",
    "ssl_amount": ".37",
    "ssl_transaction_currency": "CAD",
    "ssl_result_message": "APPROVAL",
}
WINDOW = Window(since=datetime(2026, 3, 4, 12, tzinfo=UTC), until=datetime(2026, 3, 5, tzinfo=UTC))


class TestElavon(ConnectorContract):
    connector = Elavon
    # The statuses of poynt/ElavonConvergeProcessor, and the type of a void.
    documented = {"STL", "OPN", "PEN", "REV", "PST", "FPR", "PRE", "DELETE"}


def txn(**changes: str | None) -> str:
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not None}
    return f"<txn>{''.join(f'<{name}>{value}</{name}>' for name, value in fields.items())}</txn>"


def txnlist(*items: str, count: object = None) -> str:
    return f"<txnlist><ssl_txn_count>{len(items) if count is None else count}</ssl_txn_count>{''.join(items)}</txnlist>"


def mapped(body: str, query: dict[str, str] | None = None, **settings: Any) -> Refund:
    asked = RefundQuery.of({"connector_refund_id": REFUND_ID, **(query or {})})
    hooks = connector_hooks(Elavon(**KEYS, **settings))
    refund = hooks.map_refund(asked, Response(200, {}, body.encode()), ())
    assert isinstance(refund, Refund)
    return refund


@pytest.mark.parametrize("body", [txn(), txnlist(txn()), txnlist(txn(ssl_txn_id="another"), txn())])
def test_a_whole_answer_of_either_form(body: str) -> None:
    assert mapped(body) == Refund(
        connector_refund_id=REFUND_ID,
        merchant_refund_id="return-17",
        status=SUCCEEDED,
        connector_status="STL",
        refund_amount=Money(37, "CAD"),
        created_at=datetime(2026, 3, 4, 0, 6, 7, tzinfo=UTC),
        processed_at=datetime(2026, 3, 5, 12, 30, tzinfo=UTC),
    )


def test_the_credentials_go_into_the_xml_and_into_nothing_else() -> None:
    request = connector_hooks(Elavon(**KEYS)).fetch_refund(RefundQuery(connector_refund_id="a<b>&c"))
    plain = request.to_wire().body or b""
    assert b"ssl_pin" not in plain
    assert request.auth is not None
    wire = request.auth(request.to_wire(), Moment(now=datetime(2026, 1, 1, tzinfo=UTC), nonce="1"))
    assert parse_form(wire.body or b"") == {
        "xmldata": "<txn><ssl_merchant_id>0098765</ssl_merchant_id><ssl_user_id>our&lt;api&gt;&amp;user</ssl_user_id>"
        "<ssl_pin>OUR OWN PIN</ssl_pin><ssl_transaction_type>txnquery</ssl_transaction_type>"
        "<ssl_time_zone_response_utc>Y</ssl_time_zone_response_utc><ssl_txn_id>a&lt;b&gt;&amp;c</ssl_txn_id></txn>"
    }


def test_a_vendor_id_is_sent_where_there_is_one() -> None:
    request = connector_hooks(Elavon(**KEYS, vendor_id="ours")).fetch_refund(RefundQuery(connector_refund_id="1"))
    assert request.auth is not None
    wire = request.auth(request.to_wire(), Moment(now=datetime(2026, 1, 1, tzinfo=UTC), nonce="1"))
    assert "<ssl_vendor_id>ours</ssl_vendor_id>" in parse_form(wire.body or b"")["xmldata"]


@pytest.mark.parametrize("kind", ["SALE", "AUTHONLY", "FORCE", "return", "CCRETURN"])
def test_another_type_is_no_refund(kind: str) -> None:
    with pytest.raises(NotARefund):
        mapped(txn(ssl_transaction_type=kind))


def test_a_void_is_neither_success_nor_failure() -> None:
    refund = mapped(txn(ssl_transaction_type="DELETE"))
    assert (refund.status, refund.connector_status) == (UNKNOWN, "DELETE")


@pytest.mark.parametrize("word", ["stl", "PND", "", None])
def test_an_undocumented_status_is_unknown(word: str | None) -> None:
    refund = mapped(txn(ssl_trans_status=word, ssl_result="0"))
    assert (refund.status, refund.connector_status) == (UNKNOWN, word or None)


def test_the_terminals_currency_serves_where_the_answer_has_none() -> None:
    body = txn(ssl_transaction_currency=None)
    assert mapped(body, query={"currency": "USD"}).refund_amount == Money(37, "USD")
    assert mapped(body, currency="CAD").refund_amount == Money(37, "CAD")
    refund = mapped(body)
    assert (refund.refund_amount, len(refund.problems)) == (None, 1)


def test_the_invoice_number_serves_where_there_is_no_merchant_id() -> None:
    assert mapped(txn(ssl_merchant_txn_id=None, ssl_invoice_number="inv-17")).merchant_refund_id == "inv-17"


def test_a_failed_refund_says_why() -> None:
    assert mapped(txn(ssl_trans_status="FPR", ssl_result_message="DECLINED")).error == ErrorInfo(message="DECLINED")
    refund = mapped(txn(ssl_trans_status="PST"))
    assert (refund.status, refund.error) == (FAILED, None)


@pytest.mark.parametrize("time", ["2026-03-04 15:06:07", "03/04/2026 13:06:07 PM", "03/04/2026", "soon"])
def test_an_odd_time_is_reported(time: str) -> None:
    refund = mapped(txn(ssl_txn_time=time))
    assert (refund.created_at, len(refund.problems)) == (None, 1)


@pytest.mark.parametrize(
    "body",
    [
        "<txn/>",
        "<txnlist/>",
        "<html><body>Converge</body></html>",
        txn(ssl_txn_id="another"),
        txn(ssl_txn_id=None),
        txn(ssl_transaction_type=None),
        txnlist(txn(), count=2),
        txnlist(txn(), count=""),
        txnlist("<txn>1</txn>"),
        f"<txnlist>{txn()}</txnlist>",
    ],
)
def test_what_is_no_complete_answer_is_a_mapping_error(body: str) -> None:
    with pytest.raises(MappingError):
        mapped(body)


@pytest.mark.parametrize("body", [txnlist(), "<txn><ssl_txn_count>0</ssl_txn_count></txn>"])
def test_an_empty_list_is_not_found(body: str) -> None:
    with pytest.raises(RefundNotFound):
        mapped(body)


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (("4025", "4000", "4013", "4019", "4014", "4016"), AuthenticationError),
        (("5040",), RefundNotFound),
        (("4017", "4022", "3000", "3001", "3002", "3003"), ProcessorUnavailable),
        (("4009", "4010", "5091", "9999", ""), ConnectorError),
    ],
)
def test_an_error_comes_with_http_200_and_a_code(codes: tuple[str, ...], kind: type[RefundryError]) -> None:
    for code in codes:
        body = f"<txn><errorCode>{code}</errorCode><errorMessage>told by the merchant</errorMessage></txn>"
        error = connector_hooks(Elavon(**KEYS)).map_error(Response(200, {}, body.encode()))
        assert type(error) is kind
        assert error.code == (code or None)
        assert "told" not in str(error)


def test_a_list_asks_day_by_day_and_a_day_more_on_either_side() -> None:
    wiring = Wiring(Elavon)
    list(wiring.client().list(since=wiring.clock.now() - timedelta(days=2)))
    bodies: list[Any] = [request.body for request in wiring.sent]
    asked = [parse_form(body)["xmldata"] for body in bodies]
    first = wiring.clock.now() - timedelta(days=3)
    assert len(asked) == 5
    for number, query in enumerate(asked):
        day = f"{first + timedelta(days=number):%m/%d/%Y}"
        assert f"<ssl_search_start_date>{day} 12:00:00 AM</ssl_search_start_date>" in query
        assert f"<ssl_search_end_date>{day} 11:59:59 PM</ssl_search_end_date>" in query


def test_a_list_leaves_out_what_is_no_return() -> None:
    items = txn(ssl_transaction_type="SALE"), txn(), txn(ssl_transaction_type="DELETE"), "<txn><odd>1</odd></txn>"
    page = connector_hooks(Elavon(**KEYS)).map_refunds(WINDOW, None, Response(200, {}, txnlist(*items).encode()))
    assert [one.connector_refund_id for one in page.refunds] == [REFUND_ID]
    assert (len(page.problems), page.cursor) == (1, "2026-03-04")
