"""Worldline's side, for the sandbox: the inverse of the mappings in `direct` and `connect`."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any, ClassVar, TypeVar

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import hmac_base64
from refundry.times import from_format
from refundry.writing import currency_of, minor_of
from refundry_worldline.connect import WorldlineConnect, hundredths
from refundry_worldline.direct import WorldlineDirect
from refundry_worldline.platform import WorldlinePlatform, authorize

RFC_1123 = "%a, %d %b %Y %H:%M:%S GMT"
CONNECT_CODES = {"REFUND_REQUESTED": 800, "REJECTED": 1850}

P = TypeVar("P", bound=WorldlinePlatform)


def _error(status_code: int, code: str, message: str) -> Response:
    # Direct and Connect name the code differently.
    error = {"errorCode": code, "code": code, "message": message, "httpStatusCode": status_code}
    return json_response({"errorId": "refundry-sandbox-error", "errors": [error]}, status_code)


class _PlatformSandbox(ConnectorSandbox[P]):
    """What both platforms do alike."""

    settings = {
        "api_key_id": "REFUNDRYSANDBOX1",
        "api_secret": "RefundrySandboxApiSecret",
        "merchant_id": "RefundrySandbox",
        "webhook_secret": "RefundrySandboxWebhookSecret",
    }
    expressible = (ConnectorSandbox.expressible - {"created_at"}) | {
        "connector_transaction_id",
        "merchant_refund_id",
        "error",
    }
    code_name: ClassVar[str]
    errors = {
        AuthenticationError: _error(403, "9002", "MISSING_OR_INVALID_AUTHORIZATION"),
        RefundNotFound: _error(404, "1002", "INVALID_REFUND_ID"),
        RateLimited: _error(429, "9999", "TOO_MANY_REQUESTS"),
        ProcessorUnavailable: _error(503, "9999", "UNKNOWN_SERVER_ERROR"),
        RefundryError: _error(400, "1002", "INVALID_VALUE"),
    }

    @hookimpl
    def check_call(self, call: Call, book: Book) -> None:
        date = call.header("Date")
        call.check_header("Authorization", authorize(self.connector, call.method, date, call.target))
        if abs(from_format(date, RFC_1123, zone=UTC) - book.now) > timedelta(minutes=5):
            raise AuthenticationError("the date is too far from now")
        if call.segments[1:2] != (self.connector.merchant_id,):
            raise AuthenticationError("the key is not this merchant's")

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(self.refund_object(refund))

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        kind, subject = self.event_subject(refund)
        body = encode_json(
            {
                "apiVersion": "v1",
                "id": moment.nonce,
                "created": f"{moment.now:%Y-%m-%dT%H:%M:%S}.000+0000",
                "merchantId": self.connector.merchant_id,
                "type": kind,
                kind.partition(".")[0]: subject,
            }
        )
        secrets = self.connector.webhook_secret
        key_id, secret = next(iter((secrets.by_id or {"sandbox-key": secrets.unnamed[0]}).items()))
        headers = {"X-GCS-KeyId": key_id, "X-GCS-Signature": hmac_base64(secret.encode(), body)}
        return json_event(body, moment, headers)

    def event_subject(self, refund: Refund) -> tuple[str, dict[str, Any]]:
        word = (refund.connector_status or "").partition("/")[0]
        return f"refund.{word.lower()}", self.refund_object(refund)

    def refund_object(self, refund: Refund) -> dict[str, Any]:
        raise NotImplementedError

    def _refund(
        self, refund: Refund, minor: int | None, references: dict[str, object], code: int | None
    ) -> dict[str, Any]:
        amount = {"amount": minor, "currencyCode": currency_of(refund)} if refund.refund_amount else None
        output = {"amountOfMoney": amount, **references, "paymentMethod": "card"}
        error = refund.error
        status = {
            "isCancellable": False,
            "statusCode": code,
            "statusCodeChangeDateTime": "20260302090000",
            "errors": [{self.code_name: error.code, "message": error.message}] if error else None,
        }
        word = (refund.connector_status or "").partition("/")[0]
        return {"id": refund.connector_refund_id, "refundOutput": output, "status": word, "statusOutput": status}


class WorldlineDirectSandbox(_PlatformSandbox[WorldlineDirect]):
    """Worldline Direct, as Worldline's SDKs describe its answers."""

    refund_ids = "31364{:05}_2"
    payment_ids = "31364{:05}_0"
    lives = {
        "settles": ("REFUND_REQUESTED/81", "REFUNDED/8"),
        "fails": ("REFUND_REQUESTED/81", "REJECTED/83"),
        "held": ("REFUND_REQUESTED/82", "REFUNDED/8"),
    }
    code_name = "errorCode"

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v2", _, "payments", payment_id, "refunds":
                return _page(self, book.listed(connector_transaction_id=payment_id))
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return _page(self, [refund])

    def event_subject(self, refund: Refund) -> tuple[str, dict[str, Any]]:
        kind, subject = super().event_subject(refund)
        if kind != "refund.refunded":
            return kind, subject
        # The end of a refund is told as a payment that has the refund's id.
        output = subject.pop("refundOutput")
        told = {"amountOfMoney": output["amountOfMoney"], "references": output["operationReferences"]}
        return "payment.refunded", {**subject, "paymentOutput": told}

    def refund_object(self, refund: Refund) -> dict[str, Any]:
        references: dict[str, object] = {"operationReferences": {"merchantReference": refund.merchant_refund_id}}
        code = (refund.connector_status or "").partition("/")[2]
        return self._refund(refund, minor_of(refund), references, int(code) if code else None)


class WorldlineConnectSandbox(_PlatformSandbox[WorldlineConnect]):
    """Worldline Connect, as its API reference describes its answers."""

    refund_ids = "00000100-1000{:02}"
    payment_ids = "00000100-0000{:02}"
    lives = {
        "settles": ("REFUND_REQUESTED", "REFUNDED"),
        "fails": ("REFUND_REQUESTED", "REJECTED_CAPTURE"),
        "held": ("PENDING_APPROVAL", "REFUND_REQUESTED", "REFUNDED"),
        "cancelled": ("PENDING_APPROVAL", "CANCELLED"),
    }
    code_name = "code"

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v1", _, "payments", payment_id, "refunds":
                return _page(self, book.listed(connector_transaction_id=payment_id))
            case "GET", "v1", _, "refunds":
                reference = call.params.get("merchantReference")
                return _page(self, [one for one in book.listed() if one.merchant_refund_id == reference])
            case "GET", "v1", _, "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case _:
                raise unknown_call()

    def refund_object(self, refund: Refund) -> dict[str, Any]:
        minor = minor_of(refund, hundredths(currency_of(refund)))
        own = {"merchantReference": refund.merchant_refund_id, "paymentReference": "0"}
        return self._refund(refund, minor, {"references": own}, CONNECT_CODES.get(refund.connector_status or ""))


def _page(sandbox: _PlatformSandbox[Any], refunds: list[Refund]) -> Response:
    return json_response({"refunds": [sandbox.refund_object(refund) for refund in refunds]})
