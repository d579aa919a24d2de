"""Mollie's side, for the sandbox: the inverse of the mapping in `refundry_mollie.connector`."""

from __future__ import annotations

from typing import Any

from refundry.errors import AuthenticationError, ProcessorUnavailable, RateLimited, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Response, encode_json, encode_query
from refundry.model import Refund
from refundry.sandbox import Book, Call, ConnectorSandbox, json_event, json_response, unknown_call
from refundry.signing import hmac_hex
from refundry_mollie.connector import Mollie

HOST = "https://api.mollie.com"
HAL = {"Content-Type": "application/hal+json"}


def _error(status_code: int, title: str, detail: str) -> Response:
    documentation = {"href": "https://docs.mollie.com/reference/handling-errors", "type": "text/html"}
    body = {"status": status_code, "title": title, "detail": detail, "_links": {"documentation": documentation}}
    return json_response(body, status_code, HAL)


class MollieSandbox(ConnectorSandbox[Mollie]):
    """Mollie, as docs.mollie.com/reference/refunds-api describes its answers."""

    settings = {"api_key": "test_RefundrySandboxKeyNotARealOne00", "webhook_secret": "RefundrySandboxSigningSecret"}
    lives = {
        "settles": ("queued", "pending", "processing", "refunded"),
        "fails": ("pending", "processing", "failed"),
        "returned": ("refunded", "failed"),
        "cancelled": ("queued", "canceled"),
    }
    expressible = ConnectorSandbox.expressible | {
        "connector_transaction_id",
        "merchant_refund_id",
        "refund_reason",
        "acquirer_reference_number",
    }
    errors = {
        AuthenticationError: _error(401, "Unauthorized Request", "Missing authentication, or failed to authenticate"),
        RefundNotFound: _error(404, "Not Found", "No refund exists with this token."),
        RateLimited: _error(429, "Too Many Requests", "The rate limit is exceeded."),
        ProcessorUnavailable: _error(503, "Service Unavailable", "The service is temporarily unavailable."),
        RefundryError: _error(422, "Unprocessable Entity", "The request cannot be processed."),
    }

    @hookimpl
    def check_call(self, call: Call) -> None:
        call.check_header("Authorization", f"Bearer {self.connector.api_key}")

    @hookimpl
    def answer_call(self, call: Call, book: Book) -> Response:
        match call.method, *call.segments:
            case "GET", "v2", "payments", payment, "refunds", refund_id:
                refund = book.refund(refund_id)
                if refund.connector_transaction_id != payment:
                    raise RefundNotFound("the refund belongs to another payment")
                return self.render_refund(refund)
            case "GET", "v2", "payments", payment, "refunds":
                return self._render_list(call, book.listed(connector_transaction_id=payment))
            case "GET", "v2", "refunds":
                return self._render_list(call, book.listed())
            case _:
                raise unknown_call()

    @hookimpl
    def render_refund(self, refund: Refund) -> Response:
        return json_response(self._refund(refund), headers=HAL)

    @hookimpl
    def render_event(self, refund: Refund, moment: Moment) -> Event:
        entity, event_id = self._refund(refund), f"event_{moment.nonce.replace('-', '')}"
        envelope = {
            "resource": "event",
            "id": event_id,
            "type": f"refund.{refund.connector_status}",
            "entityId": refund.connector_refund_id,
            "createdAt": moment.now.isoformat(timespec="seconds"),
            "_embedded": {"entity": entity},
            "_links": {"self": _link(f"{HOST}/v2/events/{event_id}"), "entity": entity["_links"]["self"]},
        }
        body = encode_json(envelope)
        signature = hmac_hex(self.connector.webhook_secret.every()[0].encode(), body)
        return json_event(body, moment, {"X-Mollie-Signature": f"sha256={signature}"})

    def _refund(self, refund: Refund) -> dict[str, Any]:
        amount, arn = refund.refund_amount, refund.acquirer_reference_number
        payment, own_id = refund.connector_transaction_id, refund.merchant_refund_id
        link = f"{HOST}/v2/payments/{payment}"
        return {
            "resource": "refund",
            "id": refund.connector_refund_id,
            "mode": "test",
            "description": refund.refund_reason or "",
            "amount": {"currency": amount.currency, "value": f"{amount.decimal:f}"} if amount else None,
            "status": refund.connector_status,
            "metadata": {self.connector.metadata_key: own_id} if own_id else None,
            **({"externalReference": {"type": "acquirer-reference", "id": arn}} if arn else {}),
            "paymentId": payment,
            "createdAt": refund.created_at.isoformat() if refund.created_at else None,
            "_links": {"self": _link(f"{link}/refunds/{refund.connector_refund_id}"), "payment": _link(link)},
        }

    def _render_list(self, call: Call, refunds: list[Refund]) -> Response:
        start, size = call.params.get("from"), int(call.params.get("limit", "50"))
        ids = [refund.connector_refund_id for refund in refunds]
        first = ids.index(start) if start in ids else 0
        shown = [self._refund(refund) for refund in refunds[first : first + size]]
        address = f"{self.public_url or HOST}{call.path}"
        following = None
        if first + size < len(ids):
            following = _link(f"{address}?{encode_query({**call.params, 'from': ids[first + size]})}")
        links = {"self": _link(address), "previous": None, "next": following}
        return json_response({"count": len(shown), "_embedded": {"refunds": shown}, "_links": links}, headers=HAL)


def _link(address: str) -> dict[str, str]:
    return {"href": address, "type": HAL["Content-Type"]}
