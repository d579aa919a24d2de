"""What a connector maps, it maps exactly, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refundry.client import RefundClient
from refundry.errors import MappingError, RefundNotFound, RefundryError
from refundry.http import Response
from refundry.model import UNKNOWN, Refund, RefundQuery
from refundry.sandbox import Call
from refundry.testing.cases import Cases
from refundry.testing.mutations import mutated_bodies
from refundry.testing.strategies import refunds
from refundry.testing.wiring import Wiring, sandbox_of

MUTATIONS = 10_000
_LONGEST_TOKEN = timedelta(days=1)
_every_class = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow]
)


class MappingContract(Cases):
    """From an answer to a refund."""

    @given(data=st.data())
    @_every_class
    def test_what_is_rendered_maps_to_what_it_was(self, data: st.DataObject) -> None:
        self.needs("get")
        refund = data.draw(refunds(self.connector, sandbox_of(self.connector), self.words()))
        wiring = self.wiring(refund)
        assert self.asked(wiring, refund) == refund

    def test_an_unknown_word_is_unknown_and_kept(self) -> None:
        self.needs("get")
        for word in ("a word that no document has", "SUCCEEDED!"):
            refund = attrs.evolve(self.example(), status=UNKNOWN, connector_status=word)
            mapped = self.asked(self.wiring(refund), refund)
            assert mapped.status is UNKNOWN
            assert mapped.connector_status is None or word in mapped.connector_status

    def test_a_refund_can_be_asked_for_again(self) -> None:
        self.needs("get")
        refund = self.example()
        wiring = self.wiring(refund)
        client = wiring.client()
        first = client.get(self.query(refund))
        assert client.get(first.query()) == first

    def test_an_answer_about_another_refund_is_never_the_one_that_was_asked_for(self) -> None:
        self.needs("get")
        if self.connector.gives_other_ids:
            pytest.skip(f"{self.connector.name} declares that it answers with other ids")
        refund, other = self.example(), self.example(number=2)
        theirs = self.wiring(other)
        self.asked(theirs, other)
        answers = iter(theirs.answered)
        wiring = self.wiring(refund)
        wiring.tamper = lambda _: next(answers)
        with pytest.raises((MappingError, RefundNotFound)):
            wiring.client().get(self.query(refund))

    def test_no_mutated_answer_is_more_than_a_refund_or_a_typed_error(self) -> None:
        self.needs("get")
        chance = Random(self.connector.name)
        for refund in self.examples():
            self._mutate(refund, MUTATIONS // len(self.examples()), chance)

    def _mutate(self, refund: Refund, count: int, chance: Random) -> None:
        wiring = self.wiring(refund)
        self.asked(wiring, refund)
        exchanges = list(zip(wiring.sent, wiring.answered, strict=True))
        wiring.reply = _remembering(wiring.reply)  # type: ignore[method-assign, assignment]
        client, query = wiring.client(), self.query(refund)
        for number, (asked, good) in enumerate(exchanges, start=1):
            for body in mutated_bodies(good.body, count // len(exchanges), chance):
                if number < len(exchanges):
                    # A token that was read from an odd answer must not spare the next one.
                    wiring.clock.advance(_LONGEST_TOKEN)
                wiring.tamper = _only_to(asked, wiring, Response(200, good.headers, body))
                self._check_mutated(client, query, body)

    def _check_mutated(self, client: RefundClient, query: RefundQuery, body: bytes) -> None:
        try:
            mapped = client.get(query)
        except RefundryError as error:
            if "defect" in error.message:
                pytest.fail(f"{error.message}: {body[:300]!r}")
            return
        table = self.connector.statuses
        lowered = {word.lower(): status for word, status in table.items()}
        word = mapped.connector_status or ""
        assert mapped.status in (table.get(word), lowered.get(word.lower()), UNKNOWN), (mapped, body[:300])
        assert mapped.refund_amount is None or type(mapped.refund_amount.minor_amount) is int


def _only_to(asked: Any, wiring: Wiring, odd: Response) -> Callable[[Response], Response]:
    def tamper(response: Response) -> Response:
        last = wiring.sent[-1]
        return odd if (last.method, last.url) == (asked.method, asked.url) else response

    return tamper


def _remembering(reply: Callable[[Call], Response]) -> Callable[[Call], Response]:
    known: dict[tuple[str, str, bytes], Response] = {}

    def remember(call: Call) -> Response:
        key = (call.method, call.url, call.body)
        if key not in known:
            known[key] = reply(call)
        return known[key]

    return remember
