"""`tastemaker rerank-curve`: what each rule costs and what it brings, before anybody is shown it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import DataError, TastemakerError


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
    from tastemaker.pages import style

    options.check_out(out, "--out", style.SUFFIXES)
    if out is not None:
        style.check()

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
        style.write(curves.figure(), out)
        typer.echo(f"The curves are drawn in {out}", err=True)
    if as_json:
        typer.echo(json.dumps(curves.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(curves)
