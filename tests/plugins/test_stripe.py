"""Stripe keeps the contract, and what is particular to it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from refundry.errors import MappingError
from refundry.http import Event, Response
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundQuery, Window
from refundry.plugins import connector_hooks
from refundry.testing import ConnectorContract
from refundry_stripe import Stripe


class TestStripe(ConnectorContract):
    connector = Stripe
    documented = {"pending", "requires_action", "succeeded", "failed", "canceled"}  # docs.stripe.com/api/refunds/object


def mapped(**fields: object) -> Refund:
    body = {"id": "re_our17", "object": "refund", "status": "failed", "failure_reason": "declined", **fields}
    response = Response(200, {}, json.dumps(body).encode())
    refund = connector_hooks(Stripe(api_key="sk_test_ours")).map_refund(RefundQuery(), response, ())
    assert isinstance(refund, Refund)
    return refund


@pytest.mark.parametrize(
    ("details", "network_code"),
    [
        *(({"type": method, method: {"network_decline_code": "N17"}}, "N17") for method in ("blik", "paypal", "swish")),
        ({"type": "swish", "swish": {"network_decline_code": None}}, None),
        ({"type": "swish", "swish": {}}, None),
        ({"type": "card", "card": {"type": "refund"}}, None),
        (None, None),
    ],
)
def test_a_network_says_by_its_own_code_why_it_declined(details: Any, network_code: str | None) -> None:
    refund = mapped(destination_details=details)
    assert refund.error == ErrorInfo(code="declined", network_code=network_code)
    assert refund.problems == ()


@pytest.mark.parametrize("more", [{}, {"has_more": None}, {"has_more": "true"}])
def test_a_list_that_does_not_say_whether_more_follows_is_no_whole_one(more: dict[str, object]) -> None:
    window = Window(since=datetime(2026, 3, 1, tzinfo=UTC), until=datetime(2026, 3, 2, tzinfo=UTC))
    response = Response(200, {}, json.dumps({"object": "list", "data": [], **more}).encode())
    with pytest.raises(MappingError, match="has_more"):
        connector_hooks(Stripe(api_key="sk_test_ours")).map_refunds(window, None, response)


@pytest.mark.parametrize(
    ("own", "account", "foreign"),
    [
        (None, None, False),
        (None, "acct_theirs", True),
        ("acct_ours", "acct_ours", False),
        ("acct_ours", "acct_theirs", True),
        ("acct_ours", None, True),
    ],
)
def test_an_event_of_another_account_is_foreign(own: str | None, account: str | None, foreign: bool) -> None:
    refund = {"id": "re_our17", "object": "refund", "status": "pending"}
    body = {"id": "evt_1", "type": "refund.updated", "account": account, "data": {"object": refund}}
    event = Event(body=json.dumps(body).encode(), received_at=datetime(2026, 3, 1, tzinfo=UTC))
    (one,) = connector_hooks(Stripe(stripe_account=own)).map_event(event)
    assert isinstance(one, RefundEvent)
    assert one.foreign is foreign


def test_the_rate_is_that_of_the_one_endpoint_that_a_get_asks() -> None:
    # docs.stripe.com/rate-limits: 100 requests a second in live mode, and by default 25 for each endpoint.
    assert set(Stripe.rate_limit.values()) == {25}
