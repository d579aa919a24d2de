"""How a transaction of NMI's Query API is read: its actions, and what they say of the refund among them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from refundry.errors import AmbiguousRefund, NotARefund
from refundry.model import ErrorInfo, Money
from refundry.money import from_decimal
from refundry.reading import Fields
from refundry.times import from_format

PAYMENT_ACTIONS = ("sale", "auth", "capture")
# What says more of a refund when it stands after it.
TELLING_ACTIONS = ("settle", "void", "return", "check_return", "check_late_return")
APPROVED = "100"
# Conditions that a refused attempt adds nothing to, "unknown" among them: it may still have been made.
DECIDED = ("failed", "canceled", "abandoned", "unknown")


def several(value: Any) -> list[Any]:
    """What XML says once or several times, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def actions_of(transaction: Fields) -> list[Fields]:
    """The actions of a transaction, in the order of the answer."""
    return [Fields(item, where="transaction.action") for item in several(transaction.get("action"))]


def has_refund(transaction: Fields) -> bool:
    """Whether a refund is among the actions."""
    return any(action.text("action_type") == "refund" for action in actions_of(transaction))


def refund_action(actions: Sequence[Fields]) -> Fields:
    """The refund among the actions, rather one that was accepted. Raises `NotARefund` or `AmbiguousRefund`."""
    refunds = [action for action in actions if action.text("action_type") == "refund"]
    if not refunds:
        raise NotARefund("this transaction has no refund: give the transactionid that the refund call returned")
    accepted = [action for action in refunds if action.word("success") != "0"]
    if len(accepted) > 1:
        raise AmbiguousRefund("this payment has several refunds under one identifier, which cannot be told apart")
    return (accepted or refunds)[-1]


def later_actions(actions: Sequence[Fields], refund: Fields) -> list[Fields]:
    """What happened to a refund after it was made, by the order of the actions and by their dates."""
    date = refund.text("date") or ""
    return [
        action
        for action in actions[actions.index(refund) + 1 :]
        if action.text("action_type") in TELLING_ACTIONS
        and action.word("success") != "0"
        and (action.text("date") or date) >= date
    ]


def kinds_of(later: Sequence[Fields]) -> tuple[str, ...]:
    """What each of these actions is, once; with its success where it does not say that it succeeded."""
    kinds = [(one.required("action_type"), one.word("success")) for one in later]
    return tuple(dict.fromkeys(kind if success == "1" else f"{kind}:{success or ''}" for kind, success in kinds))


def status_word(condition: str | None, success: str | None, later: Sequence[str], *, is_payment: bool) -> str | None:
    """The text for the status table.

    The condition of the refund's own transaction; where the refund is an action of its payment, what the actions say.
    """
    if condition in DECIDED and not is_payment:
        return condition
    if is_payment or success not in (None, "1"):
        return "/".join(["refund", success or "", *later])
    if condition is None:
        return None
    return "/".join([condition, *(kind for kind in later if kind.partition(":")[0] != "settle")])


def failure_of(action: Fields) -> ErrorInfo | None:
    """Why the attempt was refused; None for an approved one, which failed later."""
    code = action.text("response_code")
    if code in (None, APPROVED):
        return None
    return ErrorInfo(
        code=code,
        message=action.text("response_text"),
        reason=action.text("processor_response_text"),
        network_code=action.text("processor_response_code"),
    )


def amount_of(fields: Fields, currency: str | None) -> Money | None:
    """The amount of the action at ``action``, in major units."""
    if currency is None:
        return fields.decimal_money("action", "amount", currency=None)
    # Some answers write what is paid out as negative.
    return fields.read(lambda value: from_decimal(_unsigned(value), currency), "action", "amount")


def _unsigned(amount: object) -> object:
    return amount.strip().removeprefix("-") if isinstance(amount, str) else amount


def read_time(value: object) -> datetime:
    """A time as ``YYYYMMDDhhmmss`` in UTC. Raises `ValueError`."""
    if not isinstance(value, str) or len(value) != len("YYYYMMDDhhmmss") or not value.isdigit():
        raise ValueError("the time is not of the documented form")
    return from_format(value, "%Y%m%d%H%M%S", zone=UTC)
