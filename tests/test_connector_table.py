"""The README's table of connectors is made from the connectors.

``python tests/test_connector_table.py`` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from refundry.account import HOOKS
from refundry.connector import Connector
from refundry.plugins import connector_hooks, connector_names, load_connector
from refundry.testing.wiring import sandbox_of

README = Path(__file__).parent.parent / "README.md"
BEGIN = "<!-- connectors: made by tests/test_connector_table.py -->\n"
END = "<!-- end of connectors -->"


def row(connector: type[Connector]) -> str:
    """One connector and what it can do."""
    hooks = connector_hooks(connector(**sandbox_of(connector).settings))
    can = ["yes" if hooks.can(*names) else "" for names in HOOKS.values()]
    if connector.listing is not None:
        can[1] = "by payment" if connector.listing.basis == "payment" else "by time"
        if connector.listing.by_payment:
            can[1] += ", by payment"
    plugin = connector.__module__.partition(".")[0].removeprefix("refundry_")
    link = f"[`refundry-{plugin}`](plugins/{plugin}/README.md)"
    return f"| {connector.title} | {link} | {' | '.join(can)} |\n"


def table() -> str:
    """The table as the README holds it."""
    head = "| processor | distribution | get | list | webhook |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(row(load_connector(name)) for name in connector_names())


def test_the_readme_has_every_connector() -> None:
    between = README.read_text().partition(BEGIN)[2].partition(END)[0]
    assert between.strip() == table().strip(), "run: python tests/test_connector_table.py"


if __name__ == "__main__":
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}")
