"""`tastemaker evaluate`: how good a bundle is, beside the baselines, or on lists that people were shown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import BundleError, TastemakerError

if TYPE_CHECKING:
    from tastemaker.evaluation.report import Report
    from tastemaker.evaluation.shown import ShownReport

PLACES = 5
"""Of each list, looked at where nobody says how many."""
NO_RANKER = (
    "This bundle has no ranker, so lists that were shown can't be put in another order by it: train it with "
    "--impressions, or with --set ranking.use=always."
)


def evaluate(
    bundle: options.BundlePath,
    test: Annotated[Path | None, typer.Option(help="What happened later: the log to be foretold.")] = None,
    impressions: Annotated[
        Path | None,
        typer.Option(help="What people were shown later: what an objective would have done to it."),
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="What is known of people when asked; else what the bundle knows.")
    ] = None,
    k: Annotated[
        int | None, typer.Option("-k", help="Length of the lists; of impressions, places looked at.", min=1)
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(metavar="FORMULA", help="Of impressions: another order to try. May be repeated."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg",
            help="Of impressions: draw how far clicks can be believed; other chances go beside it.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show how good the model is: on later events, on lists people were shown, or as measured in training."""
    if test is not None and impressions is not None:
        raise TastemakerError("--test and --impressions are two questions: ask one at a time.")
    if test is None and impressions is None and (interactions is not None or k is not None):
        raise TastemakerError("--interactions and -k ask a new question: give --test or --impressions too.")
    if impressions is None and (objective or plot is not None):
        raise TastemakerError(
            "--objective and --plot are of lists that people were shown: give --impressions."
        )

    options.check_out(plot, "--plot", (".svg",))

    from tastemaker.cli.show import console, progress
    from tastemaker.evaluation.judge import judge, remembered
    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    if impressions is not None and recommender.ranker is None:
        raise BundleError(NO_RANKER)  # before a long file is read
    history = None if interactions is None else options.log_for(recommender, interactions)
    report: Report | ShownReport
    if impressions is not None:
        from tastemaker.evaluation.shown import on_shown

        shown = options.shown_for(recommender, impressions)
        with progress() as told:
            report = on_shown(
                recommender, shown, history=history, objectives=objective or (), k=k or PLACES, report=told
            )
        if plot is not None:
            _draw(report, plot)
    elif test is not None:
        report = judge(recommender, options.log_for(recommender, test), history=history, k=k)
    else:
        report = remembered(recommender)
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(report)


def _draw(report: "ShownReport", plot: Path) -> None:
    """A file for each chance: the one that was asked for, of the first, others with their name beside it."""
    for number, (head, found) in enumerate(report.chances.items()):
        path = plot if number == 0 else plot.with_name(f"{plot.stem}-{head}{plot.suffix}")
        path.write_text(found.svg(f"{head}: foretold, and what happened"), encoding="utf-8")
        typer.echo(f"{head} is drawn in {path}", err=True)
