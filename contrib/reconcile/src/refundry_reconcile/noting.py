"""What processors say, written down in batches: pages with the place after them, answers with their questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from refundry.errors import NotARefund
from refundry.model import Refund, RefundQuery
from refundry_reconcile.asking import Outcome, Question, is_absent
from refundry_reconcile.paging import Leaf
from refundry_reconcile.saying import COLUMNS, Scribe
from refundry_reconcile.store import BATCH, Store, plain, to_column

HINT = "hint:"
"""How the key of a question begins that a list gave rise to."""
_ANSWER = ("account", "question", "outcome", "connector_refund_id", "reason", "observed_at")
_ANSWERS_AT_A_TIME = 500
_PAGES_AT_A_TIME = 100
"""Whatever their size: so many pages at most are asked for again after a run was killed."""
_LONGEST_UNWRITTEN = timedelta(seconds=10)
"""Of a slow processor, no more than what it said in this time is asked for again."""


@attrs.define
class Listed:
    """The pages of one account's list."""

    store: Store
    account: str
    count: int
    """How many refunds came so far, those of earlier runs included."""
    _position: str | None = None
    _rows: list[Sequence[Any]] = attrs.field(factory=list)
    _hints: list[Sequence[str]] = attrs.field(factory=list)
    _unreadable: int = 0
    _pages: int = 0
    _oldest: datetime | None = None
    _scribe: Scribe = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._scribe = Scribe(self.account)

    def add(self, leaf: Leaf, now: datetime) -> None:
        """Take a page in."""
        at = to_column(now) or ""
        self._rows += [self._scribe.row(refund, "list", at) for refund in leaf.page.refunds]
        self._hints += [(self.account, hint_key(hint)) for hint in leaf.page.hints]
        self._unreadable += len(leaf.page.problems)
        self.count += len(leaf.page.refunds)
        self._position = leaf.position
        self._pages += 1
        self._oldest = self._oldest or now
        is_large = len(self._rows) >= BATCH or self._pages >= _PAGES_AT_A_TIME
        if is_large or now - self._oldest >= _LONGEST_UNWRITTEN:
            self.write()

    def write(self) -> None:
        """Write the pages together with the place after them."""
        if self._position is None:
            return
        with self.store.writing():
            self.store.copy("said", COLUMNS, self._rows)
            self.store.copy("hints", ("account", "question"), self._hints)
            self.store.run(
                "UPDATE coverage SET position = ?, listed = ?, unreadable = unreadable + ? WHERE account = ?",
                [self._position, self.count, self._unreadable, self.account],
            )
        self._rows, self._hints, self._unreadable, self._pages, self._oldest = [], [], 0, 0, None


@attrs.define
class Answered:
    """The answers of one account."""

    store: Store
    account: str
    count: int = 0
    _rows: list[Sequence[Any]] = attrs.field(factory=list)
    _answers: list[Sequence[Any]] = attrs.field(factory=list)
    _oldest: datetime | None = None
    _scribe: Scribe = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._scribe = Scribe(self.account)

    def add(self, question: Question, outcome: Outcome, now: datetime) -> None:
        """Take an answer in."""
        at = to_column(now) or ""
        refunds, source = _refunds(outcome)
        self._rows += [self._scribe.row(refund, source, at) for refund in refunds]
        self._answers.append((self.account, question.key, *_result(question, outcome), at))
        self.count += 1
        self._oldest = self._oldest or now
        if len(self._answers) >= _ANSWERS_AT_A_TIME or now - self._oldest >= _LONGEST_UNWRITTEN:
            self.write()

    def write(self) -> None:
        """Write the answers."""
        with self.store.writing():
            self.store.copy("said", COLUMNS, self._rows)
            self.store.copy("answers", _ANSWER, self._answers)
        self._rows, self._answers, self._oldest = [], [], None


def _refunds(outcome: Outcome) -> tuple[tuple[Refund, ...], str]:
    match outcome:
        case Refund():
            return (outcome,), "get"
        case tuple():
            return outcome, "list"
        case _:
            return (), ""


def _result(question: Question, outcome: Outcome) -> tuple[str, str | None, str | None]:
    match outcome:
        case Refund():
            return "found", plain(outcome.connector_refund_id), None
        case tuple():
            # Which of the payment's refunds it is, if any, is for the matching to say.
            return "absent", None, "no refund of this payment fits"
        case NotARefund() if question.key.startswith(HINT):
            return "absent", None, plain(outcome.message)
        case _ if is_absent(outcome):
            return "absent", None, plain(outcome.message)
        case _:
            return "failed", None, plain(outcome.message)


def hint_key(query: RefundQuery) -> str:
    """The key of a refund that a list only named."""
    named = {name: getattr(query, name) for name in sorted(query.given()) if "." not in name}
    return HINT + json.dumps({**named, "metadata": dict(query.metadata)}, sort_keys=True)


def read_hint(key: str) -> Question:
    """The question of such a key."""
    return Question(**json.loads(key.removeprefix(HINT)), key=key)
