"""BlueSnap's side, for the sandbox: the inverse of the mapping in `refundry_bluesnap.connector`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_query
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import currency_of, decimal_of, filled
from refundry_bluesnap.connector import REPORT_ZONE, BlueSnap


def _error(status_code: int, name: str, description: str) -> Response:
    facts = {"errorName": name, "code": "20000", "description": description}
    return json_response({"message": [facts]}, status_code)


class BlueSnapSandbox(ConnectorSandbox[BlueSnap]):
    """BlueSnap, as developers.bluesnap.com describes its answers and support.bluesnap.com its webhooks."""

    settings = {
        "api_username": "API_refundry_sandbox",
        "api_password": "RefundrySandboxPassword1",
        "webhook_key": "refundry-sandbox-webhook-key",
    }
    refund_ids = "10{:08}"
    payment_ids = "20{:08}"
    lives = {
        "settles": ("PENDING", "SUCCESS"),
        "fails": ("PENDING", "FAIL"),
        "held": ("PENDING_MERCHANT_REVIEW", "SUCCESS"),
    }
    expressible = (ConnectorSandbox.expressible - {"created_at"}) | {"merchant_refund_id"}
    currency = "USD"
    errors = {
        AuthenticationError: Response(401),
        RefundNotFound: _error(403, "USER_NOT_AUTHORIZED", "The user may not see this transaction"),
        RateLimited: _error(429, "TOO_MANY_REQUESTS", "The request rate is too high"),
        ProcessorUnavailable: _error(503, "SERVER_GENERAL_FAILURE", "The service is not available"),
        RefundryError: _error(400, "INVALID_TRANSACTION_ID", "The transaction id is not valid"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", basic_credentials(self.connector.api_username, self.connector.api_password))

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "services", "2", "transactions", transaction_id:
                return self._transaction(transaction_id, book)
            case "GET", "services", "2", "alt-transactions", payment_id:
                return json_response(_payment(payment_id, book))
            case "GET", "services", "2", "report", "TransactionDetail":
                return _report(call.params, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        facts = {
            "cardTransactionType": "REFUND",
            "transactionId": refund.connector_refund_id,
            "merchantTransactionId": refund.merchant_refund_id,
            **_amount(refund),
            "processingInfo": {"processingStatus": refund.connector_status},
        }
        return json_response(filled(facts))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        fields = {
            "transactionType": "PENDING_REFUND" if refund.connector_status == "PENDING" else "REFUND",
            "referenceNumber": refund.connector_transaction_id,
            "reversalRefNum": refund.connector_refund_id,
            "merchantTransactionId": refund.merchant_refund_id,
            "invoiceChargeAmount": decimal_of(refund),
            "invoiceChargeCurrency": currency_of(refund),
        }
        body, sent = encode_query(fields).encode(), f"{moment.now:%Y-%m-%d %H:%M:%S}.000"
        signature = hmac_hex(self.connector.webhook_key.every()[0].encode(), sent.encode() + body)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "bls-ipn-timestamp": sent}
        return Event(headers={**headers, "bls-signature": signature}, body=body, received_at=moment.now)

    def _transaction(self, transaction_id: str, book: Book) -> Response:
        try:
            return self.render_refund(book.refund(transaction_id))
        except RefundNotFound:
            return json_response({"cardTransactionType": "AUTH_CAPTURE", **_payment(transaction_id, book)})


def _amount(refund: Refund) -> dict[str, Any]:
    amount = refund.refund_amount
    return {"amount": amount.decimal, "currency": amount.currency} if amount else {}


def _payment(payment_id: str, book: Book) -> dict[str, Any]:
    items = [
        {
            "refundTransactionId": int(refund.connector_refund_id or 0),
            "refundStatus": refund.connector_status,
            "reason": refund.refund_reason,
            **_amount(refund),
        }
        for refund in book.of_payment(payment_id)
    ]
    return {"transactionId": payment_id, "refunds": {"refund": items}}


def _report(params: dict[str, str], book: Book) -> Response:
    token = params.get("nextPageToken") or "{from_date} {to_date} {pageSize} 0".format_map(params)
    since, until, size, start = token.split()
    days = [datetime.strptime(day, "%m/%d/%Y").replace(tzinfo=REPORT_ZONE) for day in (since, until)]
    refunds = [
        refund
        for refund in book.listed()
        if not refund.created_at or days[0] <= refund.created_at < days[1] + timedelta(days=1)
    ]
    end = int(start) + int(size)
    headers = {"total-row-count": str(len(refunds)), "start-row": str(int(start) + 1)}
    if end < len(refunds):
        headers["next-page-token"] = f"{since} {until} {size} {end}"
    return json_response({"data": [_row(refund) for refund in refunds[int(start) : end]]}, headers=headers)


def _row(refund: Refund) -> dict[str, str]:
    amount = refund.refund_amount
    return {
        "Invoice ID": refund.connector_refund_id or "",
        "Original Invoice ID": refund.connector_transaction_id or "",
        "Merchant Transaction ID": refund.merchant_refund_id or "",
        "Transaction Type": "Refund",
        "Payment Type": "Credit Card",
        "Auth. Currency": amount.currency if amount else "",
        "Merchant Sales (Auth Currency)": str(amount.decimal) if amount else "",
    }
