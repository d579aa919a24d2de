"""Adyen: facts from docs.adyen.com/online-payments/refund and its API description, Webhooks-v1.json."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from refundry.auth import basic_credentials
from refundry.connector import Connector, Secrets, setting, signing_secrets
from refundry.errors import ConfigurationError, MappingError, SignatureError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Response
from refundry.model import ErrorInfo, Refund, RefundEvent
from refundry.reading import Fields, each_event
from refundry.signing import check_signature, hmac_base64, same
from refundry.status import FAILED, PENDING, SUCCEEDED

# Where docs.adyen.com/development-resources/currency-codes differs from ISO 4217.
EXPONENTS = {"CLP": 2, "CVE": 0, "IDR": 0, "ISK": 2}

EITHER_WAY, VOID = "CANCEL_OR_REFUND", "VOID_PENDING_REFUND"
ACTION = "modification.action"

_IDENTITY = (("pspReference",), ("originalReference",), ("merchantAccountCode",), ("merchantReference",))
_OUTCOME = (("amount", "value"), ("amount", "currency"), ("eventCode",), ("success",))


class Adyen(Connector):
    """Adyen, by its standard webhooks alone: it has no call that asks for a refund or lists refunds.

    A status is the event's code and its ``success``, and for CANCEL_OR_REFUND what was done: ``REFUND/true``.
    """

    name = "adyen"
    title = "Adyen"
    documentation = {
        "refunds": "https://docs.adyen.com/online-payments/refund",
        "in-person refunds": "https://docs.adyen.com/point-of-sale/basic-tapi-integration/refund-payment/refund-webhooks",
        "webhooks": "https://docs.adyen.com/development-resources/webhooks",
        "signatures": "https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures",
        "currencies": "https://docs.adyen.com/development-resources/currency-codes",
    }
    # Nothing is sent there. The live host of the Checkout API is each merchant's own, so this names one that is not.
    base_urls = {"api": {"SANDBOX": "https://pal-test.adyen.com", "PRODUCTION": "https://pal-live.adyen.com"}}
    statuses = {
        "REFUND/true": SUCCEEDED,  # checked and sent to the scheme: may still fail or be reversed
        "REFUND/false": FAILED,  # did not pass the checks
        "REFUND_FAILED/true": FAILED,  # the scheme rejected it; "true" is said of the event, not of the refund
        "REFUND_FAILED/false": FAILED,
        "REFUNDED_REVERSED/true": FAILED,  # the money came back, for example from a closed account
        "REFUNDED_REVERSED/false": FAILED,
        "POSTPONED_REFUND/true": PENDING,  # waits for the capture
        "POSTPONED_REFUND/false": FAILED,  # neither made nor put off; no document says more
        "CANCEL_OR_REFUND/true/refund": SUCCEEDED,
        "CANCEL_OR_REFUND/false": FAILED,
        "REFUND_WITH_DATA/true": SUCCEEDED,  # a refund without a payment: in person, or a payout
        "REFUND_WITH_DATA/false": FAILED,
        "VOID_PENDING_REFUND/true": FAILED,  # stopped before it was made
    }
    unmapped = {
        "received": "the answer to whoever asks for a refund, which says nothing of the outcome and is not read here",
        "CANCEL_OR_REFUND/true/cancel": "the payment was cancelled before its capture, so there is no refund",
        "VOID_PENDING_REFUND/false": "the refund was not stopped and stands as it did",
        **dict.fromkeys(("CANCELLATION", "TECHNICAL_CANCEL"), "about a payment that was not captured"),
        "CAPTURE_FAILED": "about the payment",
        **dict.fromkeys(
            ("CHARGEBACK", "CHARGEBACK_REVERSED", "SECOND_CHARGEBACK"), "a dispute, not a merchant's refund"
        ),
        "PAIDOUT_REVERSED": "about a payout that came back",
    }
    reversible_for = timedelta(days=56)  # 40 business days until the money is with the shopper

    merchant_account: str = setting(needed_for={"webhook"}, help="Merchant account (its code)")
    webhook_hmac_key: Secrets = signing_secrets(help="HMAC key of the standard webhook (hexadecimal)")
    webhook_username: str | None = setting(
        default=None, needed_for={"webhook"}, help="User name of the webhook's Basic authentication, if it has one"
    )
    webhook_password: str | None = setting(
        default=None, secret=True, needed_for={"webhook"}, help="Password of the webhook's Basic authentication"
    )

    def __attrs_post_init__(self) -> None:
        if not all(_is_hex(key) for key in self.webhook_hmac_key.every()):
            raise ConfigurationError("the setting webhook_hmac_key is not hexadecimal: copy it as Adyen shows it")
        if bool(self.webhook_username) != bool(self.webhook_password):
            missing = "webhook_password" if self.webhook_username else "webhook_username"
            raise ConfigurationError(f"the setting {missing} is missing: Basic authentication needs both or neither")

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        self._check_password(event)
        try:
            items = _items(event)
        except MappingError:
            raise SignatureError("the event is no standard webhook as JSON, and no other is signed this way") from None
        if not items:
            raise SignatureError("the event holds no item, so there is no signature")
        for item in items:
            given = item.text("additionalData", "hmacSignature") or ""
            expected = [signature(item, key) for key in self.webhook_hmac_key.every()]
            check_signature(expected, [given] if given.isascii() else [])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent | MappingError]:
        return each_event(_items(event), self._event)

    @hookimpl
    def acknowledge_event(self, accepted: bool) -> Response | None:
        return Response(200, {"Content-Type": "text/plain"}, b"[accepted]") if accepted else None

    def _check_password(self, event: Event) -> None:
        if not (self.webhook_username and self.webhook_password):
            return
        scheme, _, given = (event.header("Authorization") or "").partition(" ")
        expected = basic_credentials(self.webhook_username, self.webhook_password)
        if not same(f"{scheme.capitalize()} {given.strip()}", expected):
            raise SignatureError("the webhook's user name or password is missing or wrong: compare them with Adyen's")

    def _event(self, item: Fields) -> RefundEvent | None:
        # Every documented refund event has the word in its code; one that is new is better unknown than unseen.
        if "REFUND" not in item.required("eventCode"):
            return None
        word = _word(item)
        if word in self.unmapped:
            return None
        refund = self._refund(item, word)
        event_id = "/".join((item.required("eventCode"), item.required("pspReference"), item.word("success") or ""))
        foreign = item.text("merchantAccountCode") != self.merchant_account
        return RefundEvent(refund=refund, event_id=event_id, foreign=foreign)

    def _refund(self, item: Fields, word: str) -> Refund:
        happened, currency = item.iso_time("eventDate"), item.text("amount", "currency")
        # The result of a void comes under the void's own reference; what it voids, the refund, is the original.
        voided = word.startswith(VOID)
        message = item.text("reason") or item.text("additionalData", "acquirerErrorDescription")
        return self.refund(
            item,
            word,
            failure=ErrorInfo.of(code=item.text("additionalData", "acquirerErrorCode"), message=message),
            connector_refund_id=item.text("originalReference") if voided else item.required("pspReference"),
            connector_transaction_id=None if voided else item.text("originalReference"),
            merchant_refund_id=item.text("merchantReference"),
            refund_amount=item.minor_money("amount", "value", currency=currency, exponents=EXPONENTS),
            updated_at=happened,
            processed_at=happened if self.status_of(word).is_settled else None,
            acquirer_reference_number=item.text("additionalData", "arn"),
        )


def signature(item: Fields, key: str) -> str:
    """The signature of one item, as base64, with one hexadecimal key.

    It covers the identifiers, the amount, the event's code and its success, joined by colons that nothing escapes.
    Raises `SignatureError` for a colon in one of the last four, where Adyen writes none: a part of the merchant's
    reference could otherwise be passed off as one of them.
    """
    identity = [item.text(*path) or "" for path in _IDENTITY]
    outcome = [item.text(*path) or "" for path in _OUTCOME]
    if any(":" in part for part in outcome):
        raise SignatureError("an item holds a colon where Adyen writes none: it was changed on its way")
    signed = ":".join((*identity, *outcome)).encode(errors="surrogatepass")
    return hmac_base64(bytes.fromhex(key), signed)


def _items(event: Event) -> list[Fields]:
    return [Fields(item).at("NotificationRequestItem") for item in Fields(event.json()).items("notificationItems")]


def _word(item: Fields) -> str:
    code, success = item.word("eventCode"), item.word("success")
    parts = [code, success]
    if code == EITHER_WAY and success == "true":
        parts.append(item.word("additionalData", ACTION))
    return "/".join(part for part in parts if part)


def _is_hex(text: str) -> bool:
    try:
        return bool(bytes.fromhex(text))
    except ValueError:
        return False
