"""Braintree: facts from the schema of its GraphQL API, and from developer.paypal.com/braintree."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import attrs

from refundry import errors
from refundry.auth import basic_auth
from refundry.connector import ALWAYS, Connector, Listing, setting
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, parse_xml
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page, xml_object
from refundry.signing import check_signature, decode_base64, hmac_hex
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import to_iso
from refundry_braintree.queries import GET, GLOBAL_ID, LIST, OF_PAYMENT

# Only those of ACH and SEPA say how a refund stands, beside "refund_failed"; they may concern a sale as well.
REFUND_EVENTS = ("refund_failed", "transaction_settled", "transaction_settlement_declined")


class Braintree(Connector):
    """Braintree, by its GraphQL API."""

    name = "braintree"
    title = "Braintree"
    documentation = {
        "schema": "https://github.com/braintree/graphql-api",
        "calls": "https://developer.paypal.com/braintree/graphql/guides/making_api_calls",
        "webhooks": "https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
    }
    base_urls = {
        "api": {
            "SANDBOX": "https://payments.sandbox.braintree-api.com",
            "PRODUCTION": "https://payments.braintree-api.com",
        }
    }
    statuses = {
        "AUTHORIZING": PENDING,  # some issuers are asked before they take a refund
        "AUTHORIZED": PENDING,
        "SUBMITTED_FOR_SETTLEMENT": PENDING,  # waits for the next batch, and may still be voided
        "SETTLING": PENDING,
        "SETTLEMENT_PENDING": PENDING,  # PayPal and bank methods
        "SETTLED": SUCCEEDED,  # on its way to the customer; of ACH and SEPA the bank may still return it
        "FAILED": FAILED,  # an error on the way to the processor
        "PROCESSOR_DECLINED": FAILED,  # the issuer refused it
        "GATEWAY_REJECTED": FAILED,  # a setting of the account refused it
        "SETTLEMENT_DECLINED": FAILED,
        "AUTHORIZATION_EXPIRED": FAILED,
        "VOIDED": FAILED,  # the customer will not receive it
    }
    unmapped = {
        "SETTLEMENT_CONFIRMED": "of a transaction captured in part, whose parts are settled in its place",
        "settlement_failed": "of the older SDKs: the GraphQL API has no such status",
    }
    refusals = {
        "AUTHENTICATION": (errors.AuthenticationError, "check public_key, private_key and the environment"),
        "AUTHORIZATION": (errors.AuthenticationError, "the API key may not read refunds"),
        "NOT_FOUND": (errors.RefundNotFound, "no such identifier in this account"),
        "RESOURCE_LIMIT": (errors.RateLimited, "ask less often"),
        "INTERNAL": (errors.ProcessorUnavailable, "it could not answer, try again later"),
        "SERVICE_AVAILABILITY": (errors.ProcessorUnavailable, "it could not answer, try again later"),
        "": (errors.ConnectorError, "check the identifiers"),
    }
    gives_other_ids = True  # a short id is answered with the global one
    listing = Listing(basis="created", by_payment=True, max_page_size=50)

    public_key: str = setting(needed_for=ALWAYS, help="Public Key of the API key (Settings, API)")
    private_key: str = setting(secret=True, needed_for=ALWAYS, help="Private Key of the API key; it signs webhooks too")
    merchant_account_id: str | None = setting(
        default=None, needed_for={"list"}, help="Merchant Account ID, to list its refunds alone"
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        refund_id = query.connector_refund_id or ""
        # Webhooks and the older SDKs have short ids, which this API converts.
        return self._post(GLOBAL_ID if re.fullmatch("[a-z0-9]{1,16}", refund_id) else GET, {"id": refund_id})

    @hookimpl
    def map_refund(self, response: Response) -> Refund | Request:
        data = Fields(response.json()).at("data")
        if data.get("idFromLegacyId") is not None:
            return self._post(GET, {"id": data.required("idFromLegacyId")})
        if "node" not in data.value:
            raise errors.MappingError("data.node is missing", field="data.node")
        if data.get("node") is None:
            raise errors.RefundNotFound("Braintree knows nothing of this identifier in this account")
        # A short id is converted first, and that answer says nothing of the refund.
        return attrs.evolve(self._refund(data.get("node")), raw=response.body)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        if window.connector_transaction_id:
            return self._post(OF_PAYMENT, {"id": window.connector_transaction_id})
        since, until = to_iso(window.since), to_iso(window.until)
        wanted: dict[str, object] = {"createdAt": {"greaterThanOrEqualTo": since, "lessThanOrEqualTo": until}}
        if self.merchant_account_id:
            wanted["merchantAccountId"] = {"is": self.merchant_account_id}
        return self._post(LIST, {"input": wanted, "first": window.page_size, "after": cursor})

    @hookimpl
    def map_refunds(self, window: Window, response: Response) -> RefundPage:
        data = Fields(response.json()).at("data")
        if window.connector_transaction_id:
            return page(data.required_items("node", "refunds"), self._refund)
        found = data.at("search", "refunds")
        more = found.get("pageInfo", "hasNextPage") is True
        cursor = found.at("pageInfo").required("endCursor") if more else None
        return page(found.required_items("edges"), lambda edge: self._refund(Fields(edge).get("node")), cursor=cursor)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        fields = Fields(response.json())
        if not fields.items("errors"):
            return None
        error = fields.first("errors").at("extensions")
        kind, other = error.text("errorClass"), "" if response.status_code < 400 else None
        code = error.text("legacyCode") or kind
        return self.refusal(kind, other, code=code, request_id=fields.text("extensions", "requestId"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        if _challenge(event):
            return True
        form = event.form()
        payload = form.get("bt_payload", "")
        if not re.fullmatch(r"[A-Za-z0-9+/=\n]+", payload):
            raise errors.SignatureError("bt_payload is missing or not base64: pass the raw body")
        pairs = [pair.partition("|") for pair in form.get("bt_signature", "").split("&")]
        # Braintree's own libraries accept a signature over the payload with a line end more.
        expected = [self._sign(payload), self._sign(f"{payload}\n")]
        check_signature(expected, [digest for key, _, digest in pairs if key == self.public_key])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        if _challenge(event):
            return []
        fields = _notification(event)
        kind, transaction = fields.word("kind"), fields.first("subject", "transaction")
        if kind not in REFUND_EVENTS or (kind != "refund_failed" and not _is_refund(transaction)):
            return []
        # The event has the short id alone and a get answers with the other: to ask keeps one identity.
        refund_id, order_id = transaction.required("id"), transaction.text("order-id")
        named = self.refund(transaction, None, connector_refund_id=refund_id, merchant_refund_id=order_id)
        return [RefundEvent(query=named.query(), event_id=f"{kind}/{refund_id}/{fields.text('timestamp') or ''}")]

    @hookimpl
    def acknowledge_event(self, event: Event, accepted: bool) -> Response | None:
        challenge = _challenge(event)
        if not (challenge and accepted):
            return None
        return Response(200, {"Content-Type": "text/plain"}, f"{self.public_key}|{self._sign(challenge)}".encode())

    def _post(self, query: str, variables: dict[str, object]) -> Request:
        body = {"query": query, "variables": variables}
        auth = basic_auth(self.public_key, self.private_key)
        return Request("POST", "/graphql", headers={"Braintree-Version": "2019-01-01"}, json=body, auth=auth)

    def _sign(self, text: str) -> str:
        key = hashlib.sha1(self.private_key.encode()).digest()  # noqa: S324  the scheme is Braintree's
        return hmac_hex(key, text.encode(), "sha1")

    def _refund(self, body: object) -> Refund:
        fields = Fields(body)
        if fields.text("__typename") not in (None, "Refund"):
            raise errors.NotARefund("this id is not a refund's: give the id of the refund, not of its transaction")
        history = _history(fields)
        # Newest first, and what counts is when it settled at first.
        settled = [change for change in history if change.get("status") == "SETTLED"]
        return self.refund(
            fields,
            fields.word("status"),
            failure=next(filter(None, map(_failure, history)), None),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("refundedTransaction", "id"),
            merchant_refund_id=fields.text("orderId"),
            refund_amount=fields.decimal_money("amount", "value", currency=fields.text("amount", "currencyCode")),
            refund_reason=fields.text("details", "reason") or fields.text("details", "description"),
            created_at=fields.iso_time("createdAt"),
            updated_at=history[0].iso_time("timestamp") if history else None,
            processed_at=settled[-1].iso_time("timestamp") if settled else None,
        )


def _history(fields: Fields) -> list[Fields]:
    """What became of the refund, newest first; an odd history costs itself alone."""
    try:
        return fields.objects("statusHistory")
    except errors.MappingError as error:
        fields.problem(error.message)
        return []


def _failure(change: Fields) -> ErrorInfo | None:
    return ErrorInfo.of(
        code=change.text("processorResponse", "legacyCode") or change.text("gatewayRejectionReason"),
        message=change.text("processorResponse", "message"),
    )


def _challenge(event: Event) -> str | None:
    """The challenge by which Braintree checks a webhook's address when it is registered."""
    text = event.params.get("bt_challenge", "")
    return text if event.method == "GET" and re.fullmatch("[a-f0-9]{20,32}", text) else None


def _notification(event: Event) -> Fields:
    """What a verified event says: a form with base64 of XML in it."""
    try:
        document = decode_base64(event.form().get("bt_payload", "").replace("\n", ""), "bt_payload")
    except ValueError as error:
        raise errors.MappingError(str(error), field="bt_payload") from None
    return Fields(xml_object(parse_xml(document)))


def _is_refund(transaction: Fields) -> bool:
    refunded = ("refunded-transaction-id", "refunded-transaction-fk", "refunded-transaction-global-id")
    return transaction.get("type") == "credit" or any(transaction.get(name) for name in refunded)
