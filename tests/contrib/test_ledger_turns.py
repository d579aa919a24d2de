"""Turns: what is due is handed out once, and again when it was lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from ledgers import DATABASES, database, stripe_refund
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from refundry.errors import ConfigurationError
from refundry.http import Response
from refundry.model import SUCCEEDED
from refundry.testing import Wiring
from refundry_ledger import Ledger
from refundry_ledger.records import Pass
from refundry_ledger.turns import hand_out, run_turn
from refundry_stripe import Stripe

LEASE = timedelta(minutes=5)
NAMES = ("one", "two", "three")


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with database(request.param, tmp_path) as address:
        yield address


@pytest.fixture
def wiring() -> Wiring:
    return Wiring(Stripe, [stripe_refund("succeeded", number) for number in range(1, 4)])


@pytest.fixture
def ledger(url: str, wiring: Wiring) -> Iterator[Ledger]:
    with Ledger.open(url, clock=wiring.clock) as opened:
        for name in NAMES:
            opened.track(name, refund_id="re_1")
        yield opened


def statuses(ledger: Ledger) -> dict[str, str | None]:
    return {one.account: one.status for one in ledger.find("re_1")}


def test_a_turn_is_handed_out_for_what_is_due_and_only_once(ledger: Ledger) -> None:
    assert sorted(turn.account for turn in hand_out(ledger, ["one", "two", "unknown"])) == ["one", "two"]
    assert [turn.account for turn in hand_out(ledger, NAMES)] == ["three"]
    assert hand_out(ledger, NAMES) == []


def test_many_who_hand_out_at_once_hand_out_each_turn_once(ledger: Ledger) -> None:
    start = threading.Barrier(4)

    def all_of_them(_: int) -> list[str]:
        start.wait()
        return [turn.account for turn in hand_out(ledger, NAMES)]

    with ThreadPoolExecutor(4) as pool:
        found = [name for part in pool.map(all_of_them, range(4)) for name in part]
    assert len(found) == len(set(found))


def test_a_turn_is_taken_once_whoever_has_a_copy_of_it(ledger: Ledger, wiring: Wiring) -> None:
    (turn,) = hand_out(ledger, ["one"])
    client = wiring.client(account_name="one")
    assert (run_turn(ledger, client, turn).done, run_turn(ledger, client, turn)) == (1, Pass())
    assert statuses(ledger) == {"one": SUCCEEDED, "two": None, "three": None}


def test_a_turn_that_was_lost_is_handed_out_again_and_the_old_one_is_void(ledger: Ledger, wiring: Wiring) -> None:
    (lost,) = hand_out(ledger, ["one"], lease=LEASE)
    wiring.clock.advance(LEASE)
    (again,) = hand_out(ledger, ["one"], lease=LEASE)
    client = wiring.client(account_name="one")
    assert run_turn(ledger, client, lost) == Pass()
    assert run_turn(ledger, client, again).done == 1


def test_without_a_turn_an_account_that_is_handed_out_is_left_alone(ledger: Ledger, wiring: Wiring) -> None:
    hand_out(ledger, ["one"])
    assert run_turn(ledger, wiring.client(account_name="one")).done == 0
    assert run_turn(ledger, wiring.client(account_name="two")).done == 1


def test_an_account_whose_refunds_another_process_asks_for_has_no_turn(ledger: Ledger) -> None:
    (refund,) = [one for one in ledger.find("re_1") if one.account == "one"]
    assert ledger.claim("one", refund.id) is not None
    assert hand_out(ledger, ["one"]) == []


def test_an_account_that_cannot_be_asked_rests(ledger: Ledger, wiring: Wiring) -> None:
    wiring.tamper = lambda good: Response(401, {}, b"{}")
    (turn,) = hand_out(ledger, ["one"], lease=LEASE)
    assert list(run_turn(ledger, wiring.client(account_name="one"), turn, lease=LEASE).errors) == ["one"]
    assert hand_out(ledger, ["one"]) == []
    wiring.clock.advance(LEASE)
    assert [again.account for again in hand_out(ledger, ["one"])] == ["one"]


def test_one_refund_is_claimed_and_checked_due_or_not(ledger: Ledger, wiring: Wiring) -> None:
    client = wiring.client(account_name="one")
    ledger.run_once([client])
    (refund,) = [one for one in ledger.find("re_1") if one.account == "one"]
    claim = ledger.claim("one", refund.id)
    assert claim is not None
    assert ledger.claim("one", refund.id) is None
    assert ledger.check(client, claim).done == 1
    assert len(wiring.sent) == 2
    assert ledger.claim("one", refund.id) is not None


def test_a_claim_of_another_account_or_of_none_is_no_claim(ledger: Ledger, wiring: Wiring) -> None:
    (refund,) = [one for one in ledger.find("re_1") if one.account == "one"]
    assert (ledger.claim("two", refund.id), ledger.claim("one", 99)) == (None, None)
    claim = ledger.claim("one", refund.id)
    assert claim is not None
    with pytest.raises(ConfigurationError, match="account_name='one'"):
        ledger.check(wiring.client(account_name="two"), claim)


def test_a_claim_that_has_ended_is_not_asked_for(ledger: Ledger, wiring: Wiring) -> None:
    (refund,) = [one for one in ledger.find("re_1") if one.account == "one"]
    claim = ledger.claim("one", refund.id, lease=LEASE)
    assert claim is not None
    wiring.clock.advance(LEASE)
    other = ledger.claim("one", refund.id, lease=LEASE)
    assert other is not None
    assert other.owner != claim.owner
    assert ledger.check(wiring.client(account_name="one"), claim) == Pass()
    assert wiring.sent == []
    assert ledger.check(wiring.client(account_name="one"), attrs.evolve(other)).done == 1


def test_an_error_of_the_database_tells_no_parameters(ledger: Ledger) -> None:
    with ledger.database.reading() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text("SELECT no_such_function(:body)"), {"body": "canary"})
    assert "canary" not in str(caught.value)
