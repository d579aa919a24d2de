"""Rapyd: facts from docs.rapyd.net on refunds, request signatures and webhooks."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta

from refundry.connector import ALWAYS, Connector, Listing, setting
from refundry.errors import AuthenticationError, ConnectorError, MappingError, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Params, Request, Response, WireRequest, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_sent, check_signature, hmac_hex, required_header
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import from_unix

REFUND_EVENTS = ("REFUND_COMPLETED", "PAYMENT_REFUND_FAILED", "PAYMENT_REFUND_REJECTED", "PAYMENT_REFUND_UPDATED")
# Rapyd says it of an identifier that belongs to another account as well.
REFUSED = (AuthenticationError, "check the keys, the environment, and whose refund it is")
UNKNOWN_CODE = "ERROR_GET_"
OLDER, NEWER = "ending_before", "starting_after"


class Rapyd(Connector):
    """Rapyd, by its REST API: cards, bank transfers, cash and wallets."""

    name = "rapyd"
    title = "Rapyd"
    documentation = {
        "refunds": "https://docs.rapyd.net/en/retrieve-refund.html",
        "list": "https://docs.rapyd.net/en/list-refunds.html",
        "signatures": "https://docs.rapyd.net/en/request-signatures.html",
        "webhooks": "https://docs.rapyd.net/en/refund-webhooks.html",
    }
    base_urls = {"api": {"SANDBOX": "https://sandboxapi.rapyd.net", "PRODUCTION": "https://api.rapyd.net"}}
    statuses = {
        "Pending": PENDING,  # waits for the bank, the payment method or the customer
        "Completed": SUCCEEDED,  # the merchant may still cancel it
        "Error": FAILED,  # the payment was not closed, for example
        "Rejected": FAILED,  # by the issuer or the payment method
        "Canceled": FAILED,  # by the merchant
        "Cancelled": FAILED,  # the same in the other spelling: which one answers have is not certain
    }
    any_case = True
    # By code, by how it begins, and where that is unknown, by HTTP status.
    refusals = {
        "UNAUTHENTICATED_API_CALL": REFUSED,
        "UNAUTHORIZED_API_CALL": REFUSED,
        "MISSING_AUTHENTICATION_HEADERS": REFUSED,
        UNKNOWN_CODE: (RefundNotFound, "no such refund in this account and environment"),
        **dict.fromkeys((200, 400), (ConnectorError, "check the identifiers")),
    }
    listing = Listing(basis="created", complete=False, max_page_size=100)
    # Covered by the signature, with no limit documented; nor is it whether a repeated delivery has a time of its own.
    event_tolerance = timedelta(days=7)

    access_key: str = setting(needed_for=ALWAYS, help="Access Key (Developers, Credentials)")
    secret_key: str = setting(secret=True, needed_for=ALWAYS, help="Secret Key, which signs requests and webhooks")
    webhook_url: str = setting(needed_for={"webhook"}, help="The webhook's URL exactly as typed (Developers, Webhooks)")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(url_path("v1", "refunds", query.connector_refund_id))

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(Fields(response.json()).get("data"))

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        params: dict[str, object] = {"limit": window.page_size}
        if cursor is not None:
            direction, _, refund_id = cursor.split("/", 2)
            params[direction] = refund_id
        return self._get("/v1/refunds", params)

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        items = Fields(response.json()).required_items("data")
        if cursor is not None:
            _check_continued(cursor, [_created(item) for item in items])
        full = len(items) >= window.page_size
        return page(items, self._refund, cursor=_next_cursor(items, window) if full else None)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        fields = Fields(response.json())
        code = fields.text("status", "error_code")
        if fields.get("status", "status") != "ERROR" or code is None:
            return None
        unknown = UNKNOWN_CODE if code.startswith(UNKNOWN_CODE) else None
        request_id = fields.text("status", "operation_id")
        return self.refusal(code, unknown, response.status_code, code=code, request_id=request_id)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        salt, sent = required_header(event, "salt"), required_header(event, "timestamp")
        check_sent(event, sent, self.event_tolerance)
        # The address as it was registered, whatever a proxy made of it.
        expected = self._sign(f"{self.webhook_url}{salt}{sent}", event.body)
        check_signature([expected], [required_header(event, "signature")])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        if fields.word("type") not in REFUND_EVENTS:
            return []
        refund = self._refund(fields.get("data"))
        told = refund if refund.connector_status else None
        event_id, occurred_at = fields.text("id"), fields.unix_time("created_at")
        return [RefundEvent(query=refund.query(), refund=told, event_id=event_id, occurred_at=occurred_at)]

    def _get(self, path: str, params: Params = ()) -> Request:
        headers = {"Content-Type": "application/json"}
        return Request("GET", path, params=params, headers=headers, auth=self._authenticate)

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        salt, sent = moment.nonce.replace("-", "")[:16], str(int(moment.now.timestamp()))
        signature = self._sign(f"{request.method.lower()}{request.target}{salt}{sent}", request.body or b"")
        return request.with_headers(
            {"access_key": self.access_key, "salt": salt, "timestamp": sent, "signature": signature}
        )

    def _sign(self, head: str, body: bytes) -> str:
        text = f"{head}{self.access_key}{self.secret_key}".encode(errors="replace") + body
        # Base64 of the digest's hex digits, not of the digest.
        return base64.b64encode(hmac_hex(self.secret_key.encode(), text).encode()).decode()

    def _refund(self, body: object) -> Refund:
        # The "status" beside "data" is the call's: it is SUCCESS however the refund stands.
        fields = Fields(body, where="data")
        return self.refund(
            fields,
            fields.word("status"),
            failure=ErrorInfo.of(code=fields.text("failure_reason")),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("payment"),
            merchant_refund_id=fields.text("merchant_reference_id"),
            refund_amount=fields.decimal_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("reason"),
            created_at=fields.read(_whole_seconds, "created_at"),
            updated_at=fields.read(_whole_seconds, "updated_at"),
        )


def _whole_seconds(value: object) -> datetime:
    if type(value) is not int:
        raise ValueError("the time is not a whole number")
    return from_unix(value)


def _created(item: object) -> int | None:
    created = item.get("created_at") if isinstance(item, dict) else None
    return created if type(created) is int else None


def _next_cursor(items: Sequence[object], window: Window) -> str | None:
    """Where to go on after a full page: by the order that it came in, which the documents leave open."""
    first, last = _created(items[0]), _created(items[-1])
    if first is None or last is None:
        raise MappingError("the page has no times to go on from", field="data.created_at")
    if first >= last and last < window.since.timestamp():
        return None
    return f"{OLDER if first >= last else NEWER}/{last}/{Fields(items[-1]).required('id')}"


def _check_continued(cursor: str, created: Sequence[int | None]) -> None:
    """Raise `MappingError` for a page that goes back: to end there would leave refunds out unseen."""
    direction, bound, _ = cursor.split("/", 2)
    for moment in created:
        if moment is not None and (moment > int(bound) if direction == OLDER else moment < int(bound)):
            raise MappingError("the list does not go on where it stopped", field="data")
