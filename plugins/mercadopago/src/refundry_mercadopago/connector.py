"""Mercado Pago: facts from mercadopago.com/developers, mercadopago/openapi and mercadopago/sdk-python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from refundry import errors
from refundry.auth import bearer_auth
from refundry.connector import Connector, Listing, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, url_path
from refundry.model import Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_sent, check_signature, header_pairs, hmac_hex
from refundry.status import FAILED, PENDING, SUCCEEDED
from refundry.times import from_seconds_or_milliseconds, to_iso


class MercadoPago(Connector):
    """Mercado Pago, by its Payments API; one host, and the access token says whether it is test or live."""

    name = "mercadopago"
    title = "Mercado Pago"
    documentation = {
        "refunds": "https://www.mercadopago.com.ar/developers/en/reference",
        "webhooks": "https://www.mercadopago.com.ar/developers/en/docs/your-integrations/notifications/webhooks",
        "statuses": "https://github.com/mercadopago/openapi",
        "signatures": "https://github.com/mercadopago/sdk-python",
    }
    base_urls = {"api": {"SANDBOX": "https://api.mercadopago.com", "PRODUCTION": "https://api.mercadopago.com"}}
    statuses = {
        "approved": SUCCEEDED,
        "in_process": PENDING,
        "authorized": PENDING,  # in the reference alone, which does not say what it means
        "rejected": FAILED,
        "cancelled": FAILED,  # in the reference alone
    }
    unmapped = {
        "processed": "of the Orders API, whose refunds are not asked for here",
        "refunded": "a status of the payment, which says nothing about one refund",
        "partially_refunded": "a status of the payment, which says nothing about one refund",
    }
    # By code, and where that is unknown, by HTTP status. Other statuses say what there is to know.
    refusals = {
        "2000": (errors.RefundNotFound, "no such payment of this account"),
        "2032": (errors.RefundNotFound, "no such refund of this payment"),
        "5": (errors.AuthenticationError, "check access_token"),
        400: (errors.ConnectorError, "check the identifiers"),
        401: (errors.AuthenticationError, "check access_token"),
        403: (errors.AuthenticationError, "the access token may not read this payment"),
    }
    identifiers = (frozenset({"connector_transaction_id", "connector_refund_id"}),)
    # Refunds that Mercado Pago labels as hidden are missing.
    listing = Listing(basis="updated", by_payment=True, complete=False, max_page_size=100)
    key_prefixes = {"access_token": {"SANDBOX": ("TEST-",)}}
    request_id_header = "x-request-id"
    unsigned_events = True  # notifications of QR codes; accepted where no webhook_secret is given
    # A notification is sent again for days, and nothing says that it is signed anew.
    event_tolerance = timedelta(days=8)

    access_token: str = setting(secret=True, help="Access Token of the application (TEST-... or APP_USR-...)")
    webhook_secret: Secrets = signing_secrets(
        default=None, help="Secret signature of the application's webhooks; none for QR codes, which are not signed"
    )
    metadata_key: str = setting(default="order_id", help="Key of a refund's metadata that holds your own refund id")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return self._get(query.connector_transaction_id, "refunds", query.connector_refund_id)

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response, previous: Sequence[Response]) -> Refund | Request:
        payment, refund = query.connector_transaction_id, [*previous, response][0].json()
        if previous or query.currency:
            currency = query.currency or Fields(response.json()).text("currency_id")
            return self._refund(refund, payment, currency)
        Fields(refund).required("id")
        return self._get(payment)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        payment = window.connector_transaction_id
        if payment:
            # Refunds have no currency: the payment is asked for it first, and the cursor carries it.
            return self._get(payment) if cursor is None else self._get(payment, "refunds")
        # A payment that changes meanwhile moves to the front of the list, as long as that ends later than today: so
        # it may come twice, and pushes no other out of the pages that are still to come.
        params = {
            "sort": "date_last_updated",
            "criteria": "desc",
            "range": "date_last_updated",
            "begin_date": to_iso(window.since, "milliseconds"),
            "end_date": to_iso(window.until + timedelta(days=1), "milliseconds"),
            "offset": cursor or 0,
            "limit": window.page_size,
        }
        return Request("GET", "/v1/payments/search", params=params, auth=bearer_auth(self.access_token))

    @hookimpl
    def map_refunds(self, window: Window, cursor: str | None, response: Response) -> RefundPage:
        payment = window.connector_transaction_id
        if payment and cursor is None:
            return RefundPage(cursor=Fields(response.json()).text("currency_id") or "")
        if payment:
            refunds = Fields({"refunds": response.json()}).required_items("refunds")
            return page(refunds, lambda refund: self._refund(refund, payment, cursor or None))
        fields = Fields(response.json())
        results = fields.required_items("results")
        following, total = int(cursor or 0) + len(results), fields.get("paging", "total")
        is_last = not results or (type(total) is int and following >= total)
        return page(_each_refund(results), self._listed, cursor=None if is_last else str(following))

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if not 400 <= response.status_code < 500 or response.status_code == 429:
            return None
        fields = Fields(response.json())
        code = fields.first("cause").text("code") or fields.text("error")
        return self.refusal(code, response.status_code, code=code)

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        if not self.webhook_secret:
            return False
        if not event.params:
            raise errors.SignatureError(
                "Mercado Pago signs the query of the address: pass the url that was called, with it"
            )
        parts = dict(header_pairs(event, "x-signature"))
        sent = parts.get("ts", "")
        # Examples of both units are documented.
        check_sent(event, sent, self.event_tolerance, read=from_seconds_or_milliseconds)
        payment = event.params.get("data.id", "")
        # The documents write the id in small letters, and Mercado Pago's own libraries as it came.
        texts = [_signed(one, event.header("x-request-id"), sent) for one in (payment, payment.lower())]
        expected = [hmac_hex(secret.encode(), text) for secret in self.webhook_secret.every() for text in texts]
        check_signature(expected, [parts.get("v1", "")])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        fields = Fields(event.json())
        if (event.params.get("type") or fields.word("type")) != "payment":
            return []
        # The body is not signed, and of the payment it would say nothing more.
        payment = event.params.get("data.id")
        if not payment:
            raise errors.MappingError("the address that was called has no data.id", field="data.id")
        return [RefundEvent(query=RefundQuery(connector_transaction_id=payment), event_id=fields.text("id"))]

    def _get(self, payment: str | None, *rest: str | None) -> Request:
        return Request("GET", url_path("v1", "payments", payment, *rest), auth=bearer_auth(self.access_token))

    def _listed(self, pair: tuple[object, object]) -> Refund:
        payment = Fields(pair[0], where="payment")
        return self._refund(pair[1], payment.required("id"), payment.text("currency_id"))

    def _refund(self, body: object, payment: str | None, currency: str | None) -> Refund:
        fields = Fields(body)
        return self.refund(
            fields,
            fields.word("status"),  # refunds of 2017 have none
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("payment_id") or payment,
            merchant_refund_id=fields.text("metadata", self.metadata_key),
            refund_amount=fields.decimal_money("amount", currency=currency),
            refund_reason=fields.text("reason"),
            created_at=fields.iso_time("date_created"),
            acquirer_reference_number=fields.text("unique_sequence_number"),
        )


def _each_refund(payments: Iterable[object]) -> Iterator[tuple[object, object]]:
    """Each refund with its payment; where the refunds of a payment cannot be read, None stands for them."""
    for payment in payments:
        refunds = payment.get("refunds") if isinstance(payment, dict) else None
        if isinstance(refunds, list) and refunds:
            yield from ((payment, refund) for refund in refunds)
        elif not _has_no_refunds(payment):
            yield payment, None


def _has_no_refunds(payment: object) -> bool:
    if not isinstance(payment, dict) or not payment.get("id") or payment.get("refunds"):
        return False
    amount = payment.get("transaction_amount_refunded")
    return not (isinstance(amount, int | Decimal) and amount > 0)


def _signed(payment: str, request_id: str | None, sent: str) -> bytes:
    pairs = (("id", payment), ("request-id", request_id), ("ts", sent))
    # A header may hold half a character.
    return "".join(f"{name}:{value};" for name, value in pairs if value).encode(errors="surrogatepass")
