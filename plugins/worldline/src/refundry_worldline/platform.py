"""What Worldline Direct and Worldline Connect share: settings, signatures, errors and the frame of webhooks."""

from __future__ import annotations

from email.utils import format_datetime

from refundry import errors
from refundry.connector import Connector, Secrets, setting, signing_secrets
from refundry.hookspecs import hookimpl
from refundry.http import Event, Moment, Params, Request, Response, WireRequest
from refundry.model import ErrorInfo, Refund, RefundEvent
from refundry.reading import Fields
from refundry.signing import check_hmac, hmac_base64, required_header

CHALLENGE = "X-GCS-Webhooks-Endpoint-Verification"


class WorldlinePlatform(Connector):
    """The settings and hooks that are the same on both platforms."""

    refusals = {
        400: (errors.ConnectorError, "check the identifiers and merchant_id"),
        401: (errors.AuthenticationError, "check api_key_id, api_secret, merchant_id and the environment"),
        403: (errors.AuthenticationError, "check api_key_id, api_secret, this machine's clock and the environment"),
        404: (errors.RefundNotFound, "no such identifier for this merchant_id"),
        410: (errors.RefundNotFound, "it is no longer kept"),
        500: (errors.ProcessorUnavailable, "try again later"),
        502: (errors.ProcessorUnavailable, "a third party did not answer, try again later"),
        503: (errors.ProcessorUnavailable, "try again later"),
    }
    api_key_id: str = setting(help="API Key (ID)")
    api_secret: str = setting(secret=True, help="API Secret (Secret API Key)")
    merchant_id: str = setting(help="PSPID on Direct, Merchant ID on Connect")
    webhook_secret: Secrets = signing_secrets(help="Secret webhook key, by its key id where there are several")

    @hookimpl
    def map_error(self, response: Response) -> errors.RefundryError | None:
        if response.status_code not in self.refusals:
            return None
        if response.is_html:
            # An unknown identifier may be answered with a page.
            return self.refusal(404) if response.status_code == 404 else None
        fields = Fields(response.json())
        return self.refusal(response.status_code, code=_code(fields.first("errors")), request_id=fields.text("errorId"))

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        if is_challenge(event):
            return True
        secrets = self.webhook_secret.candidates(required_header(event, "X-GCS-KeyId"))
        check_hmac(secrets, event.body, required_header(event, "X-GCS-Signature"), sign=hmac_base64)
        return True

    @hookimpl
    def acknowledge_event(self, event: Event, accepted: bool) -> Response | None:
        if not (accepted and is_challenge(event)):
            return None
        return Response(200, {"Content-Type": "text/plain"}, (event.header(CHALLENGE) or "").encode())

    def ask(self, path: str, params: Params = ()) -> Request:
        """A signed request."""
        return Request("GET", path, params=params, auth=self._signed)

    def told(self, event: Fields, refund: Refund) -> RefundEvent:
        """The refund as an event tells it. A refund has no time of its own, and events come in any order."""
        merchant_id = event.text("merchantId")
        return RefundEvent(
            refund=refund,
            event_id=event.text("id"),
            foreign=bool(self.merchant_id and merchant_id) and merchant_id != self.merchant_id,
            occurred_at=event.iso_time("created"),
        )

    def _signed(self, request: WireRequest, moment: Moment) -> WireRequest:
        date = format_datetime(moment.now, usegmt=True)
        authorization = authorize(self, request.method, date, request.target)
        return request.with_headers({"Date": date, "Authorization": authorization})


def authorize(connector: WorldlinePlatform, method: str, date: str, target: str) -> str:
    """The header Authorization of a request without a body; ``target`` is its path and query as they are sent."""
    signed = f"{method}\n\n{date}\n{target}\n"
    return f"GCS v1HMAC:{connector.api_key_id}:{hmac_base64(connector.api_secret.encode(), signed.encode())}"


def is_challenge(event: Event) -> bool:
    """Whether this asks no more than that the endpoint echoes a header."""
    return event.method == "GET" and event.header(CHALLENGE) is not None


def event_items(event: Event) -> list[object]:
    """The events in a delivery, which is one or a list of them."""
    if is_challenge(event):
        return []
    body = event.json()
    return body if isinstance(body, list) else [body]


def failure(refund: Fields) -> ErrorInfo | None:
    """Why a refund was refused, where it says so."""
    error = refund.first("statusOutput", "errors")
    return ErrorInfo.of(code=_code(error), message=error.text("message"))


def _code(error: Fields) -> str | None:
    return error.text("errorCode") or error.text("code")
