"""`tastemaker evaluate`: how good a bundle is, beside the baselines."""

from pathlib import Path
from typing import Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError


def evaluate(
    bundle: options.BundlePath,
    test: Annotated[Path | None, typer.Option(help="What happened later: the log to be foretold.")] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="What is known of people when asked; else what the bundle knows.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", help="Length of the lists.", min=1)] = None,
    as_json: options.Json = False,
) -> None:
    """Show how good the model is: on a log of later events, or as measured while it was trained."""
    if test is None and (interactions is not None or k is not None):
        raise TastemakerError("--interactions and -k ask a new question: give --test with them.")

    import json

    from tastemaker.cli.show import console
    from tastemaker.evaluation.judge import judge, remembered
    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    if test is None:
        report = remembered(recommender)
    else:
        history = None if interactions is None else options.log_for(recommender, interactions)
        report = judge(recommender, options.log_for(recommender, test), history=history, k=k)
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(report)
