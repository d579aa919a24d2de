"""Authorize.Net: facts from developer.authorize.net/api/reference and from AuthorizeNet/sdk-java (the schema)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta

from refundry import errors
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Request, Response, WireRequest, parse_json
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_hmac, header_pairs
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED

PATH = "/xml/v1/request.api"
REFUND_TYPE = "refundTransaction"
# The only two words that payments do not share.
REFUND_WORDS = ("refundPendingSettlement", "refundSettledSuccessfully")
# Voids and fraud decisions may concern a payment: a get tells.
REFUND_EVENTS = ("refund.created", "void.created", "fraud.held", "fraud.approved", "fraud.declined")

ACCOUNT = "check api_login_id, transaction_key, environment, and that its Transaction Details API is enabled"
REFUSED_CODES = ("E00005", "E00006", "E00007", "E00008", "E00010", "E00011")
BUSY_CODES = ("E00001", "E00049", "E00053", "E00104")


class AuthorizeDotNet(Connector):
    """Authorize.Net, by its JSON API; a refund is a transaction of its own."""

    name = "authorizedotnet"
    title = "Authorize.Net"
    documentation = {
        "transactions": "https://developer.authorize.net/api/reference/index.html",
        "errors": "https://developer.authorize.net/api/reference/responseCodes.html",
        "webhooks": "https://developer.authorize.net/api/reference/features/webhooks.html",
    }
    base_urls = {"api": {"SANDBOX": "https://apitest.authorize.net", "PRODUCTION": "https://api.authorize.net"}}
    statuses = {
        "refundPendingSettlement": PENDING,  # goes into the next daily batch; may still be voided
        "refundSettledSuccessfully": SUCCEEDED,  # an eCheck may still become "returnedItem"
        "pendingSettlement": PENDING,
        "pendingFinalSettlement": PENDING,
        "updatingSettlement": PENDING,
        "approvedReview": PENDING,  # released by a person, not yet settled
        "couldNotVoid": PENDING,  # the attempt to stop it failed, so it goes on
        "declined": FAILED,
        "generalError": FAILED,
        "communicationError": FAILED,  # the card processor could not be reached
        "settlementError": FAILED,
        "failedReview": FAILED,  # refused by a person
        "expired": FAILED,
        "voided": FAILED,  # stopped before it was settled
        "returnedItem": FAILED,  # the bank sent the eCheck back
        "underReview": MANUAL_REVIEW,
        "FDSPendingReview": MANUAL_REVIEW,  # held by a fraud filter before it was authorized
        "FDSAuthorizedPendingReview": MANUAL_REVIEW,  # held by a fraud filter after
        "authorizedPendingRelease": MANUAL_REVIEW,
    }
    unmapped = {
        "authorizedPendingCapture": "a payment that is not yet captured",
        "capturedPendingSettlement": "a payment that is not yet settled",
        "settledSuccessfully": "a settled payment",
        "chargeback": "a dispute about a payment",
        "chargebackReversal": "a dispute about a payment, taken back",
    }
    refusals = {
        "E00040": (errors.RefundNotFound, "the transaction is not in this account"),
        **dict.fromkeys(REFUSED_CODES, (errors.AuthenticationError, ACCOUNT)),
        **dict.fromkeys(BUSY_CODES, (errors.ProcessorUnavailable, "it could not answer, try again later")),
        "": (errors.ConnectorError, "an identifier is digits alone"),
    }
    listing = Listing(basis="settled", max_days=31, complete=False, max_page_size=1000)
    settles_within = timedelta(days=1)

    api_login_id: str = setting(secret=True, help="API Login ID")
    transaction_key: str = setting(secret=True, help="Transaction Key (16 characters)")
    signature_key: Secrets = signing_secrets(help="Signature Key (128 hexadecimal characters)")
    currency: str | None = setting(default=None, help="The account's currency (ISO 4217), which answers do not carry")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._post("getTransactionDetailsRequest", {"transId": query.connector_refund_id})

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        fields = _accepted(response).at("transaction")
        word, is_typed = fields.word("transactionStatus"), fields.get("transactionType") is not None
        if (is_typed or word not in REFUND_WORDS) and fields.required("transactionType") != REFUND_TYPE:
            raise errors.NotARefund(
                "this transaction is not a refund: give the transId of the refund, not of its payment"
            )
        # What never settles is settled with zero.
        amount = "authAmount" if fields.get("settleAmount") in (None, "", 0) else "settleAmount"
        return self.refund(
            fields,
            word,
            failure=_failure(fields),
            connector_refund_id=fields.required("transId"),
            connector_transaction_id=fields.text("refTransId"),
            merchant_refund_id=fields.text("order", "invoiceNumber"),
            refund_amount=fields.decimal_money(amount, currency=query.currency or self.currency),
            refund_reason=fields.text("order", "description"),
            created_at=fields.iso_time("submitTimeUTC", zone=UTC),
            processed_at=fields.iso_time("batch", "settlementTimeUTC", zone=UTC),
        )

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if cursor is None:
            first, last = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (window.since, window.until))
            return self._post("getSettledBatchListRequest", {"firstSettlementDate": first, "lastSettlementDate": last})
        batches, number = json.loads(cursor)
        # By id: what is new comes last, so earlier pages stay as they were.
        sorting = {"orderBy": "id", "orderDescending": False}
        part = {"sorting": sorting, "paging": {"limit": window.page_size, "offset": number}}
        if batches:
            return self._post("getTransactionListRequest", {"batchId": batches[0], **part})
        return self._post("getUnsettledTransactionListRequest", part)

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        fields = _accepted(response)
        if cursor is None:
            # Batches are no refunds; the same helper reads them, so that a bad one costs one.
            found = page(fields.items("batchList"), lambda item: _named(item, "batchId"))
            ids = [batch.connector_refund_id for batch in found.hints]
            return RefundPage(problems=found.problems, cursor=json.dumps([ids, 1]))
        batches, number = json.loads(cursor)
        items, total = fields.items("transactions"), fields.get("totalNumInResultSet")
        more = len(items) >= window.page_size and not (isinstance(total, int) and number * window.page_size >= total)
        # The next page, or the first one of the next batch, and of what is unsettled after the last batch.
        following = json.dumps([batches, number + 1] if more else [batches[1:], 1])
        return page(items, lambda item: self._hint(item, window), cursor=following if more or batches else None)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        fields = Fields(response.json())
        if fields.get("messages", "resultCode") != "Error":
            return None
        code = fields.first("messages", "message").text("code")
        return self.refusal(code, "", code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        pairs = header_pairs(event, "X-ANET-Signature")
        # The key is the text as shown, not the bytes that its digits stand for.
        given = [signature.lower() for scheme, signature in pairs if scheme.lower() == "sha512"]
        check_hmac(self.signature_key.candidates(), event.body, given, digest="sha512")
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        subject = fields.at("payload")
        kind = (fields.word("eventType") or "").removeprefix("net.authorize.payment.")
        if kind not in REFUND_EVENTS or subject.word("entityName") not in (None, "transaction"):
            return []
        # The body does not say how the refund stands, so there is nothing to believe.
        return [RefundEvent(query=_named(subject.value, "id"), event_id=fields.text("notificationId"))]

    def _post(self, name: str, fields: Mapping[str, object]) -> Request:
        return Request("POST", PATH, json={name: fields}, auth=self._authenticate)

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        ((name, fields),) = parse_json(request.body or b"").items()
        # The order is checked: the credentials must come first.
        credentials = {"name": self.api_login_id, "transactionKey": self.transaction_key}
        return request.with_json({name: {"merchantAuthentication": credentials, **fields}})

    def _hint(self, item: object, window: Window) -> RefundQuery | None:
        fields = Fields(item)
        word = fields.required("transactionStatus")
        # A held transaction may be a payment: the get that follows tells.
        if word not in REFUND_WORDS and self.statuses.get(word) is not MANUAL_REVIEW:
            return None
        submitted = fields.iso_time("submitTimeUTC", zone=UTC)
        if submitted is not None and submitted >= window.until:
            return None
        return _named(item, "transId")


def _accepted(response: Response) -> Fields:
    fields = Fields(response.json())
    if fields.word("messages", "resultCode") != "Ok":
        raise errors.MappingError("messages.resultCode is not Ok", field="messages.resultCode")
    return fields


def _failure(fields: Fields) -> ErrorInfo | None:
    returned = fields.get("returnedItems")
    if isinstance(returned, list) and returned:
        item = Fields({"returnedItem": returned[-1]})
        return ErrorInfo.of(code=item.text("returnedItem", "code"), message=item.text("returnedItem", "description"))
    if fields.text("responseCode") == "1":  # approved: what came later has no code
        return None
    return ErrorInfo.of(code=fields.text("responseReasonCode"), message=fields.text("responseReasonDescription"))


def _named(item: object, name: str) -> RefundQuery:
    return RefundQuery(connector_refund_id=Fields(item).required(name))
