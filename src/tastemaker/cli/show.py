"""How things look in a terminal: slates as tables, long work as a bar."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tastemaker.progress import Progress, Report
    from tastemaker.slate import Slate

PLAIN_EVERY_S = 10.0
"""Between two lines of progress where there is no terminal to draw a bar in."""
FORMAT, JSON, JSON_EVERY_S = "TASTEMAKER_PROGRESS", "json", 0.3
"""With this in the environment a program started us: progress is told as lines of JSON."""


def console() -> "Console":
    """For results, on stdout; a pipe gets lines of 120."""
    from rich.console import Console

    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=120)


def slate_table(slate: "Slate", heading: str) -> "Table":
    """A slate as people read it."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(heading), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("", justify="right", style="dim")
    table.add_column("title", overflow="fold")
    if any(item.title != item.item_id for item in slate):
        table.add_column("id", style="dim", overflow="fold")
    table.add_column("score", justify="right")
    table.add_column("why", style="dim", overflow="fold")
    for item in slate:
        ids = [escape(item.item_id)] if len(table.columns) == 5 else []
        why = ", ".join(item.reasons) or item.source
        table.add_row(str(item.rank), escape(item.title), *ids, f"{item.score:.3f}", escape(why))
    return table


@contextmanager
def progress() -> Iterator["Report"]:
    """Something to report progress to: a bar on a terminal's stderr, else a line now and then."""
    if os.environ.get(FORMAT) == JSON:
        yield _Lines(JSON_EVERY_S, lambda now: json.dumps(now._asdict(), ensure_ascii=False))
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _Lines()


class _Lines:
    """Each stage's first and last step, and between them one in `every_s` seconds."""

    def __init__(
        self, every_s: float = PLAIN_EVERY_S, said: "Callable[[Progress], str] | None" = None
    ) -> None:
        self._every_s, self._said = every_s, said or _sentence
        self._told = {"": 0.0}

    def __call__(self, progress: "Progress") -> None:
        now = time.monotonic()
        last = self._told.get(progress.stage)
        if last is not None and now - last < self._every_s and progress.step < progress.steps:
            return
        self._told[progress.stage] = now
        print(self._said(progress), file=sys.stderr, flush=True)


def _sentence(progress: "Progress") -> str:
    parts = [f"{progress.stage}: {progress.step:,} of {progress.steps:,}"]
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    if progress.rate:
        parts.append(f"{progress.rate:,.0f} examples/s")
    if progress.note:
        parts.append(progress.note)
    return ", ".join(parts)


@contextmanager
def _bars() -> Iterator["Report"]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def report(now: "Progress") -> None:
            if now.stage not in tasks:
                tasks[now.stage] = bars.add_task(now.stage, total=now.steps, told="")
            told = "" if now.loss is None else f"loss {now.loss:.4f}"
            told += f"  {now.rate:,.0f} examples/s" if now.rate else ""
            told += f"  {now.note}" if now.note else ""
            bars.update(tasks[now.stage], completed=now.step, total=now.steps, told=told)

        yield report
