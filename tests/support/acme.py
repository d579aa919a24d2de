"""A processor that does not exist, its connector, and a server that answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

import attrs

from refundry.auth import basic_auth, bearer_auth, client_credentials_request, read_oauth_token, token_auth
from refundry.connector import Connector, Listing, Secrets, one_of, setting, signing_secrets
from refundry.errors import NotARefund, RateLimited, RefundryError
from refundry.hookspecs import hookimpl
from refundry.http import Event, Request, Response, Token, encode_json, url_path
from refundry.model import FAILED, PENDING, SUCCEEDED, UNKNOWN, Refund, RefundEvent, RefundPage, RefundQuery, Window
from refundry.reading import Fields, page
from refundry.signing import check_signature, hmac_hex, required_header


class Acme(Connector):
    """Key or OAuth, get, list and webhook."""

    name = "acme"
    title = "Acme Pay"
    documentation = {"refunds": "https://docs.acme.example/refunds"}
    base_urls = {
        "api": {"SANDBOX": "https://sandbox.acme.example", "PRODUCTION": "https://api.acme.example"},
        "auth": {"SANDBOX": "https://auth.acme.example", "PRODUCTION": "https://auth.acme.example"},
    }
    statuses = {"open": PENDING, "done": SUCCEEDED, "declined": FAILED}
    listing = Listing(basis="created", by_payment=True, max_days=10, max_page_size=50)
    credentials = one_of({"key"}, {"client_id", "client_secret"})
    request_id_header = "X-Request-Id"
    visible_after = timedelta(minutes=1)

    key: str | None = setting(secret=True, default=None, help="API key")
    client_id: str | None = setting(default=None, help="OAuth client")
    client_secret: str | None = setting(secret=True, default=None, help="OAuth secret")
    webhook_secret: Secrets = signing_secrets(help="Signing secret")

    @hookimpl
    def fetch_refund(self, query: RefundQuery) -> Request:
        return Request("GET", url_path("refunds", query.connector_refund_id or ""), auth=self._auth())

    @hookimpl
    def map_refund(self, query: RefundQuery, response: Response, previous: Sequence[Response]) -> Refund | Request:
        fields = Fields((previous[0] if previous else response).json())
        if fields.text("kind") == "payment":
            raise NotARefund("that is a payment")
        if fields.text("kind") == "circle":
            return Request("GET", "/circle", auth=self._auth())
        if fields.text("currency") is None and not previous and query.currency is None and fields.text("payment"):
            return Request("GET", url_path("payments", fields.required("payment")), auth=self._auth())
        currency = fields.text("currency") or query.currency
        if previous:
            currency = Fields(response.json()).text("currency")
        return self._refund(fields.value, currency)

    @hookimpl
    def fetch_refunds(self, window: Window, cursor: str | None) -> Request:
        params = {
            "since": int(window.since.timestamp()),
            "until": int(window.until.timestamp()),
            "size": window.page_size,
            "payment": window.connector_transaction_id,
            "cursor": cursor,
        }
        return Request("GET", "/refunds", params=params, auth=self._auth())

    @hookimpl
    def map_refunds(self, response: Response) -> RefundPage:
        fields = Fields(response.json())
        if fields.get("hints"):
            return page(
                fields.items("hints"), lambda item: RefundQuery(connector_refund_id=item), cursor=fields.text("next")
            )
        return page(fields.items("items"), self._refund, cursor=fields.text("next"))

    @hookimpl
    def fetch_token(self) -> Request | None:
        if self.key:
            return None
        auth = basic_auth(self.client_id or "", self.client_secret or "")
        return client_credentials_request("/token", auth, base="auth")

    @hookimpl
    def map_token(self, response: Response) -> Token:
        return read_oauth_token(response)

    @hookimpl
    def map_error(self, response: Response) -> RefundryError | None:
        if response.status_code == 200 and Fields(response.json()).text("error") == "busy":
            return RateLimited("Acme is busy", code="busy", retry_after=timedelta(seconds=2))
        return None

    @hookimpl
    def verify_event(self, event: Event) -> bool:
        given = required_header(event, "X-Signature")
        check_signature([hmac_hex(key.encode(), event.body) for key in self.webhook_secret.candidates()], [given])
        return True

    @hookimpl
    def map_event(self, event: Event) -> Sequence[RefundEvent]:
        refund = self._refund(event.json())
        return [RefundEvent(query=refund.query(), refund=refund)]

    def _auth(self) -> Any:
        return bearer_auth(self.key) if self.key else token_auth

    def _refund(self, body: Any, currency: str | None = None) -> Refund:
        fields = Fields(body)
        word = fields.word("status")
        return Refund(
            connector_refund_id=fields.required("id"),
            connector_transaction_id=fields.text("payment"),
            status=self.statuses.get(word or "", UNKNOWN),
            connector_status=word,
            refund_amount=fields.minor_money("amount", currency=currency or fields.text("currency")),
            created_at=fields.unix_time("created"),
            problems=fields.problems,
        )


@attrs.frozen
class Asked:
    """A request that reached the server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@attrs.define
class Server:
    """A server on loopback; ``answer`` decides what each request gets."""

    url: str
    answer: Callable[[Asked], Response]
    asked: list[Asked] = attrs.field(factory=list)


@contextmanager
def serving(answer: Callable[[Asked], Response]) -> Iterator[Server]:
    """A real HTTP server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: apart they wait for each other

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            server.asked.append(asked)
            response = server.answer(asked)
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                self.send_header(name, value)
            if "content-length" not in response.headers and "transfer-encoding" not in response.headers:
                self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server = Server(f"http://127.0.0.1:{httpd.server_port}", answer)
    with running(httpd):
        yield server


@contextmanager
def running(server: HTTPServer) -> Iterator[None]:
    """Have a server answer until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def json_answer(value: object, status_code: int = 200, **headers: str) -> Response:
    """An answer with this JSON; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status_code, {"Content-Type": "application/json", **named}, encode_json(value))


DONE = {"id": "r1", "status": "done", "amount": 1050, "currency": "EUR", "payment": "p1", "created": 1772400000}
