"""What the benchmarks share: a server, the cost of a call, ways that take turns, and a table that is kept and drawn."""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
Cell = str | float


class Cost(NamedTuple):
    """What one call took, in seconds."""

    wall: float
    cpu: float
    """Of this process, which other work on the machine disturbs less."""


class Table(NamedTuple):
    """Columns of text and numbers; the first one names the row, and the chart shows the last one."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    goal: float | None = None
    """A line in the chart."""

    def publish(self, folder: Path) -> None:
        """Print it, and write it as ``<name>.csv``, ``.md`` and ``.png``."""
        print(f"\n{self.title}\n{self._lines(' ')}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{self.name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self.columns, *self.rows])
        (folder / f"{self.name}.md").write_text(f"{self.title}\n\n{self._lines('|')}\n", encoding="utf-8")
        self._draw(folder / f"{self.name}.png")

    def _lines(self, bar: str) -> str:
        shown = [self.columns, *([_shown(cell) for cell in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        if bar == "|":
            shown.insert(1, ["-" * width if at == 0 else "-" * (width - 1) + ":" for at, width in enumerate(widths)])
        lines = []
        for row in shown:
            first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"{bar} {f' {bar} '.join([first.strip().ljust(widths[0]), *others])} {bar}".rstrip())
        return "\n".join(lines)

    def _draw(self, path: Path) -> None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 1 + 0.35 * len(self.rows)), layout="constrained")
        axes = figure.subplots()
        axes.barh([str(row[0]) for row in self.rows], [float(row[-1]) for row in self.rows])
        axes.invert_yaxis()
        if self.goal is not None:
            axes.axvline(self.goal, linestyle="--", color="black")
        axes.set(title=self.title, xlabel=self.columns[-1])
        figure.savefig(path, dpi=120)


def _shown(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return f"{cell:.2f}" if abs(cell) < 100 else f"{cell:.0f}"


def cost_of(work: Callable[[], object], calls: int) -> Cost:
    """The cost of each of so many calls that this work makes."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost((time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls)


def times(call: Callable[[], object], calls: int) -> Callable[[], object]:
    """Work that makes this call so often."""

    def work() -> None:
        for _ in range(calls):
            call()

    return work


def take_turns(works: Mapping[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, list[Cost]]:
    """The cost of each way in each round, after a first one that does not count.

    They take turns, so that a change of the machine's pace meets all alike.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            cost = cost_of(work, calls)
            if number:
                costs[name].append(cost)
    return costs


COSTS = ("", "calls/s", "us each", "us CPU each", "CPU / reference", "speed / reference")


def cost_rows(costs: Mapping[str, list[Cost]]) -> list[tuple[Cell, ...]]:
    """A row of `COSTS` for each way; the first one is the reference, and ratios are medians of each round's."""
    reference = next(iter(costs.values()))
    rows: list[tuple[Cell, ...]] = []
    for name, own in costs.items():
        wall, cpu = (statistics.median(one[part] for one in own) for part in (0, 1))
        pairs = list(zip(own, reference, strict=True))
        spent = statistics.median(ours.cpu / theirs.cpu for ours, theirs in pairs)
        speed = statistics.median(theirs.wall / ours.wall for ours, theirs in pairs)
        rows.append((name, 1 / wall, wall * 1e6, cpu * 1e6, spent, speed))
    return rows


STARTS = ("", "ms", "ms more than the reference", "times the reference")


def start_rows(costs: Mapping[str, list[Cost]]) -> list[tuple[Cell, ...]]:
    """A row of `STARTS` for each way; the first one is the reference. The CPU of other processes is not counted."""
    reference = next(iter(costs.values()))
    base = statistics.median(one.wall for one in reference)
    rows: list[tuple[Cell, ...]] = []
    for name, own in costs.items():
        wall = statistics.median(one.wall for one in own)
        ratio = statistics.median(ours.wall / theirs.wall for ours, theirs in zip(own, reference, strict=True))
        rows.append((name, wall * 1e3, (wall - base) * 1e3, ratio))
    return rows


def fresh_start(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Callable[[], object]:
    """Work that runs a fresh Python with these arguments, from its start to its end."""
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


@contextmanager
def serving() -> Iterator[str]:
    """The URL of the server of ``answering.py``, in a process of its own so that its work is not counted."""
    command = [sys.executable, str(HERE / "answering.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def read_options(description: str | None, **defaults: int) -> argparse.Namespace:
    """The numbers that a benchmark is run with, and ``results``, the folder for its tables and plots."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=formatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser.parse_args()
