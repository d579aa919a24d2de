"""CyberSource: facts from its REST reference, Transaction Search guide, Webhooks guide and REST client libraries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta

from refundry import errors
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Auth, Event, Request, Response, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, each_event, page
from refundry.schedule import Schedule
from refundry.signing import check_signature, decode_base64, hmac_base64, required_header
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED, UNKNOWN
from refundry_cybersource import transactions
from refundry_cybersource.signatures import SCHEMES

REFUND_EVENTS = ("payments.refunds.", "payments.credits.", "payments.payments.updated")


class CyberSource(Connector):
    """CyberSource, by its Transaction Details and Transaction Search calls."""

    name = "cybersource"
    title = "CyberSource"
    documentation = {
        "transactions": "https://developer.cybersource.com/api-reference-assets/index.html#transaction-details",
        "authentication": "https://developer.cybersource.com/docs/cybs/en-us/platform/developer/all/rest/"
        "rest-getting-started/restgs-jwt-message-intro/restgs-jwt-const-intro.html",
        "webhooks": "https://developer.cybersource.com/docs/cybs/en-us/webhooks/implementation/all/rest/webhooks/"
        "webhooks-about-guide.html",
    }
    base_urls = {"api": {"SANDBOX": "https://apitest.cybersource.com", "PRODUCTION": "https://api.cybersource.com"}}
    statuses = {
        "PENDING": PENDING,  # waits for the next batch, or for the alternative payment method
        "TRANSMITTED": SUCCEEDED,  # sent to the processor in the batch; nothing later is ever said for cards
        "SUCCEEDED": SUCCEEDED,
        "COMPLETED": SUCCEEDED,  # PPRO
        "REFUNDED": SUCCEEDED,  # PPRO, Thunes, Pay by Bank
        "SETTLED": SUCCEEDED,  # the Simple Order API's word, there in title case
        "DECLINED": FAILED,
        "INVALID_REQUEST": FAILED,
        "FAILED": FAILED,
        "REJECT": FAILED,  # Pay by Bank
        "REJECTED": FAILED,
        "VOIDED": FAILED,  # stopped before the batch
        "CANCELLED": FAILED,
        "SERVER_ERROR": PENDING,  # the outcome is unknown: it has to be asked for again
        "PENDING_FUNDS": MANUAL_REVIEW,  # PPRO: not made, for want of money or for rules on holding it
        # Where no status is given, which is documented as possible, what the refund's services say.
        "rCode=1": PENDING,  # a service took it on, which is no outcome
        "rCode=0": FAILED,  # every service of the refund declined it, or declined or broke off
        "rCode=-1": FAILED,  # every service of the refund ended in an error
        "reasonCode=100": PENDING,  # likewise only taken on
        "reasonCode=150": MANUAL_REVIEW,  # a general failure
        "reasonCode=151": MANUAL_REVIEW,  # a server took too long
        "reasonCode=152": MANUAL_REVIEW,  # a service took too long
        "reasonCode=250": MANUAL_REVIEW,  # the processor took too long
    }
    unmapped = {
        "ABANDONED": "a sale's word: the customer never paid",
        "FUNDED": "a sale's word: the merchant has the money",
        "SETTLE_INITIATED": "a sale's word: the customer's bank is at it",
    }
    refusals = {
        400: (errors.ConnectorError, "its code says why"),
        401: (
            errors.AuthenticationError,
            "check merchant_id, key_id, shared_secret, environment and this machine's clock",
        ),
    }
    # 2,500 are allowed, which may make an answer larger than the client takes.
    listing = Listing(basis="created", max_page_size=1000)
    request_id_header = "v-c-correlation-id"
    visible_after = timedelta(minutes=25)  # "not found" is to be asked again five times, five minutes apart
    schedule = Schedule(first=timedelta(minutes=5))

    merchant_id: str = setting(help="Merchant ID or Organization ID")
    key_id: str = setting(help="Key of the REST shared secret, a UUID (Key Management)")
    shared_secret: str = setting(secret=True, help="Shared Secret of that key, in base64 (Key Management)")
    signature_scheme: str = setting(default="jwt", help="jwt, or http for the HTTP Signature that is being withdrawn")
    webhook_key: Secrets = signing_secrets(help="Digital signature key, in base64; several by key id while they change")

    def __attrs_post_init__(self) -> None:
        if self.signature_scheme not in SCHEMES:
            raise errors.ConfigurationError(f"the setting signature_scheme must be {' or '.join(SCHEMES)}")
        secrets = [("shared_secret", self.shared_secret), *(("webhook_key", key) for key in self.webhook_key.every())]
        for name, secret in secrets:
            try:
                decode_base64(secret, name)
            except ValueError:
                advice = "copy it whole from the Business Center"
                raise errors.ConfigurationError(f"the setting {name} is not base64: {advice}") from None

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        path = url_path("tss", "v2", "transactions", query.connector_refund_id)
        return Request("GET", path, headers={"Accept": "application/hal+json;charset=utf-8"}, auth=self._auth())

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        fields = Fields(response.json())
        if not transactions.is_refund(fields):
            raise errors.NotARefund(
                "this is no refund but another transaction: ask with the id that the refund call gave"
            )
        return self._refund(fields)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        since, until = int(window.since.timestamp()), int(window.until.timestamp()) + 1
        search = {
            "save": False,
            "name": "refunds",
            "timezone": "GMT",
            "query": f"applicationInformation.applications.name:({' OR '.join(transactions.REFUND_SERVICES)})"
            f" AND submitTimeUtc:[{since * 1000} TO {until * 1000}}}",
            "offset": int(cursor or 0),
            "limit": window.page_size,
            "sort": "id:asc,submitTimeUtc:asc",
        }
        return Request("POST", "/tss/v2/searches", json=search, auth=self._auth())

    @hookimpl
    def map_refunds(self, cursor: str | None, response: Response) -> RefundPage:
        fields = Fields(response.json())
        items, total = fields.at("_embedded").items("transactionSummaries"), fields.get("totalCount")
        if type(total) is not int:
            raise errors.MappingError("totalCount is missing or not a number", field="totalCount")
        reached = int(cursor or 0) + len(items)
        return page(items, self._listed, cursor=str(reached) if items and reached < total else None)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        code = transactions.refusal_code(response) if response.status_code == 400 else None
        return self.refusal(response.status_code, code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        # The time in it is, by the document, that of the key's creation: it says nothing of the event's age.
        pairs = (part.partition("=") for part in required_header(event, "v-c-signature").split(";"))
        parts = {name.strip(): value.strip() for name, _, value in pairs}
        signed = f"{parts.get('t', '')}.".encode() + event.body
        keys = self.webhook_key.candidates(parts.get("keyId"))
        expected = [hmac_base64(decode_base64(key, "webhook_key"), signed) for key in keys]
        check_signature(expected, [parts.get("sig", "")])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent | errors.MappingError]:
        fields = Fields(event.json())
        if not (fields.text("eventType") or "").startswith(REFUND_EVENTS):
            return []
        payload, event_id = fields.get("payload"), fields.text("notificationId")
        return each_event(payload if isinstance(payload, list) else [payload], lambda item: _event(item, event_id))

    def _auth(self) -> Auth:
        key = decode_base64(self.shared_secret, "shared_secret")
        return SCHEMES[self.signature_scheme](self.merchant_id, self.key_id, key)

    def _listed(self, item: object) -> Refund | RefundQuery | None:
        fields = Fields(item)
        if not transactions.is_refund(fields):
            return None
        refund = self._refund(fields)
        # A summary may leave out the status, which the transaction itself may have.
        is_stated = transactions.stated_status(fields) is not None
        return refund if is_stated else RefundQuery(connector_refund_id=refund.connector_refund_id)

    def _refund(self, fields: Fields) -> Refund:
        stated = transactions.stated_status(fields)
        derived = None if stated else transactions.derived_status(fields)
        # The Simple Order API writes its words in title case.
        status = self.statuses.get(stated.upper() if stated else derived or "", UNKNOWN)
        order = fields.at("orderInformation", "amountDetails")
        time_name = "submitTimeUTC" if fields.get("submitTimeUTC") is not None else "submitTimeUtc"
        return Refund(
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("rootId") or transactions.related_id(fields),
            merchant_refund_id=fields.text("clientReferenceInformation", "code"),
            status=status,
            connector_status=stated or derived,
            error=transactions.failure(fields) if status is FAILED else None,
            refund_amount=order.decimal_money("totalAmount", currency=order.text("currency")),
            created_at=fields.iso_time(time_name, zone=UTC),
            problems=fields.problems,
        )


def _event(item: object, event_id: str | None) -> RefundEvent:
    payload = Fields(item, where="payload")
    subject = payload if payload.get("data") is None else payload.at("data")
    # A sale's event looks alike, so it only says what to ask for; the answer says what it is.
    query = RefundQuery(connector_refund_id=subject.text("id") or subject.text("transactionId"))
    if not query.given():
        raise errors.MappingError("the event names no transaction", field="payload")
    return RefundEvent(query=query, event_id=event_id)
