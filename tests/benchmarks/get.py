"""What `RefundClient.get` costs beside bare requests and the official `stripe` package, for the same refund.

python tests/benchmarks/get.py [--rounds N] [--calls N]
"""

from __future__ import annotations

import math
from collections.abc import Callable

import requests
from answering import KEY, REFUND
from measuring import COSTS, Table, cost_rows, read_options, serving, take_turns, times

from refundry import RefundClient


def stripe_get(url: str) -> dict[str, Callable[[], object]]:
    """The same by the `stripe` package, where it is installed."""
    try:
        import stripe
    except ImportError:
        print("without the stripe package: uv sync --all-packages --group benchmarks")
        return {}
    client = stripe.StripeClient(KEY, base_addresses={"api": url}, http_client=stripe.RequestsClient())
    return {"stripe package": lambda: client.v1.refunds.retrieve(REFUND)}


def main() -> None:
    """Start the server, let all ways take turns, and end it."""
    options = read_options(__doc__, rounds=11, calls=300)
    with serving() as url, requests.Session() as session:
        with RefundClient("stripe", api_key=KEY, base_url=url, rate_limit=math.inf) as client:
            headers = {"Authorization": f"Bearer {KEY}"}
            calls: dict[str, Callable[[], object]] = {
                "requests.Session.get().json()": lambda: session.get(
                    f"{url}/v1/refunds/{REFUND}", headers=headers, timeout=30
                ).json(),
                "RefundClient.get": lambda: client.get(connector_refund_id=REFUND),
                **stripe_get(url),
            }
            works = {name: times(call, options.calls) for name, call in calls.items()}
            costs = take_turns(works, options.rounds, options.calls)
    title = "One refund at a time; the goal is at most 0.85 of the reference's CPU"
    Table("get", title, COSTS, cost_rows(costs)).publish(options.results)


if __name__ == "__main__":
    main()
