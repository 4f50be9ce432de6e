"""`tastemaker tune`: better settings for these data, found on the validation part."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options

if TYPE_CHECKING:
    from tastemaker.progress import Progress
    from tastemaker.training.tuning import Trial, Tuning

SHOWN = 5
"""Trials in the table at the end."""


Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE.svg", help="Draw what was found: .svg, .png or .pdf (extra `plots`)."),
]


class Interrupted(Exception):
    """A Ctrl-C that something outlived; says what."""


@contextmanager
def interrupts() -> Iterator[Callable[[], None]]:
    """What is given raises KeyboardInterrupt when there was a Ctrl-C that hasn't come through.

    Python drops an exception that is raised where nobody can catch it, in a callback from C or while
    garbage is collected; of hours of trials that are many moments.
    """
    came = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    def look() -> None:
        if came:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield look
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield look
    finally:
        signal.signal(signal.SIGINT, before)


def tune(
    trials: Annotated[int, typer.Option(help="Trials to add.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder of the study; given again, it goes on.", show_default=False)
    ],
    recipe: Annotated[Path | None, typer.Argument(help="A recipe file (TOML) to begin with.")] = None,
    items: options.Items = None,
    interactions: options.Interactions = None,
    users: options.Users = None,
    impressions: options.Impressions = None,
    settings: options.Settings = None,
    space: Annotated[Path | None, typer.Option(help="Which knobs, and how far (TOML).")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds after which no trial begins.")] = None,
    plot: Plot = None,
    as_json: options.Json = False,
) -> None:
    """Try settings and keep those that find most on validation; the exam is not looked at.

    Writes `recipe.toml`, ready for `tastemaker train`, after each trial. The same command adds more trials.
    """
    import json
    import shlex
    from contextlib import nullcontext

    _check_plot(plot)

    from tastemaker.cli.show import console, progress
    from tastemaker.data import read
    from tastemaker.progress import silent
    from tastemaker.recipe import Recipe
    from tastemaker.training import check_ready
    from tastemaker.training.study import RECIPE, STUDY
    from tastemaker.training.tuning import check_asked
    from tastemaker.training.tuning import tune as search

    chosen = Recipe.read(recipe, settings or ())
    files = {"items": items, "interactions": interactions, "users": users, "impressions": impressions}
    chosen = chosen.having({f"data.{kind}": path for kind, path in files.items() if path is not None})
    check_asked(chosen, trials, space, timeout)
    check_ready(chosen)
    data = read(recipe=chosen.data)
    screen = console()
    if not as_json:
        screen.print(data.report)
    done = 0

    def tell(trial: "Trial") -> None:
        nonlocal done
        done += 1
        print(_line(trial), file=sys.stderr, flush=True)
        look()

    def heed(progress: "Progress") -> None:
        look()
        report(progress)

    # Lines about the inside of a trial would drown those about trials: only a bar shows it.
    bar = progress() if sys.stderr.isatty() else nullcontext(silent)
    try:
        with bar as report, interrupts() as look:
            tuning = search(
                data,
                chosen,
                trials=trials,
                out=out,
                space=space,
                timeout=timeout,
                report=heed,
                tell=tell,
                made_by=shlex.join(["tastemaker", *sys.argv[1:]]),
            )
    except KeyboardInterrupt:
        kept = f"{done} more trials are kept in {out}; the same command goes on from there."
        raise Interrupted(kept) from None
    _draw(out, plot)
    if as_json:
        told = {
            "value": tuning.value,
            "trial": tuning.number,
            "base_value": tuning.base_value,
            "trials": tuning.trials.to_dicts(),
            "recipe": tuning.recipe.model_dump(mode="json", exclude_unset=True),
            "recipe_file": str(out / RECIPE),
            "study": str(out / STUDY),
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    screen.print(_table(tuning))
    screen.print(
        f"Wrote {out / RECIPE}: validation NDCG@10 {tuning.value:.4f}, of the recipe it began with "
        f"{tuning.base_value:.4f}."
    )
    screen.print(
        f"What it is worth on events that no trial saw: tastemaker train {out / RECIPE} --out BUNDLE"
    )


def tuned(
    folder: Annotated[Path, typer.Argument(help="Of a tuning.", show_default=False)],
    plot: Plot = None,
    as_json: options.Json = False,
) -> None:
    """Show what a tuning has found so far, without any new trial."""
    import json

    _check_plot(plot)

    from tastemaker.cli.show import console
    from tastemaker.training.tuned import read_tuned

    section = read_tuned(folder).section()
    _draw(folder, plot)
    if as_json:
        typer.echo(json.dumps(section.as_json(), ensure_ascii=False))
    else:
        console().print(section)


def _check_plot(plot: Path | None) -> None:
    from tastemaker.pages import style

    options.check_out(plot, "--plot", style.SUFFIXES)
    if plot is not None:
        style.check()


def _draw(folder: Path, plot: Path | None) -> None:
    if plot is None:
        return
    from tastemaker.pages import style
    from tastemaker.training.tuned import drawing, read_tuned

    style.write(drawing(read_tuned(folder)), plot)
    typer.echo(f"Drawn in {plot}", err=True)


def _line(trial: "Trial") -> str:
    parts = [f"trial {trial.number}: {trial.state}"]
    if trial.value is not None:
        parts[0] += f" {trial.value:.4f}"
    if trial.best is not None:
        parts.append(f"best {trial.best:.4f} (trial {trial.best_number})")
    parts.append(f"{trial.seconds:.0f} s")
    if trial.note:
        parts.append(trial.note)
    settings = " ".join(f"{key}={value}" for key, value in trial.settings.items())
    return ", ".join(parts) + (f": {settings}" if settings else "")


def _table(tuning: "Tuning") -> object:
    """The best trials, a row each; what is the same in all of them is left out."""
    import polars as pl
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    done = tuning.trials.filter(pl.col("state") == "complete")
    best = done.sort("value", "number", descending=[True, False]).head(SHOWN)
    table = Table(
        title=f"The best of {tuning.trials.height} trials, {done.height} of which ran to their end",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    knobs = [name for name in best.columns if "." in name]
    for name in ("trial", "NDCG@10", "epochs", *(knob.partition(".")[2] for knob in knobs)):
        table.add_column(escape(name), justify="right")
    for row in best.iter_rows(named=True):
        value = f"{row['value']:.4f}"
        table.add_row(str(row["number"]), value, str(row["epochs"]), *(escape(str(row[k])) for k in knobs))
    return table
