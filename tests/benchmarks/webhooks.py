"""Webhooks verified and mapped per second, beside the official `stripe` package's construction of its event.

python tests/benchmarks/webhooks.py [--rounds N] [--calls N]
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable

from answering import BODY
from measuring import COSTS, Table, cost_rows, read_options, take_turns, times

from refundry import RefundClient

SECRET = "whsec_benchmark"


def event() -> bytes:
    """The event of a refund that has changed."""
    facts = {"id": "evt_1", "object": "event", "type": "refund.updated", "created": 1772442000, "livemode": False}
    return json.dumps({**facts, "data": {"object": json.loads(BODY)}}).encode()


def signature(body: bytes, moment: str) -> str:
    """The signature of Stripe's header, as hex."""
    return hmac.new(SECRET.encode(), f"{moment}.".encode() + body, "sha256").hexdigest()


def stripe_event(body: bytes, header: str) -> dict[str, Callable[[], object]]:
    """The same by the `stripe` package, where it is installed: its event holds the refund, and no status of ours."""
    try:
        import stripe
    except ImportError:
        print("without the stripe package: uv sync --all-packages --group benchmarks")
        return {}
    return {"stripe.Webhook.construct_event": lambda: stripe.Webhook.construct_event(body, header, SECRET)}


def main() -> None:
    """Let the ways take turns."""
    options = read_options(__doc__, rounds=11, calls=1000)
    body, moment = event(), str(int(time.time()))
    header = f"t={moment},v1={signature(body, moment)}"
    with RefundClient("stripe", webhook_secret=SECRET) as client:
        calls: dict[str, Callable[[], object]] = {
            "HMAC and json.loads alone": lambda: (signature(body, moment), json.loads(body)),
            "RefundClient.handle_event": lambda: client.handle_event(body=body, headers={"Stripe-Signature": header}),
            **stripe_event(body, header),
        }
        works = {name: times(call, options.calls) for name, call in calls.items()}
        costs = take_turns(works, options.rounds, options.calls)
    Table("webhooks", "Webhooks, verified and mapped", COSTS, cost_rows(costs)).publish(options.results)


if __name__ == "__main__":
    main()
