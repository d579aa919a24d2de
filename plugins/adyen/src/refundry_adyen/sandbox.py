"""Adyen's side, for the sandbox: the inverse of the mapping in `refundry_adyen.connector`."""

from __future__ import annotations

from typing import Any

from refundry.auth import basic_credentials
from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.money import to_minor
from refundry.reading import Fields
from refundry.sandbox import ConnectorSandbox, json_event, json_response, unknown_call
from refundry_adyen.connector import ACTION, EXPONENTS, VOID, Adyen, signature


def _error(status_code: int, code: str, kind: str, message: str) -> Response:
    body = {"status": status_code, "errorCode": code, "message": message, "errorType": kind}
    return json_response(body, status_code)


class AdyenSandbox(ConnectorSandbox[Adyen]):
    """Adyen, as its API description Webhooks-v1.json describes standard webhooks."""

    settings = {"merchant_account": "RefundrySandboxECOM", "webhook_hmac_key": "5EC0" * 16}
    refund_ids = "SANDBOXREF{:06}"
    payment_ids = "SANDBOXPAY{:06}"
    lives = {
        "settles": ("POSTPONED_REFUND/true", "REFUND/true"),
        "fails": ("REFUND/false",),
        "returned": ("REFUND/true", "REFUNDED_REVERSED/true"),
        "cancelled": ("VOID_PENDING_REFUND/true",),
    }
    expressible = frozenset(
        {
            "connector_refund_id",
            "connector_transaction_id",
            "merchant_refund_id",
            "status",
            "connector_status",
            "refund_amount",
            "updated_at",
            "acquirer_reference_number",
            "error",
        }
    )
    event_words = frozenset(Adyen.statuses)
    errors = {
        AuthenticationError: _error(401, "000", "security", "Unauthorized"),
        RateLimited: _error(429, "000", "validation", "Too many requests"),
        ProcessorUnavailable: _error(500, "000", "internal", "Internal error"),
        RefundryError: _error(404, "000", "validation", "Not found"),
    }

    @hookimpl
    def answer_call(self) -> Response:
        raise unknown_call()

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        item = _item(refund, moment, self.connector.merchant_account)
        key = self.connector.webhook_hmac_key.every()[0]
        item["additionalData"]["hmacSignature"] = signature(Fields(item), key)
        live = "true" if self.connector.environment == "PRODUCTION" else "false"
        body = encode_json({"live": live, "notificationItems": [{"NotificationRequestItem": item}]})
        connector, headers = self.connector, {}
        if connector.webhook_username:
            headers["Authorization"] = basic_credentials(connector.webhook_username, connector.webhook_password or "")
        return json_event(body, moment, headers)


def _item(refund: Refund, moment: Moment, merchant_account: str) -> dict[str, Any]:
    code, success, action = (*(refund.connector_status or "").split("/"), "", "")[:3]
    error, amount = refund.error, refund.refund_amount
    more = {
        ACTION: action,
        "arn": refund.acquirer_reference_number,
        "acquirerErrorCode": error.code if error else None,
    }
    references = (refund.connector_refund_id, refund.connector_transaction_id)
    if code == VOID:
        references = (f"VOID{moment.nonce[:12].upper()}", refund.connector_refund_id)
    return {
        "additionalData": {name: value for name, value in more.items() if value},
        "amount": {"currency": amount.currency, "value": to_minor(amount, EXPONENTS)} if amount else {},
        "eventCode": code,
        "eventDate": (refund.updated_at or moment.now).isoformat(timespec="seconds"),
        "merchantAccountCode": merchant_account,
        "merchantReference": refund.merchant_refund_id or "",
        "originalReference": references[1] or "",
        "paymentMethod": "visa",
        "pspReference": references[0],
        "reason": (error.message if error else None) or "",
        "success": success,
    }
