"""TrustPay's side, for the sandbox: the inverse of the mappings in `refundry_trustpay`."""

from __future__ import annotations

from typing import Any

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry.writing import filled
from refundry_trustpay.bank import TrustPayBank
from refundry_trustpay.cards import THROTTLED, TrustPayCards


def _card_error(status_code: int, code: str, text: str) -> Response:
    facts = {"status": status_code, "description": text, "errors": [{"code": code, "description": text}]}
    return json_response(facts, status_code)


def _bank_error(status_code: int, code: int) -> Response:
    facts = {"ResultCode": code, "AdditionalInfo": "Sandbox", "CorrelationId": "refundry-sandbox"}
    return json_response({"ResultInfo": facts}, status_code)


class TrustPayCardsSandbox(ConnectorSandbox[TrustPayCards]):
    """TrustPay's gateway for cards, in the shape that hyperswitch-prism expects."""

    settings = {"api_key": "refundry-sandbox-card-key"}
    refund_ids = "refundrysandbox{:05}"
    payment_ids = "paymentsandbox{:05}"
    lives = {
        "settles": ("000.200.000", "000.000.*"),
        "fails": ("000.200.000", "700.400.200"),
        "held": ("900.100.300", "000.000.*"),
    }
    expressible = ConnectorSandbox.expressible - {"refund_amount", "created_at"}
    errors = {
        AuthenticationError: _card_error(401, "0", "Unauthorized"),
        RefundNotFound: _card_error(404, "0", "Not found"),
        RateLimited: _card_error(429, THROTTLED, "Throttled"),
        ProcessorUnavailable: _card_error(503, "0", "Not available"),
        RefundryError: _card_error(400, "0", "Bad request"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("X-Api-Key", self.connector.api_key)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "api", "v1", "instance", refund_id:
                return self.render_refund(book.refund(refund_id))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        start, star, _ = (refund.connector_status or "").partition("*")
        code = start + "000.000.000"[len(start) :] if star else start
        return json_response({"instanceId": refund.connector_refund_id, "paymentStatus": code})


class TrustPayBankSandbox(ConnectorSandbox[TrustPayBank]):
    """TrustPay's API for bank transfers, in the shape that hyperswitch-prism expects."""

    settings = {
        "project_id": "4107000000",
        "secret_key": "refundry-sandbox-secret-key",
        "webhook_secret": "refundry-sandbox-notification-key",
    }
    refund_ids = "70{:08}"
    payment_ids = "60{:08}"
    lives = {
        "settles": ("Pending", "Authorized", "Paid"),
        "fails": ("Pending", "Rejected"),
    }
    expressible = (ConnectorSandbox.expressible - {"created_at"}) | {"merchant_refund_id", "error"}
    errors = {
        AuthenticationError: _bank_error(401, 1133000),
        RefundNotFound: _bank_error(404, 1133002),
        RateLimited: _bank_error(429, 1132014),
        ProcessorUnavailable: _bank_error(503, 1131000),
        RefundryError: _bank_error(400, 1112008),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        if call.segments == ("api", "oauth2", "token"):
            call.check_header("Authorization", basic_credentials(self.connector.project_id, self.connector.secret_key))
        else:
            book.check_token(call)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "POST", "api", "oauth2", "token":
                return book.oauth_token()
            case "GET", "api", "Payments", "Payment", refund_id:
                return self.render_refund(book.refund(refund_id))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response({"PaymentInformation": _information(refund)})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        information = _information(refund)
        amount, references = information["Amount"], information["References"]
        texts = [information["CreditDebitIndicator"], information["Status"], *references.values()]
        texts += [amount["Currency"], f"{amount['Amount']:.2f}"] if amount else []
        texts += information.get("StatusReasonInformation", {"Reason": {}})["Reason"].values()
        signed = "/".join(sorted(texts)).encode()
        signature = hmac_hex(self.connector.webhook_secret.every()[0].encode(), signed)
        body = encode_json({"PaymentInformation": information, "Signature": signature})
        return json_event(body, moment)


def _information(refund: Refund) -> dict[str, Any]:
    amount, error = refund.refund_amount, refund.error
    references = {"PaymentRequestId": refund.connector_refund_id, "MerchantReference": refund.merchant_refund_id}
    reason = {"Code": error.code, "RejectReason": error.message} if error else {}
    facts: dict[str, Any] = {
        "CreditDebitIndicator": "DBIT",
        "References": filled(references),
        "Amount": {"Amount": amount.decimal, "Currency": amount.currency} if amount else {},
        "Status": refund.connector_status or "",
    }
    return {**facts, "StatusReasonInformation": {"Reason": filled(reason)}} if error else facts
