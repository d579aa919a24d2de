"""Nuvei: facts from docs.nuvei.com (REST 1.0 and DMNs), and from Nuvei's own shop plugins for both checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from refundry import errors
from refundry.connector import ALWAYS, Connector, setting
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Request, Response, WireRequest, parse_json
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundQuery
from refundry.reading import Fields
from refundry.signing import check_signature
from refundry.status import FAILED, PENDING, SUCCEEDED

DIGESTS = ("sha256", "md5")
REFUND_TYPES = ("credit", "refund")

SIGNED = ("merchantId", "merchantSiteId", "transactionId", "timeStamp")
SIGNED_DMN = ("totalAmount", "currency", "responseTimeStamp", "PPP_TransactionID", "Status", "productId")


class Nuvei(Connector):
    """Nuvei, by REST 1.0; every request carries a checksum of itself in its body."""

    name = "nuvei"
    title = "Nuvei"
    documentation = {
        "refunds": "https://docs.nuvei.com/api/main/indexMain_v1_0.html",
        "errors": "https://docs.nuvei.com/documentation/integration/response-handling",
        "webhooks": "https://docs.nuvei.com/documentation/integration/webhooks/payment-dmns",
    }
    base_urls = {
        "api": {
            "SANDBOX": "https://ppp-test.nuvei.com/ppp/api/v1",
            "PRODUCTION": "https://secure.safecharge.com/ppp/api/v1",
        },
    }
    statuses = {
        "APPROVED": SUCCEEDED,  # accepted by the acquirer
        "DECLINED": FAILED,
        "ERROR": FAILED,  # of the transaction; that of the request is another field
        "Filter Error": FAILED,  # refused by the merchant's own rules at Nuvei
        "CANCELED": FAILED,
        "PENDING": PENDING,
        "REDIRECT": PENDING,
    }
    any_case = True  # capitals and small letters both occur
    unmapped = {
        "SUCCESS": "it says that the request succeeded, and nothing about the refund",
        "PROCESSING": "no document of Nuvei's has it; other integrations expect it",
    }
    refusals = {
        "1000": (errors.ConnectorError, "a general error, its support knows more"),
        "1001": (errors.AuthenticationError, "check merchant_secret_key and hash_algorithm"),
        "1002": (errors.AuthenticationError, "it does not know this merchant, check merchant_id"),
        "1003": (errors.AuthenticationError, "it does not know this site, check merchant_site_id"),
        "1013": (errors.AuthenticationError, "check merchant_id"),
        "1017": (errors.AuthenticationError, "the merchant has no such site, check merchant_id and merchant_site_id"),
        "1021": (errors.ConnectorError, "the time stamp is wrong, and so may be this machine's clock"),
        "1022": (errors.AuthenticationError, "check merchant_site_id"),
        "1038": (errors.ProcessorUnavailable, "it could not reach its own systems, try again later"),
        "9146": (errors.RefundNotFound, "it does not know this transaction, or not yet"),
        "": (errors.ConnectorError, "its error code says why"),
    }
    visible_after = timedelta(minutes=10)  # no document says how long a fresh refund may be unknown
    unsigned_events = True  # the checksum says who sent a DMN and not which transaction it is about

    merchant_id: str = setting(help="Merchant ID, in My Integration Settings")
    merchant_site_id: str = setting(help="Merchant Site ID, in My Integration Settings")
    merchant_secret_key: str = setting(
        secret=True, needed_for=ALWAYS, help="Merchant Secret Key, in My Integration Settings"
    )
    hash_algorithm: str = setting(default="sha256", help="Hash of the site's checksums: sha256 or md5")

    def __attrs_post_init__(self) -> None:
        if self.hash_algorithm not in DIGESTS:
            raise errors.ConfigurationError(f"the setting hash_algorithm must be {' or '.join(DIGESTS)}")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        # With any other identifier beside it that does not fit, Nuvei finds nothing.
        body = {
            "merchantId": self.merchant_id,
            "merchantSiteId": self.merchant_site_id,
            "transactionId": query.connector_refund_id,
        }
        return Request("POST", "/getTransactionDetails.do", json=body, auth=self._sign)

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        answer = Fields(response.json())
        fields = answer.at("transactionDetails")
        refund_id, kind = fields.required("transactionId"), fields.required("transactionType")
        if refund_id != query.connector_refund_id:
            raise errors.MappingError(
                "Nuvei answered with another transaction", field="transactionDetails.transactionId"
            )
        if kind.lower() not in REFUND_TYPES:
            raise errors.NotARefund("this id belongs to a payment or another transaction: ask with the refund's own id")
        return self.refund(
            fields,
            fields.word("transactionStatus"),
            error=_error(fields),
            connector_refund_id=refund_id,
            connector_transaction_id=fields.text("relatedTransactionId"),
            merchant_refund_id=fields.text("clientUniqueId") or answer.text("clientUniqueId"),
            refund_amount=fields.decimal_money("processedAmount", currency=fields.text("processedCurrency")),
        )

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        fields = Fields(response.json())
        status, code = (fields.word("status") or "").upper(), fields.word("errCode")
        if status == "SUCCESS" and code in (None, "0"):
            return None
        if status not in ("SUCCESS", "ERROR"):
            raise errors.MappingError("status is neither SUCCESS nor ERROR", field="status")
        refusal = self.refusal(code, "", code=code, request_id=fields.text("internalRequestId"))
        return None if response.status_code >= 400 and isinstance(refusal, errors.ConnectorError) else refusal

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        fields = _dmn(event).value
        signed = self.merchant_secret_key + "".join(fields.get(name, "") for name in SIGNED_DMN)
        check_signature([self.digest(signed)], [fields.get("advanceResponseChecksum", "")])
        return False

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = _dmn(event)
        if (fields.word("transactionType") or "").lower() not in REFUND_TYPES:
            return []
        refund_id, payment_id = fields.required("TransactionID"), fields.text("relatedTransactionId")
        query = RefundQuery(connector_refund_id=refund_id, connector_transaction_id=payment_id)
        merchant = fields.text("merchant_id")
        foreign = bool(self.merchant_id and merchant) and merchant != self.merchant_id
        # A DMN may come as GET, without a body that could tell one from another.
        return [RefundEvent(query=query, event_id=f"{refund_id}/{fields.word('Status')}", foreign=foreign)]

    def digest(self, signed: str) -> str:
        """The plain hash that both of Nuvei's checksums are, as lower-case hex."""
        content = signed.encode(errors="surrogatepass")
        return hashlib.new(self.hash_algorithm, content, usedforsecurity=False).hexdigest()

    def _sign(self, request: WireRequest, moment: Moment) -> WireRequest:
        fields = {**parse_json(request.body or b""), "timeStamp": moment.now.strftime("%Y%m%d%H%M%S")}
        signed = "".join(fields[name] for name in SIGNED) + self.merchant_secret_key
        return request.with_json({**fields, "checksum": self.digest(signed)})


def _dmn(event: Event) -> Fields:
    return Fields(event.params if event.method == "GET" else event.form())


def _error(fields: Fields) -> ErrorInfo | None:
    code, reason = (fields.text(name) for name in ("gwErrorCode", "gwExtendedErrorCode"))
    return ErrorInfo.of(
        code=None if code == "0" else code,
        message=fields.text("gwErrorReason"),
        reason=None if reason == "0" else reason,
    )
