"""``refundry demo``: every state of a refund at every installed processor, on a fast clock."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from refundry.model import RefundStatus
from refundry_cli.exits import ExitCode
from refundry_cli.follow import Case, follow_all, make_cases
from refundry_cli.ready import python_lines
from refundry_cli.render import STYLES, aligned, clean, is_terminal, reason_of, to_json
from refundry_cli.sandbox import open_sandbox, say_left_out

if TYPE_CHECKING:
    from rich.table import Table

    from refundry_sandbox import Sandbox

_PACE = 200_000
"""A day of waiting passes in less than half a second."""

_WIDTHS = {
    "day": 4,
    "connector": 16,
    "life": 9,
    "status": 13,
    "processor says": 26,
    "by": 7,
    "amount": 12,
    "reference": 23,
    "remark": 0,
}

_WANTS_WIDTH = {"processor says": 105, "reference": 145}
"""Columns that only a terminal of at least this width shows."""
_HEADING = 6
"""Lines that the table takes besides its rows."""


def run_demo(*, as_json: bool) -> ExitCode:
    """Follow one refund of every life at every processor. `ExitCode.FAULT` unless each ended as its life says."""
    with open_sandbox((), speed=0) as sandbox:
        cases = make_cases(sandbox)
        show = _show_json if as_json else _show_live if is_terminal(sys.stdout) else _show_plain
        show(cases, follow_all(sandbox, cases, pace=_PACE), _days_since(sandbox))
        odd = [case for case in cases if not case.ended_well]
        if not as_json:
            _summarize(sandbox, cases)
    for case in odd:
        typer.echo(f"error: {_complaint(case)}", err=True)
    return ExitCode.FAULT if odd else ExitCode.SUCCEEDED


def _days_since(sandbox: Sandbox) -> Callable[[], float]:
    start = sandbox.clock.now()
    return lambda: (sandbox.clock.now() - start) / timedelta(days=1)


def _show_json(cases: Sequence[Case], changes: Iterable[Case], days: Callable[[], float]) -> None:
    for case in changes:
        refund = case.seen[-1].to_dict() if case.seen and not case.error else None
        facts = {"day": round(days(), 1), "connector": case.connector.name, "life": case.life, "source": case.source}
        typer.echo(to_json({**facts, "refund": refund}))


def _show_plain(cases: Sequence[Case], changes: Iterable[Case], days: Callable[[], float]) -> None:
    typer.echo(aligned(_WIDTHS, _WIDTHS.values()))
    for case in changes:
        typer.echo(aligned((f"{days():.1f}", *_cells(case)), _WIDTHS.values()))


def _show_live(cases: Sequence[Case], changes: Iterable[Case], days: Callable[[], float]) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console()
    latest = list(cases)
    shown: Sequence[Case] = cases

    def draw() -> Table:
        return _table([case for case in cases if case in shown], days(), console.width)

    with Live(console=console, get_renderable=draw):
        for case in changes:
            latest.remove(case)
            latest.append(case)
            shown = latest[-max(1, console.height - _HEADING) :]
        shown = cases


def _table(cases: Iterable[Case], day: float, width: int) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    columns = [name for name in _WIDTHS if name != "day" and width >= _WANTS_WIDTH.get(name, 0)]
    table = Table(title=f"day {day:.1f}", title_justify="left", box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, no_wrap=name != "remark")
    for case in cases:
        cells = dict(zip(list(_WIDTHS)[1:], _cells(case), strict=True))
        style = STYLES.get(case.seen[-1].status, "") if case.seen else "dim"
        styled = (Text(cells[name], style=style if name == "status" else "", no_wrap=True) for name in columns)
        table.add_row(*styled)
    return table


def _cells(case: Case) -> tuple[str, ...]:
    start = (case.connector.name, case.life)
    if case.error:
        return (*start, "error", "-", "-", "-", "-", clean(str(case.error)))
    if not case.seen:
        return (*start, "-", "-", "-", "-", "-", "")
    refund = case.seen[-1]
    facts = (
        refund.status.value,
        refund.connector_status or "-",
        case.source or "-",
        str(refund.refund_amount or "-"),
        refund.acquirer_reference_number or "-",
        _remark(case),
    )
    return (*start, *map(clean, facts))


def _remark(case: Case) -> str:
    refund = case.seen[-1]
    reason = reason_of(refund)
    if case.was_returned:
        return f"returned by the bank{f': {reason}' if reason else ''}"
    if refund.status is RefundStatus.MANUAL_REVIEW:
        return "a person must act"
    return reason


def _summarize(sandbox: Sandbox, cases: Sequence[Case]) -> None:
    calls = sum(map(sandbox.requests, sandbox.names))
    typer.echo(f"\n{len(cases)} refunds at {len(sandbox.names)} processors, {calls} requests, on this machine alone.")
    say_left_out(sandbox, ())
    examples = [_example(sandbox, case) for case in cases if not case.by_event]
    if examples:
        shortest = min(examples, key=lambda lines: len(lines[1] + lines[2]))
        typer.echo("\n    ".join(["\nThe same in Python:\n", *shortest]))


def _example(sandbox: Sandbox, case: Case) -> list[str]:
    return python_lines(case.connector, sandbox.settings(case.connector.name), case.query)


def _complaint(case: Case) -> str:
    wanted = f"{case.connector.name}: the refund that {case.life} should end as {case.words[-1]!r}"
    if case.error:
        return clean(f"{wanted}: {case.error}")
    return clean(f"{wanted} and ended as {case.seen[-1].connector_status!r}" if case.seen else f"{wanted}: no answer")
