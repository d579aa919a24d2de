"""Fiserv: facts from Fiserv/Commerce-Hub (its documents and OpenAPI) and Fiserv's plugin for Magento."""

from __future__ import annotations

from refundry import errors
from refundry.connector import Connector, setting
from refundry.hookspecs import hookimpl
from refundry.http import Moment, Request, Response, WireRequest
from refundry.model import ErrorInfo, Refund, RefundQuery
from refundry.reading import Fields
from refundry.signing import hmac_base64
from refundry.status import FAILED, PENDING, SUCCEEDED

# What a refund may be asked for by, the surest first. The last two may find several transactions.
REFERENCES = {
    "connector_refund_id": "referenceTransactionId",
    "merchant_refund_id": "referenceMerchantTransactionId",
    "metadata.client_request_id": "referenceClientRequestId",
    "metadata.order_id": "referenceOrderId",
    "metadata.merchant_order_id": "referenceMerchantOrderId",
}

DETAILS = ("gatewayResponse", "transactionProcessingDetails")
RECEIPT = ("paymentReceipt", "processorResponseDetails")
APPROVED = ("00", "000", "000000")

# The documents and samples of Fiserv have errors in all of these places.
ERROR_PLACES = (
    ("error",),
    ("errorResponse", "error"),
    ("gatewayResponse", "error"),
    ("errorResponse", "gatewayResponse", "error"),
)


class Fiserv(Connector):
    """Fiserv's Commerce Hub, where a refund is a transaction of its own."""

    name = "fiserv"
    title = "Fiserv"
    documentation = {
        "inquiry": "https://developer.fiserv.com/product/CommerceHub/api/?type=post&path=/payments/v1/transaction-inquiry",
        "statuses and errors": "https://github.com/Fiserv/Commerce-Hub",
    }
    base_urls = {
        "api": {
            "SANDBOX": "https://connect-cert.fiservapis.com/ch",
            "PRODUCTION": "https://connect.fiservapis.com/ch",
        }
    }
    statuses = {
        "AUTHORIZED": PENDING,  # waits for its capture
        "CAPTURED": SUCCEEDED,  # accepted; the issuer posts it in 3 to 5 days
        "DECLINED": FAILED,
        "VOIDED": FAILED,  # cancelled before it was settled
        "FAILED": FAILED,  # what Fiserv's plugin for Magento takes for a failed inquiry
        # From here on the OpenAPI has these only in a part that is commented out.
        "SETTLED": SUCCEEDED,
        "PENDING": PENDING,
        "WAITING": PENDING,
        "INITIALIZED": PENDING,
        "READY": PENDING,
    }
    unmapped = {
        "CHECKED": "an account that was verified",
        "TEMPLATE": "a stored transaction that was never sent",
        "COMPLETED_GET": "an answer to a question, in a part of the OpenAPI that is commented out",
        **dict.fromkeys(
            ("APPROVED", "SUCCEEDED", "REJECTED", "CANCELLED", "PROCESSING", "CREATED"),
            "hyperswitch-prism alone expects it of a refund, and what Fiserv does not document is not believed",
        ),
    }
    # By code, and where that is unknown, by HTTP status: the documents do not say which status comes with a code.
    refusals = {
        "801": (errors.RefundNotFound, "no such transaction of this merchant and environment"),
        "758": (errors.RefundNotFound, "no such transaction of this merchant and environment"),
        "813": (errors.RefundNotFound, "no such transaction of this merchant and environment"),
        "760": (errors.AmbiguousRefund, "several transactions fit: ask with connector_refund_id"),
        "624": (errors.RateLimited, "there were too many requests"),
        400: (errors.ConnectorError, "check the identifiers, merchant_id and terminal_id"),
        401: (errors.AuthenticationError, "check api_key, api_secret, the environment and this machine's clock"),
        403: (errors.AuthenticationError, "the API key lacks the right to ask for this merchant"),
        404: (errors.ConnectorError, "there is no such call: check base_url"),
        425: (errors.ProcessorUnavailable, "it is too early: try again later"),
        "": (errors.ConnectorError, "the answer holds an error"),
    }
    any_case = True  # most states are written in capitals, a sample for PayPal is not
    identifiers = tuple(frozenset({name}) for name in REFERENCES)

    api_key: str = setting(secret=True, help="API Key of the workspace's credentials")
    api_secret: str = setting(secret=True, help="API Secret that was shown with the API Key")
    merchant_id: str = setting(help="Merchant ID (MID)")
    terminal_id: str | None = setting(default=None, help="Terminal ID (TID), if the merchant has it")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        given = dict(query.items())
        name = next((name for name in REFERENCES if name in given), "connector_refund_id")
        terminal = {"terminalId": self.terminal_id} if self.terminal_id else {}
        body = {
            "referenceTransactionDetails": {REFERENCES[name]: given.get(name)},
            "merchantDetails": {"merchantId": self.merchant_id, **terminal},
        }
        return Request("POST", "/payments/v1/transaction-inquiry", json=body, auth=self._sign)

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        item = _asked_item(query, response)
        amount = ("paymentReceipt", "approvedAmount")
        return self.refund(
            item,
            item.word("gatewayResponse", "transactionState"),
            failure=_failure(item),
            connector_refund_id=item.required(*DETAILS, "transactionId"),
            connector_transaction_id=item.text("referenceTransactionDetails", "referenceTransactionId"),
            merchant_refund_id=_own_id(item),
            refund_amount=item.decimal_money(*amount, "total", currency=item.text(*amount, "currency")),
            created_at=item.iso_time(*DETAILS, "transactionTimestamp"),
            acquirer_reference_number=item.text(*RECEIPT, "referenceNumber"),
        )

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        status, body = response.status_code, response.json()
        if status < 300 and isinstance(body, list):
            return None
        fields = Fields(body)
        error = _first_error(fields)
        code = error.text("code")
        other = "" if status < 300 and error.value else None
        trace = fields.text(*DETAILS, "apiTraceId") or fields.text("errorResponse", *DETAILS, "apiTraceId")
        return self.refusal(code, status, other, code=code, request_id=trace)

    def _sign(self, request: WireRequest, moment: Moment) -> WireRequest:
        sent = str(int(moment.now.timestamp() * 1000))
        signed = f"{self.api_key}{moment.nonce}{sent}".encode() + (request.body or b"")
        headers = {"Api-Key": self.api_key, "Client-Request-Id": moment.nonce, "Timestamp": sent}
        signature = hmac_base64(self.api_secret.encode(), signed)
        return request.with_headers({**headers, "Auth-Token-Type": "HMAC", "Authorization": signature})


def _asked_item(query: RefundQuery, response: Response) -> Fields:
    items = response.json()
    if not isinstance(items, list):
        raise errors.MappingError("the body is not a list of transactions", field="body")
    asked = query.connector_refund_id
    found = [item for item in map(Fields, items) if asked in (None, item.required(*DETAILS, "transactionId"))]
    if not found:
        raise errors.RefundNotFound("Fiserv knows no such transaction of this merchant and environment")
    refunds = [item for item in found if item.required("gatewayResponse", "transactionType").upper() == "REFUND"]
    if not refunds:
        raise errors.NotARefund("this identifier belongs to a transaction that is no refund, probably to the charge")
    if len(refunds) > 1:
        raise errors.AmbiguousRefund("several refunds have this identifier: ask with connector_refund_id")
    return refunds[0]


def _own_id(item: Fields) -> str | None:
    names = ("merchantTransactionId", "merchantOrderId", "merchantInvoiceNumber")
    return next(filter(None, (item.text("transactionDetails", name) for name in names)), None)


def _first_error(fields: Fields) -> Fields:
    found = (fields.first(*place) for place in ERROR_PLACES)
    return next((error for error in found if error.value), Fields({}))


def _failure(item: Fields) -> ErrorInfo | None:
    error = _first_error(item)
    if error.value:
        return ErrorInfo(code=error.text("code"), message=error.text("message"))
    codes = (item.text(*RECEIPT, name) for name in ("hostResponseCode", "responseCode"))
    # A refund that was approved first and voided later keeps what was said then.
    code = next((code for code in codes if code and code not in APPROVED), None)
    if code is None:
        return None
    return ErrorInfo(
        code=code, message=item.text(*RECEIPT, "responseMessage") or item.text(*RECEIPT, "hostResponseMessage")
    )
