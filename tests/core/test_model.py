"""The values that users hold."""

import json
import pickle
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest

from refundry import ErrorInfo, InvalidQuery, Money, Refund, RefundQuery, RefundStatus, Window

MOMENT = datetime(2026, 3, 2, 9, tzinfo=UTC)
EARLIER = timezone(timedelta(hours=-8))


def full_refund() -> Refund:
    return Refund(
        connector_refund_id="re_1",
        merchant_refund_id="order-1",
        connector_transaction_id="pi_1",
        status=RefundStatus.FAILED,
        connector_status="failed",
        error=ErrorInfo(code="declined", message="no"),
        status_code=200,
        response_headers={"x-id": "1"},
        refund_amount=Money(1050, "EUR"),
        payment_amount=5000,
        refund_reason="duplicate",
        created_at=MOMENT,
        updated_at=MOMENT,
        processed_at=MOMENT,
        acquirer_reference_number="7" * 23,
        metadata={"order_id": "1"},
        problems=("x: odd",),
        raw=b'{"card": "secret"}',
    )


def test_to_dict_is_the_documented_shape() -> None:
    shape = full_refund().to_dict()
    assert json.loads(json.dumps(shape)) == {
        "connector_refund_id": "re_1",
        "merchant_refund_id": "order-1",
        "connector_transaction_id": "pi_1",
        "status": "FAILED",
        "connector_status": "failed",
        "error": {"code": "declined", "message": "no"},
        "status_code": 200,
        "response_headers": {"x-id": "1"},
        "refund_amount": {"minor_amount": 1050, "currency": "EUR"},
        "payment_amount": 5000,
        "refund_reason": "duplicate",
        "created_at": 1772442000,
        "updated_at": 1772442000,
        "processed_at": 1772442000,
        "acquirer_reference_number": "7" * 23,
        "metadata": {"order_id": "1"},
        "problems": ["x: odd"],
    }


def test_to_dict_leaves_out_what_is_absent() -> None:
    assert Refund(status=RefundStatus.UNKNOWN).to_dict() == {"status": "UNKNOWN"}


def test_the_raw_body_and_the_headers_stay_out_of_the_repr() -> None:
    assert "secret" not in repr(full_refund())
    assert "x-id" not in repr(full_refund())


def test_values_can_be_pickled() -> None:
    for value in (full_refund(), full_refund().query(), InvalidQuery("no", connector="stripe")):
        copy = pickle.loads(pickle.dumps(value))  # noqa: S301
        assert repr(copy) == repr(value)
        assert str(copy) == str(value)


def test_a_refund_makes_the_query_that_asks_again() -> None:
    assert dict(full_refund().query().items()) == {
        "merchant_refund_id": "order-1",
        "connector_refund_id": "re_1",
        "connector_transaction_id": "pi_1",
        "currency": "EUR",
        "metadata.order_id": "1",
    }


def test_what_a_refund_holds_cannot_be_changed_from_outside() -> None:
    metadata = {"order_id": "1"}
    refund = Refund(status=RefundStatus.PENDING, metadata=metadata)
    metadata["order_id"] = "2"
    assert refund.metadata == {"order_id": "1"}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        refund.status = RefundStatus.SUCCEEDED  # type: ignore[misc]


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), MOMENT.astimezone(EARLIER)])  # noqa: DTZ001
def test_times_are_aware_utc(moment: datetime) -> None:
    with pytest.raises(ValueError, match="created_at"):
        Refund(status=RefundStatus.PENDING, created_at=moment)


def test_only_two_states_are_settled() -> None:
    assert [status.value for status in RefundStatus if status.is_settled] == ["SUCCEEDED", "FAILED"]


def test_a_query_knows_its_alias() -> None:
    assert RefundQuery.of({"refund_id": "re_1"}) == RefundQuery(connector_refund_id="re_1")
    assert RefundQuery.of({"refund_id": "re_1"}).refund_id == "re_1"
    with pytest.raises(InvalidQuery, match="differ"):
        RefundQuery.of({"refund_id": "re_1", "connector_refund_id": "re_2"})
    with pytest.raises(InvalidQuery, match=r"'id'.*connector_refund_id"):
        RefundQuery.of({"id": "re_1"})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "empty"),
        ("a\u2028b", "control"),
        ("\ud800", "control"),
        ("  ", "empty"),
        ("a\nb", "control"),
        ("\x00", "control"),
        ("a" * 513, "longer"),
        (5, "text"),
    ],
)
def test_an_identifier_is_checked_by_name(value: object, reason: str) -> None:
    for name in ("connector_refund_id", "merchant_refund_id", "currency"):
        with pytest.raises(InvalidQuery, match=f"{name}.*{reason}"):
            RefundQuery.of({name: value})
    with pytest.raises(InvalidQuery, match=f"metadata.order.*{reason}"):
        RefundQuery(metadata={"order": value})  # type: ignore[dict-item]


def test_a_no_break_space_is_no_control_character() -> None:
    assert RefundQuery(merchant_refund_id="order\u00a01").merchant_refund_id == "order\u00a01"


def test_a_window_is_half_open() -> None:
    window = Window(since=MOMENT, until=MOMENT.replace(hour=10))
    assert window.covers(MOMENT)
    assert not window.covers(MOMENT.replace(hour=10))
