"""CyberSource: facts from its REST reference, Transaction Search guide, Webhooks guide and REST client libraries."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import UTC, timedelta

from refundry import errors, signing
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Request, Response, WireRequest, encode_json, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, each_event, page
from refundry.schedule import Schedule
from refundry.status import FAILED, MANUAL_REVIEW, PENDING, SUCCEEDED

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
        401: (errors.AuthenticationError, "check merchant_id, key_id, shared_secret, environment and the local clock"),
    }
    # 2,500 are allowed, which may make an answer larger than the client takes.
    listing = Listing(basis="created", max_page_size=1000)
    request_id_header = "v-c-correlation-id"
    visible_after = timedelta(minutes=25)  # "not found" is to be asked again five times, five minutes apart
    schedule = Schedule(first=timedelta(minutes=5))

    merchant_id: str = setting(help="Merchant ID or Organization ID")
    key_id: str = setting(help="Key of the REST shared secret, a UUID (Key Management)")
    shared_secret: str = setting(secret=True, help="Shared Secret of that key, in base64 (Key Management)")
    webhook_key: Secrets = signing_secrets(help="Digital signature key, in base64; several by key id while they change")

    def __attrs_post_init__(self) -> None:
        for name, secrets in {"shared_secret": [self.shared_secret], "webhook_key": self.webhook_key.every()}.items():
            for secret in secrets:
                try:
                    signing.decode_base64(secret, f"the setting {name}")
                except ValueError as error:
                    raise errors.ConfigurationError(f"{error}: copy it whole from the Business Center") from None

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        path = url_path("tss", "v2", "transactions", query.connector_refund_id)
        return Request("GET", path, headers={"Accept": "application/hal+json;charset=utf-8"}, auth=self._authenticate)

    @hookimpl
    def map_refund(self, response: Response) -> Refund:
        return self._refund(Fields(response.json()))

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        since, until = int(window.since.timestamp()), int(window.until.timestamp()) + 1
        search = {
            "save": False,
            "name": "refunds",
            "timezone": "GMT",
            # From "Services Returned by the API". Its other services pay, capture, reverse, void or check something.
            "query": "applicationInformation.applications.name:(ics_credit OR ics_ap_refund OR ics_bank_transfer_refund"
            " OR ics_china_refund OR ics_direct_debit_refund OR ics_ecp_credit OR ics_gift_card_refund"
            " OR ics_paypal_credit OR ics_paypal_refund OR ics_pin_debit_credit)"
            f" AND submitTimeUtc:[{since}000 TO {until}000}}",
            "offset": int(cursor or 0),
            "limit": window.page_size,
            "sort": "id:asc,submitTimeUtc:asc",
        }
        return Request("POST", "/tss/v2/searches", json=search, auth=self._authenticate)

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
        fields = Fields(response.json() if response.status_code == 400 else {})
        code = fields.text("reason") or fields.text("errorInformation", "reason")
        return self.refusal(response.status_code, code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        # The time in it is, by the document, that of the key's creation: it says nothing of the event's age.
        parts = dict(signing.header_pairs(event, "v-c-signature", ";"))
        signed = f"{parts.get('t', '')}.".encode() + event.body
        keys = self.webhook_key.candidates(parts.get("keyId"))
        expected = [signing.hmac_base64(signing.decode_base64(key, "webhook_key"), signed) for key in keys]
        signing.check_signature(expected, [parts.get("sig", "")])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent | errors.MappingError]:
        fields = Fields(event.json())
        if not (fields.text("eventType") or "").startswith(REFUND_EVENTS):
            return []
        payload, event_id = fields.get("payload"), fields.text("notificationId")
        return each_event(payload if isinstance(payload, list) else [payload], lambda item: _event(item, event_id))

    def _authenticate(self, request: WireRequest, moment: Moment) -> WireRequest:
        """A JSON Web Token by HS256 that covers method, host, path, query and body, and may be used for two minutes."""
        issued = int(moment.now.timestamp())
        claims: dict[str, object] = {
            "iat": issued,
            "exp": issued + 120,
            "request-method": request.method,
            "request-host": request.host,
            "request-resource-path": request.target,
            "iss": self.merchant_id,
            "jti": moment.nonce,
            "v-c-jwt-version": "2",
            "v-c-merchant-id": self.merchant_id,
        }
        if request.body is not None:
            claims |= {"digest": signing.sha256_base64(request.body), "digestAlgorithm": "SHA-256"}
        head = {"alg": "HS256", "typ": "JWT", "kid": self.key_id}
        signed = ".".join(signing.encode_base64url(encode_json(part)) for part in (head, claims))
        key = signing.decode_base64(self.shared_secret, "shared_secret")
        signature = signing.encode_base64url(hmac.digest(key, signed.encode(), "sha256"))
        return request.with_headers({"Authorization": f"Bearer {signed}.{signature}"})

    def _listed(self, item: object) -> Refund | RefundQuery:
        fields = Fields(item)
        # A summary may leave out the status, which the transaction itself may have.
        return self._refund(fields) if _stated(fields) else RefundQuery(connector_refund_id=fields.required("id"))

    def _refund(self, fields: Fields) -> Refund:
        stated = _stated(fields)
        # The Simple Order API writes its words in title case.
        condition = stated.upper() if stated else self._derived(fields)
        order = fields.at("orderInformation", "amountDetails")
        return self.refund(
            fields,
            condition,
            connector_status=stated or condition,
            failure=_failure(fields),
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("rootId") or _related_id(fields),
            merchant_refund_id=fields.text("clientReferenceInformation", "code"),
            refund_amount=order.decimal_money("totalAmount", currency=order.text("currency")),
            created_at=fields.iso_time("submitTimeUTC", zone=UTC) or fields.iso_time("submitTimeUtc", zone=UTC),
        )

    def _derived(self, fields: Fields) -> str | None:
        """What the codes of its services come to where no word is stated: ``rCode=0``, ``reasonCode=151``."""
        services = _refund_services(fields)
        codes = [place.word("reasonCode") for place in (fields.at("applicationInformation"), *services)]
        reasons = {f"reasonCode={code}" for code in codes if code}
        results = [service.word("rCode") for service in services]
        # The documents ask to look at such a transaction before it is sent again: nobody knows what became of it.
        if unclear := [reason for reason in reasons if self.status_of(reason) is MANUAL_REVIEW]:
            return min(unclear)
        if results and all(results):
            # 1, one that was taken on, outweighs 0, one that was declined, which outweighs -1, an error.
            return f"rCode={max(filter(None, results))}"
        return reasons.pop() if len(reasons) == 1 else None


def _refund_services(fields: Fields) -> list[Fields]:
    """Its services that refund, or all where none has a name. Raises `NotARefund` where all do something else."""
    services = [Fields(item, where="applications") for item in fields.items("applicationInformation", "applications")]
    refunding = [service for service in services if (service.text("name") or "").endswith(("credit", "refund"))]
    if not refunding and any(service.text("name") for service in services):
        raise errors.NotARefund("this is no refund but another transaction: ask with the id that the refund call gave")
    return refunding or services


def _stated(fields: Fields) -> str | None:
    """The status word of the transaction, or the one that its refunding services agree on."""
    own = {service.word("status") for service in _refund_services(fields)} - {None}
    whole = fields.at("applicationInformation").word("status") or fields.word("status")
    return whole or (own.pop() if len(own) == 1 else None)


def _failure(fields: Fields) -> ErrorInfo | None:
    code = fields.text("errorInformation", "reason") or fields.text("applicationInformation", "reasonCode")
    declined = [service for service in _refund_services(fields) if service.text("rCode") != "1"]
    messages = (fields.text("errorInformation", "message"), *(service.text("rMessage") for service in declined))
    # 100 stands for no error.
    return ErrorInfo.of(code=None if code == "100" else code, message=next(filter(None, messages), None))


def _related_id(fields: Fields) -> str | None:
    """The one transaction that it links to; None where there are several."""
    links = fields.get("_links", "relatedTransactions")
    hrefs = [link.get("href") for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    ids = {href.rstrip("/").rpartition("/")[2] for href in hrefs if isinstance(href, str)}
    return ids.pop() or None if len(ids) == 1 else None


def _event(item: object, event_id: str | None) -> RefundEvent:
    payload = Fields(item, where="payload")
    subject = payload if payload.get("data") is None else payload.at("data")
    # A sale's event looks alike, so it only says what to ask for; the answer says what it is.
    query = RefundQuery(connector_refund_id=subject.text("id") or subject.text("transactionId"))
    if not query.given():
        raise errors.MappingError("the event names no transaction", field="payload")
    return RefundEvent(query=query, event_id=event_id)
