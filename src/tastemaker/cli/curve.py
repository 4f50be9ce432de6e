"""`tastemaker rerank-curve`: what each rule costs and what it brings, before anybody is shown it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import DataError, TastemakerError

if TYPE_CHECKING:
    from tastemaker.evaluation.tradeoff import Curves

MARKERS = "osD^vP"
WORST, MOST = 30.0, 2.0
"""Per cent of NDCG: what lost more isn't drawn, nobody would want it; and a line to go by."""
MISSING = "Drawing takes matplotlib, which isn't installed: pip install 'tastemaker[plots]'."


def rerank_curve(
    bundle: options.BundlePath,
    test: Annotated[
        Path | None,
        typer.Option(help="What happened later: the log to be foretold. Needed where there are people."),
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="What is known of people when asked; else what the bundle knows.")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="popularity, 'against popularity', freshness, calibration, mmr, dpp or fairness. May be "
            "repeated [default: all]"
        ),
    ] = None,
    of: Annotated[
        str | None, typer.Option("--exposure", metavar="COLUMN", help="Count its groups' shares too.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", help="Length of the lists.", min=1)] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the curves (extra `plots`).")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what each rule costs in NDCG and what it brings, ever stronger."""
    options.check_out(out, "--out", (".png", ".svg"))
    if out is not None:
        _check_drawing()

    from tastemaker.cli.show import console, progress
    from tastemaker.evaluation.judge import question, series_fold
    from tastemaker.evaluation.tradeoff import curves_of, usual
    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    rules = usual(recommender.recipe.reranking, rule or ())
    history = None if interactions is None else options.log_for(recommender, interactions)
    if test is not None:
        fold, split = question(recommender, options.log_for(recommender, test), history)
    elif recommender.bundle.histories.size:
        raise TastemakerError(
            "The bundle has learnt from all that its people did, so nothing is left to ask: give --test, a "
            "log of later events."
        )
    else:
        found = series_fold(recommender.catalogue)
        if found is None:
            raise DataError("This catalogue has too few series to be examined by: give --test, a log.")
        fold, split = found, "From one season, the others of its series are to be found."
    with progress() as report:
        curves = curves_of(recommender, fold, split, rules, k=k, groups=of, report=report)
    if out is not None:
        draw(curves, out)
        typer.echo(f"The curves are drawn in {out}", err=True)
    if as_json:
        typer.echo(json.dumps(curves.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(curves)


def _check_drawing() -> None:
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise TastemakerError(MISSING)


def draw(curves: "Curves", path: Path) -> None:
    """A panel for each thing that is gained, over what is lost of NDCG in per cent, as far as WORST."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2, sharex=True)
    wanted = {
        "diversity": "diversity of a list",
        "coverage": "share of the catalogue shown",
        "gini": "Gini of what is shown",
        "age_days": "median age, days",
    }
    for panel, (name, title) in zip(panels.flat, wanted.items(), strict=True):
        for number, (rule, points) in enumerate(curves.curves.items()):
            whole = points[0].ndcg.mean or 1.0
            losses = [100 * (point.loss.mean or 0.0) / whole for point in points]
            seen = [place for place, loss in enumerate(losses) if loss <= WORST]
            lost, gained = [losses[place] for place in seen], [getattr(points[place], name) for place in seen]
            if any(value is None for value in gained):
                continue
            panel.plot(lost, gained, color=f"C{number}", marker=MARKERS[number % len(MARKERS)], label=rule)
        panel.set_title(title, loc="left", fontsize=11)
        panel.axvline(MOST, color="0.7", linewidth=0.8, linestyle="--")
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[1]:
        panel.set_xlabel(f"NDCG@{curves.k} lost, %")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=6, frameon=False
    )
    figure.savefig(path, dpi=150)
