"""Checkout.com: facts from checkout.com/docs on payment actions, access keys, API endpoints and webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry import errors
from refundry.auth import basic_auth, bearer_auth, client_credentials_request, read_oauth_token, token_auth
from refundry.connector import Connector, Listing, Secrets, one_of, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, Token, url_path
from refundry.model import ErrorInfo, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, asked_refund, page
from refundry.signing import check_hmac, required_header, same
from refundry.status import FAILED, PENDING, SUCCEEDED

# Checkout.com counts two decimals for every currency that its page on amounts does not list: these are where that
# differs from ISO 4217.
EXPONENTS = {"CLF": 2, "CLP": 2, "UYI": 2, "UYW": 2}

REFUND_EVENTS = ("payment_refunded", "payment_refund_declined", "payment_refund_pending")


class Checkout(Connector):
    """Checkout.com, where a refund is one of the actions of a payment."""

    name = "checkout"
    title = "Checkout.com"
    documentation = {
        "actions": "https://www.checkout.com/docs/payments/request-payouts/get-payout-actions",
        "webhooks": "https://www.checkout.com/docs/workflows/set-up-your-webhook-receiver",
        "amounts": "https://www.checkout.com/docs/payments/accept-payments/format-the-amount-value",
        "hosts": "https://www.checkout.com/docs/developer-resources/api/api-endpoints",
        "rate limits": "https://www.checkout.com/docs/developer-resources/api/api-rate-limits",
    }
    base_urls = {
        "api": {
            "SANDBOX": ("https://{prefix}.api.sandbox.checkout.com", "https://api.sandbox.checkout.com"),
            "PRODUCTION": ("https://{prefix}.api.checkout.com", "https://api.checkout.com"),
        },
        "auth": {
            "SANDBOX": ("https://{prefix}.access.sandbox.checkout.com", "https://access.sandbox.checkout.com"),
            "PRODUCTION": ("https://{prefix}.access.checkout.com", "https://access.checkout.com"),
        },
    }
    statuses = {
        "approved=true": SUCCEEDED,
        "approved=false": FAILED,  # response_code and response_summary say why
        "approved=absent": PENDING,  # accepted, and neither approved nor declined yet
        "payment_refunded": SUCCEEDED,  # a webhook says it by its type, and has no "approved"
        "payment_refund_declined": FAILED,
        "payment_refund_pending": PENDING,
    }
    unmapped = {
        "Refunded": "a status of the payment, which says nothing about one refund",
        "Partially Refunded": "a status of the payment, which says nothing about one refund",
        "Return": "an action beside the refunds: a bank sent a payout back, or called a payment back",
        "payment_returned": "the webhook of the action Return",
    }
    refusals = {422: (errors.ConnectorError, "it found the request invalid, check the identifiers")}
    identifiers = (
        frozenset({"connector_transaction_id", "connector_refund_id"}),
        frozenset({"connector_transaction_id", "merchant_refund_id"}),
    )
    listing = Listing(basis="payment")
    credentials = one_of({"secret_key"}, {"client_id", "client_secret"})
    key_prefixes = {"secret_key": {"SANDBOX": ("sk_sbox_",)}}
    rate_limit = {"PRODUCTION": 100}
    request_id_header = "Cko-Request-Id"
    visible_after = timedelta(minutes=10)

    secret_key: str | None = setting(secret=True, default=None, help="Secret key (sk_...)")
    client_id: str | None = setting(default=None, help="Access key ID, if no secret key")
    client_secret: str | None = setting(secret=True, default=None, help="Access key secret")
    scope: str = setting(default="gateway", help="Scope that the access key has")
    prefix: str | None = setting(default=None, help="Prefix of the account's API base URL; none: the shared host")
    webhook_signature_key: Secrets = signing_secrets(help="Signature key of the workflow's webhook action")
    webhook_authorization: str | None = setting(
        secret=True, default=None, needed_for={"webhook"}, help="Authorization header key of the webhook action, if any"
    )

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(query.connector_transaction_id, "actions")

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response, previous: Sequence[Response]) -> Refund | Request:
        actions = _actions([*previous, response][0])
        action = asked_refund(
            query, actions, own_id=_own_id, reference=lambda action: action.text("reference"), is_refund=_is_refund
        )
        if not previous and not query.currency:
            return self._get(query.connector_transaction_id)
        currency = query.currency or Fields(response.json()).text("currency")
        return self._action(action, query.connector_transaction_id, currency)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        # Actions have no currency: the payment is asked for it first, and the cursor carries it.
        payment = window.connector_transaction_id
        return self._get(payment) if cursor is None else self._get(payment, "actions")

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        if cursor is None:
            return RefundPage(cursor=Fields(response.json()).text("currency") or "")
        payment = window.connector_transaction_id
        return page(_actions(response), lambda action: self._action(Fields(action), payment, cursor or None))

    @hookimpl
    def fetch_token(self) -> Request | None:
        if self.secret_key:
            return None
        auth = basic_auth(self.client_id or "", self.client_secret or "")
        return client_credentials_request("/connect/token", auth, base="auth", scope=self.scope)

    @hookimpl
    def map_token(self, response: Response) -> Token:
        return read_oauth_token(response)

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        # Other refusals say by their status what there is to know, mostly with an empty body.
        if response.status_code != 422:
            return None
        fields = Fields(response.json())
        codes = [code for code in fields.items("error_codes") if isinstance(code, str)]
        code = codes[0] if codes else fields.text("error_type")
        return self.refusal(422, code=code, request_id=fields.text("request_id"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        # The documents call the signature hex and say nothing about capitals.
        given = required_header(event, "Cko-Signature").lower()
        check_hmac(self.webhook_signature_key.candidates(), event.body, given)
        expected = self.webhook_authorization
        if expected and not same(expected, required_header(event, "Authorization")):
            raise errors.SignatureError("the header Authorization is not the setting webhook_authorization")
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        kind = fields.word("type")
        if kind not in REFUND_EVENTS:
            return []
        data = fields.at("data")
        refund_id, currency = data.required("action_id"), data.text("currency")
        refund = self._refund(data, kind, refund_id, data.text("id"), currency)
        # The second name is that of older accounts.
        made_at = fields.iso_time("created_on") or fields.iso_time("timestamp")
        # An event is made seconds after what it tells: so dated, a pending one would outdate the outcome of a get.
        occurred_at = None if refund.processed_at else made_at
        return [RefundEvent(refund=refund, event_id=fields.text("id"), occurred_at=occurred_at)]

    def _get(self, payment: str | None, *rest: str) -> Request:
        auth = bearer_auth(self.secret_key) if self.secret_key else token_auth
        return Request("GET", url_path("payments", payment, *rest), auth=auth)

    def _action(self, action: Fields, payment: str | None, currency: str | None) -> Refund:
        if not _is_refund(action):
            raise errors.NotARefund("this action of the payment is no refund")
        return self._refund(action, _condition(action), action.required("id"), payment, currency)

    def _refund(
        self, fields: Fields, condition: str, refund_id: str, payment: str | None, currency: str | None
    ) -> Refund:
        return self.refund(
            fields,
            condition,
            failure=ErrorInfo.of(code=fields.text("response_code"), message=fields.text("response_summary")),
            connector_refund_id=refund_id,
            connector_transaction_id=payment,
            merchant_refund_id=fields.text("reference"),
            refund_amount=fields.minor_money("amount", currency=currency, exponents=EXPONENTS),
            processed_at=fields.iso_time("processed_on"),
            acquirer_reference_number=fields.text("processing", "acquirer_reference_number"),
        )


def _actions(response: Response) -> list[object]:
    actions = response.json()
    if not isinstance(actions, list):
        raise errors.MappingError("the body is not a list of actions", field="body")
    return actions


def _own_id(action: Fields) -> str:
    # An action without a type is not understood, whatever its id.
    action.required("type")
    return action.required("id")


# An older page of the documents shows one id on a refund and on a capture: the type decides.
def _is_refund(action: Fields) -> bool:
    return action.required("type") == "Refund"


def _condition(action: Fields) -> str:
    approved = action.get("approved")
    if approved is None:
        return "approved=absent"
    if isinstance(approved, bool):
        return f"approved={str(approved).lower()}"
    return f'approved="{action.required("approved")}"'
