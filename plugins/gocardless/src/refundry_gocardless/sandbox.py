"""GoCardless's side, for the sandbox: the inverse of the mapping in `refundry_gocardless.connector`."""

from __future__ import annotations

from typing import Any

from refundry.errors import (
    AuthenticationError,
    ConnectorError,
    ProcessorUnavailable,
    RateLimited,
    RefundNotFound,
    RefundryError,
)
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, no_webhook, part, unknown_call
from refundry.signing import hmac_hex
from refundry.times import to_iso
from refundry.writing import currency_of, iso_of, minor_of
from refundry_gocardless.connector import ACTIONS, API_VERSION, GoCardless

CAUSES = {
    "created": ("payment_refunded", "The refund was made."),
    "paid": ("refund_paid", "The refund went to the customer."),
    "bounced": ("refund_failed", "The refund did not arrive."),
    "funds_returned": ("refund_funds_returned", "The merchant has the money again."),
}


def _error(status_code: int, kind: str, reason: str) -> Response:
    facts = {"message": "The request failed", "errors": [{"reason": reason, "message": "The request failed"}]}
    body = {"error": {"type": kind, "code": status_code, "request_id": "refundry-sandbox", **facts}}
    return json_response(body, status_code)


class GoCardlessSandbox(ConnectorSandbox[GoCardless]):
    """GoCardless, as developer.gocardless.com/api-reference describes its answers."""

    settings = {
        "access_token": "sandbox_RefundrySandboxTokenNotARealOne",
        "webhook_endpoint_secret": "Refundry-Sandbox-Webhook-Endpoint-Secret",
    }
    refund_ids = "RF5AND{:08}"
    payment_ids = "PM5AND{:08}"
    # The steps in between come without a webhook.
    lives = {
        "settles": ("created", "paid"),
        "fails": ("created", "bounced"),
        "returned": ("paid", "bounced", "funds_returned"),
    }
    expressible = ConnectorSandbox.expressible | {"connector_transaction_id", "merchant_refund_id"}
    currency = "GBP"
    errors = {
        AuthenticationError: _error(401, "invalid_api_usage", "unauthorized"),
        RefundNotFound: _error(404, "invalid_api_usage", "resource_not_found"),
        RateLimited: _error(429, "invalid_api_usage", "rate_limit_exceeded"),
        ProcessorUnavailable: _error(500, "gocardless", "internal_server_error"),
        RefundryError: _error(400, "invalid_api_usage", "bad_request"),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", f"Bearer {self.connector.access_token}")
        if call.header("GoCardless-Version") != API_VERSION:
            raise ConnectorError("the version is missing or another", status_code=400)

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "refunds", refund_id:
                return self.render_refund(book.refund(refund_id))
            case "GET", "refunds":
                return self._render_list(call, book)
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response({"refunds": self._refund(refund)})

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        word = refund.connector_status or ""
        if word not in CAUSES:
            raise no_webhook()
        cause, description = CAUSES[word]
        item = {
            "id": f"EV{moment.nonce.replace('-', '').upper()}",
            "created_at": to_iso(moment.now, "milliseconds"),
            "resource_type": "refunds",
            "action": next(action for action, said in ACTIONS.items() if said == word),
            "links": {"refund": refund.connector_refund_id},
            "details": {"origin": "gocardless", "cause": cause, "description": description},
            "metadata": {},
        }
        body = encode_json({"events": [item], "meta": {"webhook_id": f"WB{moment.nonce[:8].upper()}"}})
        signature = hmac_hex(self.connector.webhook_endpoint_secret.every()[0].encode(), body)
        return json_event(body, moment, {"Webhook-Signature": signature})

    def _refund(self, refund: Refund) -> dict[str, Any]:
        key, own_id = self.connector.metadata_key, refund.merchant_refund_id
        return {
            "id": refund.connector_refund_id,
            "created_at": iso_of(refund.created_at, "milliseconds"),
            "amount": minor_of(refund),
            "currency": currency_of(refund),
            "reference": None if key else own_id,
            "metadata": {key: own_id} if key and own_id else {},
            "status": refund.connector_status,
            "links": {_kind(refund): refund.connector_transaction_id},
        }

    def _render_list(self, call: Call, book: Book) -> Response:
        kind, size = call.params["refund_type"], int(call.params["limit"])
        listed = book.listed(
            since=call.time("created_at[gte]"),
            until=call.time("created_at[lt]"),
            connector_transaction_id=call.params.get(kind),
        )
        refunds = [refund for refund in listed if _kind(refund) == kind]
        shown, more = part(refunds, size, after=call.params.get("after"))
        following = shown[-1].connector_refund_id if more else None
        meta = {"cursors": {"before": None, "after": following}, "limit": size}
        return json_response({"refunds": [self._refund(refund) for refund in shown], "meta": meta})


def _kind(refund: Refund) -> str:
    return "mandate" if (refund.connector_transaction_id or "").startswith("MD") else "payment"
