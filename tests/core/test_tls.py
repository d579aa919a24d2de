"""TLS cannot be had without a certificate that fits."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
import trustme
from acme import DONE, Acme

from refundry import NetworkError, RefundClient, RefundStatus
from refundry.http import encode_json


class Answering(BaseHTTPRequestHandler):
    wbufsize = -1

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(encode_json(DONE))

    def log_message(self, *arguments: object) -> None: ...


class Quiet(HTTPServer):
    def handle_error(self, *arguments: object) -> None: ...


@contextmanager
def serving_tls(authority: trustme.CA, name: str) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    server = Quiet(("127.0.0.1", 0), Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url: str, bundle: str | bool) -> RefundStatus:
    session = requests.Session()
    session.verify = bundle
    with session, RefundClient(Acme, key="k-123456", base_url=url, session=session) as acme:
        return acme.get(connector_refund_id="r1").status


def test_a_certificate_of_a_known_authority_is_accepted(tmp_path: Path) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with serving_tls(authority, "localhost") as url:
        assert ask(url, str(bundle)) is RefundStatus.SUCCEEDED


@pytest.mark.parametrize("name", ["localhost", "other.example"])
def test_an_unknown_authority_or_another_name_is_refused(tmp_path: Path, name: str) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    (authority if name != "localhost" else trustme.CA()).cert_pem.write_to_path(str(bundle))
    with serving_tls(authority, name) as url, pytest.raises(NetworkError, match="TLS") as caught:
        ask(url, str(bundle))
    assert caught.value.retryable is False
