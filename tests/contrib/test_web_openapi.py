"""The running service against its own OpenAPI document: every answer is one that the document names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
import schemathesis
import webservers
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from refundry_ledger import Ledger
from refundry_sandbox import Sandbox

LONGER = os.environ.get("SCHEMATHESIS_EXAMPLES")
"""How many examples of each operation a longer run takes, at random."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webservers.Served]:
    path = tmp_path_factory.mktemp("desk") / "ledger.db"
    with Sandbox(["stripe"], speed=0) as sandbox, Ledger.open(str(path), clock=sandbox.clock) as ledger:
        client = sandbox.client("stripe")
        for life in sandbox.lives("stripe"):
            refund = sandbox.add("stripe", life, after=timedelta(hours=1))
            ledger.ask_now(client, ledger.track("stripe", refund.query()).id)
        limits = {"requests_per_minute": 1_000_000, "failures_per_minute": 1_000_000}
        with webservers.serving_desk(ledger, {"stripe": client}, **limits) as made:
            yield made


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_document_names(served: webservers.Served, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {served.token('admin')}"}
    document = schemathesis.openapi.from_url(f"{served.url}/v1/openapi.json")
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) >= 11
    for operation in operations:
        # The plugin of schemathesis does not know this version of pytest.
        @settings(
            max_examples=int(LONGER or 5),
            derandomize=LONGER is None,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers)

        try:
            holds()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing can be wrong with a request without parameters
