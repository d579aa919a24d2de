"""TrustPay for bank transfers: facts from juspay/hyperswitch-prism; of doc.trustpay.eu/aapi only the token's part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from refundry import errors
from refundry.auth import basic_auth, client_credentials_request, read_oauth_token, token_auth
from refundry.connector import Connector, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, Token, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundQuery
from refundry.reading import Fields
from refundry.signing import check_hmac
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry_trustpay.common import DOCUMENTATION, asked_id

MOST_DIGITS = 30


class TrustPayBank(Connector):
    """TrustPay, by its API for bank transfers and instant bank payments."""

    name = "trustpay-bank"
    title = "TrustPay (bank transfers)"
    documentation = DOCUMENTATION
    # One host; the project says whether it is a test.
    base_urls = {"api": {"SANDBOX": "https://aapi.trustpay.eu", "PRODUCTION": "https://aapi.trustpay.eu"}}
    statuses = {
        "Pending": PENDING,
        "Authorizing": PENDING,
        "Authorized": PENDING,
        "Paid": SUCCEEDED,
        "Refunded": SUCCEEDED,  # of money that went out (DBIT); of a payment it would be the payment's
        "Rejected": FAILED,
    }
    unmapped = {"Chargebacked": "a dispute about a payment"}
    refusals = {
        "1132003": (errors.AuthenticationError, "check project_id and secret_key"),
        "1132005": (errors.RefundNotFound, "no such transaction in this project"),
        "1132014": (errors.RateLimited, "ask less often"),
        "1133000": (errors.AuthenticationError, "check project_id and secret_key"),
        "1133002": (errors.RefundNotFound, "no such payment request in this project"),
        "": (errors.ConnectorError, "check the identifier"),
    }

    project_id: str = setting(help="Project ID (PID)")
    secret_key: str = setting(secret=True, help="Secret key of the project")
    webhook_secret: Secrets = signing_secrets(help="Key that notifications are signed with")

    @hookimpl
    def fetch_token(self) -> Request:
        return client_credentials_request("/api/oauth2/token", basic_auth(self.project_id, self.secret_key))

    @hookimpl
    def map_token(self, response: Response) -> Token:
        return read_oauth_token(response)

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return Request("GET", url_path("api", "Payments", "Payment", asked_id(query)), auth=token_auth)

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response) -> Refund:
        fields = Fields(response.json()).at("PaymentInformation")
        direction, word = fields.word("CreditDebitIndicator"), fields.word("Status")
        if direction == "CRDT":
            raise errors.NotARefund("this is a payment: give the id that TrustPay gave to the refund")
        reason = fields.at("StatusReasonInformation", "Reason")
        return self.refund(
            fields,
            # "Refunded" counts of money that went out alone.
            word if word != "Refunded" or direction == "DBIT" else None,
            connector_status=word,
            failure=ErrorInfo.of(code=reason.text("Code"), message=reason.text("RejectReason")),
            connector_refund_id=fields.required("References", "PaymentRequestId"),
            connector_transaction_id=query.connector_transaction_id,
            merchant_refund_id=fields.text("References", "MerchantReference"),
            refund_amount=fields.decimal_money("Amount", "Amount", currency=fields.text("Amount", "Currency")),
        )

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        fields = Fields(response.json())
        code = fields.text("ResultInfo", "ResultCode")
        # What was found may come with a result too.
        if code is None or fields.get("PaymentInformation") is not None or fields.get("access_token") is not None:
            return None
        other = "" if response.status_code in (200, 400) else None
        return self.refusal(code, other, code=code, request_id=fields.text("ResultInfo", "CorrelationId"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        try:
            body = event.json()
            given = Fields(body).text("Signature") or ""
        except errors.MappingError:
            raise errors.SignatureError("the event carries no signature that can be read") from None
        # A signature that holds half a character fits nothing, and yet must not stop the sorting.
        values = sorted(_written(value).encode(errors="surrogatepass") for value in _leaves(body) if value != given)
        check_hmac(self.webhook_secret.every(), b"/".join(values), given.lower())
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        # The signature covers the values and not their names, so what the event says is asked for.
        fields = Fields(event.json()).at("PaymentInformation")
        if fields.required("CreditDebitIndicator") != "DBIT" or fields.get("Status") == "Chargebacked":
            return []
        references = fields.at("References")
        refund_id = references.text("PaymentRequestId") or references.required("PaymentId")
        query = RefundQuery(connector_refund_id=refund_id, merchant_refund_id=references.text("MerchantReference"))
        return [RefundEvent(query=query, event_id=f"{refund_id}-{fields.text('Status')}")]


def _leaves(body: object) -> Iterator[object]:
    """Every value at any depth, without the names."""
    rest = [body]
    while rest:
        match rest.pop():
            case dict() as members:
                rest.extend(members.values())
            case list() as items:
                rest.extend(items)
            case value:
                yield value


def _written(value: object) -> str:
    """A value as it is signed: numbers with two decimals."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | Decimal():
            number = Decimal(value)
            if abs(number.adjusted()) > MOST_DIGITS:
                raise errors.SignatureError("the event holds a number that no amount can be")
            return f"{number:.2f}"
        case _:
            return str(value)
