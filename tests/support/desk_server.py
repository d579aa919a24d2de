"""A desk with one account, Stripe's, in a process of its own: says its port, then serves until it is killed."""

from __future__ import annotations

import os
import sys

from refundry import RefundClient
from refundry_ledger import Ledger
from refundry_stripe.sandbox import StripeSandbox
from refundry_web import Desk, create_app
from refundry_web.serving import listen, serve


def run(url: str) -> None:
    with Ledger(url) as ledger, listen("127.0.0.1", 0) as listening:
        client = RefundClient("stripe", **StripeSandbox.settings, base_url="http://127.0.0.1:9")
        app = create_app(Desk(ledger=ledger, clients={"stripe": client}))
        os.write(1, f"{listening.getsockname()[1]}\n".encode())
        serve(app, listening)


if __name__ == "__main__":
    run(sys.argv[1])
