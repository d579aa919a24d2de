"""Klarna: facts from docs.klarna.com on order management, settlements, authentication and rate limits."""

from __future__ import annotations

import json
import re
from typing import Any

from refundry import errors
from refundry.auth import basic_auth, header_auth
from refundry.connector import Connector, Listing, one_of, setting
from refundry.hookspecs import hookimpl
from refundry.http import Params, Request, Response, url_path
from refundry.model import Refund, RefundPage, RefundQuery, Window
from refundry.reading import Fields, asked_refund, page
from refundry.status import SUCCEEDED
from refundry.times import to_iso

HOSTS = {"eu": "api", "na": "api-na", "oc": "api-oc"}
ORDER_STATUSES = ("AUTHORIZED", "PART_CAPTURED", "CAPTURED", "CANCELLED", "EXPIRED", "CLOSED")
REFUNDED = "refunded_at=present"

# Where the reading of payouts stands: payouts whose rows are still to be read, the next row of the first of them, and
# the next payout, None after the last.
FIRST_PAGE = "[[], 0, 0]"


class Klarna(Connector):
    """Klarna, by its Order Management API, which Klarna Payments and Klarna Checkout share."""

    name = "klarna"
    title = "Klarna"
    documentation = {
        "orders and refunds": "https://docs.klarna.com/api/ordermanagement/",
        "settlements": "https://docs.klarna.com/settlement-reports/api",
        "errors": "https://docs.klarna.com/resources/error-details/errors-in-order-management/",
        "authentication": "https://docs.klarna.com/api/authentication",
        "hosts": "https://docs.klarna.com/api/api-urls",
        "rate limits": "https://docs.klarna.com/api/rate-limit/",
    }
    base_urls = {
        "api": {
            "SANDBOX": "https://{api_host}.playground.klarna.com",
            "PRODUCTION": "https://{api_host}.klarna.com",
        }
    }
    statuses = {
        REFUNDED: SUCCEEDED,  # a refund is made or refused at once, and one that was made has the time of it
    }
    unmapped = {
        **dict.fromkeys(ORDER_STATUSES, "a status of the order, which says nothing about one refund"),
        "RETURN": "a row of a payout: its refund is asked for in its order",
        "REVERSAL": "a row of a payout: Klarna took a sale back, and the merchant made no refund",
        "FEE_REFUND": "a row of a payout: Klarna gives a fee back to the merchant",
    }
    refusals = {
        404: (errors.RefundNotFound, "no such order or refund in this account"),
        **dict.fromkeys(
            (401, 403), (errors.AuthenticationError, "check the credentials, their region and environment")
        ),
        **dict.fromkeys((400, 409, 413, 422), (errors.ConnectorError, "check the identifiers and the dates")),
    }
    identifiers = (
        frozenset({"connector_transaction_id", "connector_refund_id"}),
        frozenset({"connector_transaction_id", "merchant_refund_id"}),
    )
    listing = Listing(basis="settled", by_payment=True, complete=False, max_page_size=500)
    credentials = one_of({"username", "password"}, {"api_key"})
    key_prefixes = {
        name: {"SANDBOX": ("klarna_test_api_",), "PRODUCTION": ("klarna_live_api_",)}
        for name in ("password", "api_key")
    }
    rate_limit = {"SANDBOX": 50, "PRODUCTION": 200}
    request_id_header = "Klarna-Correlation-Id"

    username: str | None = setting(default=None, help="Username shown beside the API key, to go with a password")
    password: str | None = setting(secret=True, default=None, help="Password that belongs to the username")
    api_key: str | None = setting(secret=True, default=None, help="Klarna API key, to be sent without a username")
    region: str = setting(default="eu", help="Region of the merchant account: eu, na (North America) or oc")

    def __attrs_post_init__(self) -> None:
        if self.region not in HOSTS:
            raise errors.ConfigurationError(f"the setting region must be {', '.join(HOSTS)}: it decides the host")

    @property
    def api_host(self) -> str:
        """The part of the address that differs between the regions."""
        return HOSTS[self.region]

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        if _is_complete(query):
            return self._order(query.connector_transaction_id, "refunds", query.connector_refund_id or "")
        return self._order(query.connector_transaction_id)

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        answer = Fields(response.json())
        if _is_complete(query):
            return self._refund(answer, query.connector_transaction_id, query.currency)
        refund = asked_refund(
            query,
            answer.required_items("refunds"),
            own_id=lambda item: item.required("refund_id"),
            reference=lambda item: item.text("reference"),
        )
        return self._refund(refund, answer.required("order_id"), answer.text("purchase_currency"))

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            return self._order(window.connector_transaction_id)
        payouts, row, payout = json.loads(cursor or FIRST_PAGE)
        if payouts:
            rows = {"payment_reference": payouts[0], "size": window.page_size, "offset": row}
            return self._get("/settlements/v1/transactions", rows)
        since, until = (to_iso(moment, "seconds") for moment in (window.since, window.until))
        dates = {"start_date": since, "end_date": until}
        return self._get("/settlements/v1/payouts", {**dates, "size": window.page_size, "offset": payout})

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        fields = Fields(response.json())
        if window.connector_transaction_id:
            order_id, currency = fields.required("order_id"), fields.text("purchase_currency")
            return page(fields.required_items("refunds"), lambda item: self._refund(Fields(item), order_id, currency))
        payouts, _, payout = json.loads(cursor or FIRST_PAGE)
        following = _next_offset(fields)
        if payouts:
            payouts = payouts[1:] if following is None else payouts
            return page(
                fields.required_items("transactions"), _returned, cursor=_cursor(payouts, following or 0, payout)
            )
        # Payouts are no refunds; the same helper reads them, so that a bad one costs one.
        found = page(fields.required_items("payouts"), _payout)
        references = [hint.connector_refund_id for hint in found.hints]
        return RefundPage(problems=found.problems, cursor=_cursor(references, 0, following))

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code < 400:
            return None
        status, facts = response.status_code, _error_facts(response)
        code = facts.get("code") or ""
        is_unknown = status in (400, 404) and (code == "NOT_FOUND" or code.startswith("NO_SUCH_"))
        if status == 404 and not is_unknown:
            return None
        return self.refusal(404 if is_unknown else status, **facts)

    def _order(self, order_id: str | None, *rest: str) -> Request:
        return self._get(url_path("ordermanagement", "v1", "orders", order_id, *rest))

    def _get(self, path: str, params: Params = ()) -> Request:
        # A key is complete as it is: nothing is left to encode.
        own = header_auth({"Authorization": f"Basic {self.api_key}"}) if self.api_key else None
        return Request("GET", path, params=params, auth=own or basic_auth(self.username or "", self.password or ""))

    def _refund(self, fields: Fields, order_id: str | None, currency: str | None) -> Refund:
        refunded_at = fields.iso_time("refunded_at")
        return self.refund(
            fields,
            REFUNDED if refunded_at else None,
            connector_refund_id=fields.required("refund_id"),
            connector_transaction_id=order_id,
            merchant_refund_id=fields.text("reference"),
            refund_amount=fields.minor_money("refunded_amount", currency=currency),
            refund_reason=fields.text("description"),
            created_at=refunded_at,
        )


def _is_complete(query: RefundQuery) -> bool:
    """Whether the refund can be asked for by itself: alone it has no currency, and needs its own id."""
    return bool(query.connector_refund_id and query.currency)


def _returned(item: object) -> RefundQuery | None:
    row = Fields(item)
    if row.required("type") != "RETURN":
        return None
    return RefundQuery(connector_refund_id=row.required("refund_id"), connector_transaction_id=row.required("order_id"))


def _payout(item: object) -> RefundQuery:
    return RefundQuery(connector_refund_id=Fields(item).required("payment_reference"))


def _next_offset(fields: Fields) -> int | None:
    if fields.get("pagination", "next") in (None, ""):
        return None
    found = re.search(r"[?&]offset=(\d{1,9})(?![^&])", fields.required("pagination", "next"), re.ASCII)
    if found is None:
        raise errors.MappingError("the link to the next page has no offset", field="pagination.next")
    return int(found[1])


def _cursor(payouts: list[Any], row: int, payout: int | None) -> str | None:
    return json.dumps([payouts, row, payout]) if payouts or payout is not None else None


def _error_facts(response: Response) -> dict[str, Any]:
    """What an error says; nothing for one without a body, as a 401 may be."""
    try:
        fields = Fields(response.json())
    except errors.MappingError:
        return {}
    return {"code": fields.text("error_code"), "request_id": fields.text("correlation_id")}
