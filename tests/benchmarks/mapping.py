"""Building a request and mapping an answer, for each connector, beside parsing the same answer alone.

python tests/benchmarks/mapping.py [--calls N]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

from defusedxml.ElementTree import fromstring

from refundry.http import Response
from refundry.plugins import connector_names, load_connector
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.wiring import sandbox_of


def each(call: Callable[[], object], calls: int) -> float:
    """Microseconds of CPU of one call."""
    started = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - started) / calls * 1e6


def parsed(response: Response) -> object:
    """The answer as its own kind of document, and no more."""
    body = response.body
    return fromstring(body) if body.lstrip().startswith(b"<") else json.loads(body.decode("utf-8-sig"))


def main() -> None:
    """One line for each connector that has a get."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    calls = parser.parse_args().calls
    print(f"{'connector':<18}{'build + map':>14}{'parse alone':>14}{'ratio':>8}")
    for name in connector_names():
        contract = type(name, (ConnectorContract,), {"connector": load_connector(name)})()
        refund = contract.example(sandbox_of(contract.connector).lives["settles"][0])
        wiring = Wiring(contract.connector, [refund])
        client = wiring.client()
        if not client.account.can("get"):
            continue
        query = contract.query(refund)
        client.get(query)
        hooks, answers = client.account.hooks, wiring.answered[-2:]

        def build_and_map() -> None:
            fresh = [Response(one.status_code, one.headers, one.body) for one in answers]  # noqa: B023
            hooks.fetch_refund(query).to_wire("https://x.example")  # noqa: B023
            hooks.map_refund(query, fresh[-1], tuple(fresh[:-1]))  # noqa: B023

        parse = each(lambda: [parsed(one) for one in answers], calls)  # noqa: B023
        ours = each(build_and_map, calls)
        print(f"{name:<18}{ours:>11.1f} us{parse:>11.1f} us{ours / parse:>8.1f}")


if __name__ == "__main__":
    main()
