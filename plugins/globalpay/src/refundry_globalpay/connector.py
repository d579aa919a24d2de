"""Global Payments: facts from globalpayments/php-sdk and globalpayments/java-sdk."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from refundry.auth import token_auth
from refundry.connector import ALWAYS, Connector, Listing, setting
from refundry.errors import AuthenticationError, ConnectorError, NotARefund, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Params, Request, Response, Token, WireRequest, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_signature, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED

VERSION = "2021-03-22"
APPROVED = "00"
LONGEST_LIFETIME = 604_800
UNSAID_LIFETIME = 300


class GlobalPay(Connector):
    """Global Payments, by its Unified Commerce Platform (GP-API), where a refund is a transaction of its own."""

    name = "globalpay"
    title = "Global Payments"
    documentation = {
        "API": "https://developer.globalpayments.com",
        "transactions and errors": "https://github.com/globalpayments/php-sdk",
        "statuses": "https://github.com/globalpayments/java-sdk",
    }
    base_urls = {
        "api": {
            "SANDBOX": (
                "https://apis.sandbox.{region}.globalpay.com/ucp",
                "https://apis.sandbox.globalpay.com/ucp",
            ),
            "PRODUCTION": ("https://apis.{region}.globalpay.com/ucp", "https://apis.globalpay.com/ucp"),
        }
    }
    statuses = {
        "INITIATED": PENDING,
        "PENDING": PENDING,
        "AUTHENTICATED": PENDING,  # of all transactions, and not expected of a refund
        "FOR_REVIEW": MANUAL_REVIEW,  # in none of Global Payments' sources, and expected by hyperswitch-prism
        "CAPTURED": SUCCEEDED,  # accepted, waits for the next batch and may still be reversed
        "BATCHED": SUCCEEDED,  # in a settlement batch
        "FUNDED": SUCCEEDED,  # settled
        "DECLINED": FAILED,  # by the issuer or by Global Payments
        "REJECTED": FAILED,  # when the batch was settled
        "REVERSED": FAILED,  # taken back before it was settled
    }
    unmapped = {
        "PREAUTHORIZED": "a payment that waits for its capture",
        "FAILED": "hyperswitch-prism alone expects it, and a failure that nobody documents is not believed",
    }
    # By error_code: HTTP statuses are not documented for them.
    refusals = {
        "RESOURCE_NOT_FOUND": (RefundNotFound, "no such transaction in this account and environment"),
        "NOT_AUTHENTICATED": (AuthenticationError, "the access token is missing, expired or revoked"),
        "ACTION_NOT_AUTHORIZED": (AuthenticationError, "check app_id, app_key, the account and the app's permissions"),
        "MANDATORY_DATA_MISSING": (ConnectorError, "a part of the request is missing"),
        "INVALID_REQUEST_DATA": (ConnectorError, "check the identifiers"),
        "": (ConnectorError, "the answer holds an error"),
    }
    listing = Listing(basis="created", max_page_size=100)

    app_id: str = setting(help="App ID, under Apps in the developer portal")
    app_key: str = setting(secret=True, needed_for=ALWAYS, help="App Key of the same app, which also signs webhooks")
    region: str | None = setting(default=None, help='"eu" for an account with data residency in the EU')
    merchant_id: str | None = setting(default=None, help="Merchant (MER_...) to ask on behalf of, for partners")
    account_name: str | None = setting(
        default=None, needed_for={"list"}, help="Transaction processing account to list, if the app has several"
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(query.connector_refund_id or "")

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(response.json())

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        # Whole days, of which is not said where they begin and whether the last one counts; the client leaves out what
        # is outside.
        asked = window.widened(timedelta(days=1))
        params = {
            "type": "REFUND",
            "from_time_created": f"{asked.since:%Y-%m-%d}",
            "to_time_created": f"{asked.until:%Y-%m-%d}",
            "order_by": "TIME_CREATED",
            "order": "ASC",
            "page": cursor or 1,
            "page_size": window.page_size,
            "account_name": self.account_name,
        }
        return self._get(params=params)

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        fields = Fields(response.json())
        items, number = fields.required_items("transactions"), int(cursor or 1)
        total = fields.text("total_record_count") or fields.text("total_count")
        # Pages may be shorter than asked for.
        size = fields.text("paging", "page_size") or str(window.page_size)
        is_last = not items or (_is_number(total) and _is_number(size) and number * int(size) >= int(total or 0))
        return page(items, self._refund, cursor=None if is_last else str(number + 1))

    @hookimpl
    def fetch_token(self) -> Request:
        body = {"grant_type": "client_credentials"}
        return Request("POST", "/accesstoken", headers={"X-GP-Version": VERSION}, json=body, auth=self._log_in)

    @hookimpl
    def map_token(self, response: Response) -> Token:
        fields = Fields(response.json())
        seconds = fields.get("seconds_to_expire")
        usable = type(seconds) is int and 0 < seconds <= LONGEST_LIFETIME
        return Token(value=fields.required("token"), lifetime=timedelta(seconds=seconds if usable else UNSAID_LIFETIME))

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code == 429 or response.status_code >= 500:
            return None
        fields = Fields(response.json())
        kind = fields.text("error_code")
        other = "" if kind and response.status_code < 300 else None
        return self.refusal(kind, other, code=fields.text("detailed_error_code") or kind)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        expected = _digest(event.body, self.app_key)
        check_signature([expected], [required_header(event, "X-GP-Signature").lower()])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        body = event.json()
        if Fields(body).word("type") != "REFUND":
            return []
        return [RefundEvent(refund=self._refund(body))]

    def _log_in(self, request: WireRequest, moment: Moment) -> WireRequest:
        secret = _digest(moment.nonce.encode(), self.app_key)
        facts = {"app_id": self.app_id, "nonce": moment.nonce, "secret": secret}
        return request.with_json({**facts, "grant_type": "client_credentials"})

    def _get(self, *transaction: str, params: Params = ()) -> Request:
        partner = ("merchants", self.merchant_id) if self.merchant_id else ()
        path = url_path(*partner, "transactions", *transaction)
        return Request("GET", path, params=params, headers={"X-GP-Version": VERSION}, auth=token_auth)

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        if fields.required("type") != "REFUND":
            raise NotARefund("this id belongs to a transaction that is no refund, probably to the payment")
        refund_id, payment = fields.required("id"), fields.text("parent_resource_id")
        return self.refund(
            fields,
            fields.word("status"),
            failure=_failure(fields),
            connector_refund_id=refund_id,
            # A transaction without a parent names itself.
            connector_transaction_id=payment if payment != refund_id else None,
            merchant_refund_id=fields.text("reference"),
            refund_amount=fields.minor_money("amount", currency=fields.text("currency")),
            refund_reason=fields.text("description"),
            created_at=fields.iso_time("time_created"),
            updated_at=fields.iso_time("time_last_updated"),
            acquirer_reference_number=fields.text("payment_method", "card", "arn"),
        )


def _failure(fields: Fields) -> ErrorInfo | None:
    code = fields.text("payment_method", "result")
    # A refund that was approved first and failed later keeps what was said then.
    return None if code == APPROVED else ErrorInfo.of(code=code, message=fields.text("payment_method", "message"))


def _digest(text: bytes, key: str) -> str:
    """Global Payments' signature: a plain hash with the key at the end."""
    return hashlib.sha512(text + key.encode()).hexdigest()


def _is_number(text: str | None) -> bool:
    return text is not None and text.isascii() and text.isdigit() and len(text) < 16
