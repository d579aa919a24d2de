"""Authorize.Net's side, for the sandbox: the inverse of the mapping in `refundry_authorizedotnet.connector`."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, unknown_call
from refundry.signing import hmac_hex
from refundry.status import MANUAL_REVIEW
from refundry.times import from_iso, to_iso
from refundry.writing import decimal_of, filled, iso_of
from refundry_authorizedotnet.connector import PATH, REFUND_TYPE, AuthorizeDotNet

JSON = "application/json; charset=utf-8"
SETTLED = "refundSettledSuccessfully"
EVENTS = {
    "voided": "void.created",
    "underReview": "fraud.held",
    "FDSPendingReview": "fraud.held",
    "FDSAuthorizedPendingReview": "fraud.held",
    "approvedReview": "fraud.approved",
    "failedReview": "fraud.declined",
}


def _answer(
    facts: Mapping[str, object], result: str = "Ok", code: str = "I00001", text: str = "Successful."
) -> Response:
    messages = {"resultCode": result, "message": [{"code": code, "text": text}]}
    # Every answer begins with a byte order mark.
    body = BOM_UTF8 + encode_json({**facts, "messages": messages})
    return Response(200, {"Content-Type": JSON}, body)


def _error(code: str, text: str) -> Response:
    return _answer({}, "Error", code, text)


class AuthorizeDotNetSandbox(ConnectorSandbox[AuthorizeDotNet]):
    """Authorize.Net, as its API reference and the schema in its SDKs describe its answers."""

    settings = {
        "api_login_id": "8kSandboxLogin",
        "transaction_key": "4rSandboxKey7x2Q",
        "signature_key": "5EC0DE0F5A2DB0C5" * 8,
        "currency": "USD",
    }
    refund_ids = "401{:08}"
    payment_ids = "402{:08}"
    lives = {
        "settles": ("refundPendingSettlement", SETTLED),
        "fails": ("refundPendingSettlement", "settlementError"),
        "returned": (SETTLED, "returnedItem"),
        "held": ("FDSPendingReview",),
        "cancelled": ("refundPendingSettlement", "voided"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
        "refund_reason",
        "processed_at",
    }
    currency = "USD"
    errors = {
        AuthenticationError: _error("E00007", "authentication failed"),
        RefundNotFound: _error("E00040", "no such record"),
        RateLimited: Response(429),
        ProcessorUnavailable: _error("E00053", "too busy"),
        RefundryError: _error("E00003", "the request is not valid"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        _, fields = _operation(call)
        ours = {"name": self.connector.api_login_id, "transactionKey": self.connector.transaction_key}
        if next(iter(fields), None) != "merchantAuthentication":
            raise RefundryError("merchantAuthentication must come first", code="E00003")
        if fields["merchantAuthentication"] != ours:
            raise AuthenticationError("the login or the key is wrong", code="E00007")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        if (call.method, call.path) != ("POST", PATH):
            raise unknown_call()
        match _operation(call):
            case "getTransactionDetailsRequest", {"transId": str(transaction)}:
                return self.render_refund(book.refund(transaction))
            case "getSettledBatchListRequest", {"firstSettlementDate": first, "lastSettlementDate": last}:
                return _render_batches(_batches(book), from_iso(first), from_iso(last))
            case "getTransactionListRequest", {"batchId": str(batch), "paging": paging}:
                return _render_page(_batches(book).get(batch, []), **paging)
            case "getUnsettledTransactionListRequest", {"paging": paging}:
                return _render_page([one for one in book.listed() if one.connector_status != SETTLED], **paging)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _answer({"transaction": _transaction(refund)})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        payload = {
            "responseCode": 4 if self.connector.statuses.get(word) is MANUAL_REVIEW else 1,
            "authAmount": decimal_of(refund),
            "entityName": "transaction",
            "id": refund.connector_refund_id,
        }
        envelope = {
            "notificationId": moment.nonce,
            "eventType": f"net.authorize.payment.{EVENTS.get(word, 'refund.created')}",
            "eventDate": to_iso(moment.now),
            "webhookId": "refundry-sandbox",
            "payload": filled(payload),
        }
        body, key = encode_json(envelope), self.connector.signature_key.candidates()[0]
        signature = hmac_hex(key.encode(), body, "sha512").upper()
        return json_event(body, moment, {"Content-Type": JSON, "X-ANET-Signature": f"sha512={signature}"})


def _operation(call: Call) -> tuple[str, dict[str, Any]]:
    match call.json():
        case dict() as body if len(body) == 1 and isinstance(fields := next(iter(body.values())), dict):
            return next(iter(body)), fields
        case _:
            raise RefundryError("a request is one object within an object", code="E00003")


def _transaction(refund: Refund) -> dict[str, Any]:
    order = {"invoiceNumber": refund.merchant_refund_id, "description": refund.refund_reason}
    shape = {
        "transId": refund.connector_refund_id,
        "refTransId": refund.connector_transaction_id,
        "submitTimeUTC": iso_of(refund.created_at),
        "transactionType": REFUND_TYPE,
        "transactionStatus": refund.connector_status,
        **_reason(refund),
        "batch": _settlement(refund) if refund.processed_at else None,
        "order": filled(order) or None,
        "authAmount": decimal_of(refund),
        "settleAmount": 0 if refund.connector_status == "voided" else decimal_of(refund),
    }
    return filled(shape)


def _reason(refund: Refund) -> dict[str, Any]:
    approved = {"responseCode": 1, "responseReasonCode": 1, "responseReasonDescription": "Approval"}
    error = refund.error
    if error is None:
        return approved
    if refund.connector_status == "returnedItem":
        return {**approved, "returnedItems": [filled({"code": error.code, "description": error.message})]}
    return {"responseCode": 2, "responseReasonCode": error.code, "responseReasonDescription": error.message}


def _settlement(refund: Refund) -> dict[str, str]:
    moment = _settled_at(refund)
    # One batch a day.
    batch = str(moment.toordinal())
    return {"batchId": batch, "settlementTimeUTC": to_iso(moment), "settlementState": "settledSuccessfully"}


def _settled_at(refund: Refund) -> datetime:
    return refund.processed_at or refund.created_at or datetime.min.replace(tzinfo=UTC)


def _batches(book: Book) -> dict[str, list[Refund]]:
    batches: dict[str, list[Refund]] = {}
    for refund in sorted(book.listed(), key=_settled_at, reverse=True):
        if refund.connector_status == SETTLED:
            batches.setdefault(_settlement(refund)["batchId"], []).append(refund)
    return batches


def _render_batches(batches: dict[str, list[Refund]], first: datetime, last: datetime) -> Response:
    # A batch is settled when its last refund is.
    newest = [refunds[0] for refunds in batches.values()]
    shown = [_settlement(refund) for refund in newest if first <= _settled_at(refund) <= last]
    return _answer({"batchList": shown} if shown else {})


def _render_page(refunds: list[Refund], *, limit: int, offset: int) -> Response:
    shown = [_item(refund) for refund in refunds[(offset - 1) * limit : offset * limit]]
    return _answer({**({"transactions": shown} if shown else {}), "totalNumInResultSet": len(refunds)})


def _item(refund: Refund) -> dict[str, Any]:
    facts = {**_transaction(refund), "invoiceNumber": refund.merchant_refund_id}
    names = ("transId", "submitTimeUTC", "transactionStatus", "invoiceNumber", "settleAmount")
    return filled({name: facts.get(name) for name in names})
