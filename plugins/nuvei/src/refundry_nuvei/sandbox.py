"""Nuvei's side, for the sandbox: the inverse of the mapping in `refundry_nuvei.connector`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_query
from refundry.model import Refund
from refundry.reading import Fields
from refundry.sandbox import Book, Call, ConnectorSandbox, json_response, unknown_call
from refundry.writing import currency_of, filled
from refundry_nuvei.connector import SIGNED, SIGNED_DMN, Nuvei


class NuveiSandbox(ConnectorSandbox[Nuvei]):
    """Nuvei, as docs.nuvei.com describes its answers and DMNs."""

    settings = {
        "merchant_id": "900000017",
        "merchant_site_id": "900117",
        "merchant_secret_key": "RefundrySandboxMerchantSecretKey",
    }
    refund_ids = "71{:08}"
    payment_ids = "11{:08}"
    lives = {
        "settles": ("PENDING", "APPROVED"),
        "fails": ("PENDING", "DECLINED"),
        "cancelled": ("PENDING", "CANCELED"),
    }
    expressible = (ConnectorSandbox.expressible - {"created_at"}) | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        fields = Fields(call.json())
        signed = "".join(fields.text(name) or "" for name in SIGNED) + self.connector.merchant_secret_key
        if fields.text("checksum") != self.connector.digest(signed):
            raise AuthenticationError("the checksum does not fit", code="1001")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "getTransactionDetails.do":
                return self.render_refund(book.refund(Fields(call.json()).text("transactionId")))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(self._envelope("SUCCESS", 0, "", transactionDetails=_details(refund)))

    @hookimpl
    def render_error(self, error: RefundryError) -> Response:
        match error:
            case AuthenticationError():
                return self._error(1001, "Invalid checksum")
            case RefundNotFound():
                return self._error(9146, "No transaction details returned for the provided ID")
            case RateLimited():
                return Response(429)
            case ProcessorUnavailable():
                return self._error(1038, "Communication error")
            case _:
                return self._error(1019, "Validation Error")

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        amount = refund.refund_amount
        fields = {
            "merchant_id": self.connector.merchant_id,
            "merchant_site_id": self.connector.merchant_site_id,
            "transactionType": "Credit",
            "TransactionID": refund.connector_refund_id,
            "relatedTransactionId": refund.connector_transaction_id,
            "clientUniqueId": refund.merchant_refund_id,
            "Status": refund.connector_status,
            "totalAmount": str(amount.decimal) if amount else None,
            "currency": currency_of(refund),
            "PPP_TransactionID": "31000017",
            "productId": "NA",
            "responseTimeStamp": _time(moment.now),
        }
        signed = self.connector.merchant_secret_key + "".join(fields[name] or "" for name in SIGNED_DMN)
        body = encode_query({**fields, "advanceResponseChecksum": self.connector.digest(signed)})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Event(headers=headers, body=body.encode(), received_at=moment.now)

    def _error(self, code: int, reason: str) -> Response:
        return json_response(self._envelope("ERROR", code, reason))

    def _envelope(self, status: str, code: int, reason: str, **more: Any) -> dict[str, Any]:
        account = {"merchantId": self.connector.merchant_id, "merchantSiteId": self.connector.merchant_site_id}
        outcome = {"internalRequestId": 51700017, "status": status, "errCode": code, "reason": reason}
        return {**more, **outcome, **account, "version": "1.0"}


def _details(refund: Refund) -> dict[str, Any]:
    amount, error = refund.refund_amount, refund.error
    if error and error.code == "0":
        raise ValueError("Nuvei cannot write the code 0: it means that there is none")
    shape = {
        "transactionId": refund.connector_refund_id,
        "relatedTransactionId": refund.connector_transaction_id,
        "clientUniqueId": refund.merchant_refund_id,
        "transactionType": "Credit",
        "transactionStatus": refund.connector_status,
        "processedAmount": str(amount.decimal) if amount else None,
        "processedCurrency": currency_of(refund),
        "gwErrorCode": error.code if error else 0,
        "gwExtendedErrorCode": (error.reason if error else None) or 0,
        "gwErrorReason": error.message if error else None,
    }
    return filled(shape)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d.%H:%M:%S")
