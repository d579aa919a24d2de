"""Building a request and mapping an answer, for each connector, beside parsing the same answer alone.

python tests/benchmarks/mapping.py [--calls N]
"""

from __future__ import annotations

import json
import statistics

from defusedxml.ElementTree import fromstring
from measuring import Cell, Table, read_options, take_turns, times

from refundry.http import Response
from refundry.plugins import connector_names, load_connector
from refundry.testing import ConnectorContract, Wiring
from refundry.testing.wiring import sandbox_of


def parsed(response: Response) -> object:
    """The answer as its own kind of document, and no more."""
    body = response.body
    return fromstring(body) if body.lstrip().startswith(b"<") else json.loads(body.decode("utf-8-sig"))


def measure(name: str, calls: int) -> tuple[Cell, ...] | None:
    """The row of a connector, or None for one that has no get."""
    contract = type(name, (ConnectorContract,), {"connector": load_connector(name)})()
    refund = contract.example(sandbox_of(contract.connector).lives["settles"][0])
    wiring = Wiring(contract.connector, [refund])
    client = wiring.client()
    if not client.account.can("get"):
        return None
    query = contract.query(refund)
    client.get(query)
    hooks, answers = client.account.hooks, wiring.answered[-2:]

    def build_and_map() -> None:
        fresh = [Response(one.status_code, one.headers, one.body) for one in answers]
        hooks.fetch_refund(query).to_wire("https://x.example")
        hooks.map_refund(query, fresh[-1], tuple(fresh[:-1]))

    works = {"parse": times(lambda: [parsed(one) for one in answers], calls), "map": times(build_and_map, calls)}
    costs = take_turns(works, 5, calls)
    parse, ours = (statistics.median(one.cpu for one in costs[way]) * 1e6 for way in works)
    return name, ours, parse, ours / parse


def main() -> None:
    """One line for each connector that has a get."""
    options = read_options(__doc__, calls=500)
    rows = [row for name in connector_names() if (row := measure(name, options.calls))]
    columns = ("connector", "us, build + map", "us, parse alone", "times parsing alone")
    title = "Building a request and mapping an answer; the goal is under 60 us for Stripe"
    Table("mapping", title, columns, rows).publish(options.results)


if __name__ == "__main__":
    main()
