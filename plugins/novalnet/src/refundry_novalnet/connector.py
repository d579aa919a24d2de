"""Novalnet: facts from sandboxdeveloper.novalnet.com, and Novalnet's own shop plugins for the webhook's checksum."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from refundry.auth import header_auth
from refundry.connector import ALWAYS, Connector, setting
from refundry.errors import AuthenticationError, ConnectorError, MappingError, NotARefund, RefundNotFound, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response
from refundry.model import Refund, RefundEvent, RefundQuery
from refundry.reading import Fields
from refundry.signing import check_signature
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED

# A refund is a booking of its own type, for example CREDITCARD_BOOKBACK or REFUND_BY_BANK_TRANSFER_EU. Its TID looks
# like that of a payment, which the same call answers just as well.
REFUND_TYPE = re.compile("BOOKBACK|REFUND")

SIGNED = ("event.tid", "event.type", "result.status", "transaction.amount", "transaction.currency")


class Novalnet(Connector):
    """Novalnet, by its JSON API v2; one host, and the project or the transaction is in test mode."""

    name = "novalnet"
    title = "Novalnet"
    documentation = {
        "refunds": "https://sandboxdeveloper.novalnet.com/payment/api-actions/transaction-refund",
        "statuses": "https://sandboxdeveloper.novalnet.com/resources/status-code",
        "errors": "https://sandboxdeveloper.novalnet.com/resources/error-code",
        "webhooks": "https://sandboxdeveloper.novalnet.com/resources/webhooks/events",
    }
    base_urls = {"api": {"SANDBOX": "https://payport.novalnet.de/v2", "PRODUCTION": "https://payport.novalnet.de/v2"}}
    statuses = {
        "CONFIRMED": SUCCEEDED,  # of the refund's own booking; a paid payment says it too and is refused
        "PENDING": PENDING,
        "PROGRESS": PENDING,
        "ON_HOLD": PENDING,  # authorised and not executed
        "DEACTIVATED": MANUAL_REVIEW,  # a refund asked for before the payment was collected, or a plain cancellation
        "FAILURE": FAILED,
    }
    unmapped = {"SUCCESS": "it says that the call succeeded, and nothing about the refund"}
    refusals = {
        **dict.fromkeys(("1001", "1002", "1003", "1007", "1008"), (AuthenticationError, "check payment_access_key")),
        **dict.fromkeys(("200010", "200014", "200018"), (RefundNotFound, "no such TID in this project")),
        "": (ConnectorError, "its error code says why"),
    }

    payment_access_key: str = setting(
        secret=True, needed_for=ALWAYS, help="Payment access key, in the project's API credentials"
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        body = {"transaction": {"tid": query.connector_refund_id}, "custom": {"lang": "EN"}}
        key = base64.b64encode(self.payment_access_key.encode()).decode()
        return Request("POST", "/transaction/details", json=body, auth=header_auth({"X-NN-Access-Key": key}))

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        fields = Fields(response.json()).at("transaction")
        refund_id, status = fields.required("tid"), fields.word("status")
        if refund_id != query.connector_refund_id:
            raise MappingError("Novalnet answered with another transaction", field="transaction.tid")
        is_refund = REFUND_TYPE.search(fields.required("payment_type"))
        # Where nothing had been collected there is no booking: the payment's own TID stands for the refund.
        if not is_refund and status != "DEACTIVATED":
            raise NotARefund("this TID belongs to a payment or another booking: ask with the refund's own TID")
        amount = fields.minor_money("amount", currency=fields.text("currency")) if is_refund else None
        return self.refund(fields, status, connector_refund_id=refund_id, refund_amount=amount)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        result = Fields(response.json()).at("result")
        status, code = result.word("status"), result.text("status_code")
        if status == "SUCCESS":
            return None
        if status != "FAILURE":
            raise MappingError("result.status is neither SUCCESS nor FAILURE", field="result.status")
        return self.refusal(code, "" if response.status_code < 400 else None, code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        fields = Fields(event.json())
        parts = [fields.word(*path.split(".")) or "" for path in SIGNED]
        check_signature([checksum(parts, self.payment_access_key)], [fields.word("event", "checksum") or ""])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json()).at("event")
        if fields.word("type") != "TRANSACTION_REFUND":
            return []
        # A hint: the checksum covers neither the refund's amount and status nor the TID that stands beside them.
        refund_id, payment_id = fields.required("tid"), fields.text("parent_tid")
        query = RefundQuery(connector_refund_id=refund_id, connector_transaction_id=payment_id)
        return [RefundEvent(query=query)]


def checksum(parts: Sequence[str], access_key: str) -> str:
    """Plain SHA-256 over the covered values and the reversed key, as lower-case hex."""
    signed = "".join((*parts, access_key[::-1]))
    return hashlib.sha256(signed.encode(errors="surrogatepass")).hexdigest()
