"""`tastemaker compare`: several bundles asked the same, and which of them is better."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError, hint

if TYPE_CHECKING:
    from tastemaker.data.interactions import Interactions
    from tastemaker.evaluation.contenders import Contender
    from tastemaker.recommend import Recommender

TARGETS, HISTORY = "targets.parquet", "history.parquet"
"""What `data split` calls the later log and what is known when it begins."""


def compare(
    bundles: Annotated[list[Path], typer.Argument(help="Two or more, made by `train`.", show_default=False)],
    test: Annotated[
        Path | None,
        typer.Option(help="What happened later: the log to be foretold, or a folder made by `data split`."),
    ] = None,
    interactions: Annotated[
        Path | None,
        typer.Option(help="What is known of people when asked; else what each bundle knows."),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", help="Length of the lists.", min=1)] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="What is tested; the first decides. May be repeated, and p-values are corrected over all of "
            "them [default: ndcg, recall]"
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Groups of people: a column of the users file [default: activity, how much they did]",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the differences: .png, .svg or .pdf.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show which of several bundles is better, by how much, for whom, and how sure that is."""
    names = _names(bundles)
    if test is None and any(given is not None for given in (interactions, k, metric, by, out)):
        raise TastemakerError(
            "Bundles remember what their own exams came to and no more: -k, --metric, --by, --interactions "
            "and --out want --test, a log of later events."
        )
    metrics = _metrics(metric)
    if out is not None:
        from tastemaker.pages import style

        options.check_out(out, "--out", style.SUFFIXES)
        style.check()

    from tastemaker.cli.show import console, progress
    from tastemaker.evaluation.contenders import contested, recalled
    from tastemaker.evaluation.people import ACTIVITY
    from tastemaker.recommend import Recommender

    recommenders = {name: Recommender.load(path) for name, path in zip(names, bundles, strict=True)}
    if test is None:
        found = recalled(recommenders)
    else:
        contenders = _contenders(recommenders, test, interactions)
        with progress() as told:
            found = contested(contenders, k=k, metrics=metrics, by=by or ACTIVITY, report=told)
    if out is not None:
        style.write(found.figure(), out)
        typer.echo(f"The differences are drawn in {out}", err=True)
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(found)


def _contenders(
    recommenders: "dict[str, Recommender]", test: Path, interactions: Path | None
) -> "list[Contender]":
    """With the logs in their own rows; bundles with the same items read them once."""
    from tastemaker.evaluation.contenders import Contender

    if test.is_dir():
        known = test / HISTORY
        interactions = known if interactions is None and known.is_file() else interactions
        test = test / TARGETS
    read: list[tuple[object, Interactions, Interactions | None]] = []
    found = []
    for name, recommender in recommenders.items():
        key = (recommender.catalogue.ids, recommender.recipe.data.columns)
        same = next((each for each in read if each[0] == key), None)
        if same is None:
            log = options.log_for(recommender, test)
            history = None if interactions is None else options.log_for(recommender, interactions)
            same = (key, log, history)
            read.append(same)
        found.append(Contender(name, recommender, *same[1:]))
    return found


def _metrics(asked: Sequence[str] | None) -> tuple[str, ...]:
    from tastemaker.evaluation.metrics import PER_USER
    from tastemaker.evaluation.people import METRICS

    chosen = tuple(dict.fromkeys(asked or METRICS))
    for name in chosen:
        if name not in PER_USER:
            raise TastemakerError(f"No metric is called {name!r}. {hint(name, PER_USER)}")
    return chosen


def _names(bundles: Sequence[Path]) -> list[str]:
    """Folders by as much of their path as tells them apart, from the baselines too."""
    from tastemaker.evaluation.baselines import all_baselines

    if len(bundles) < 2:
        raise TastemakerError("Give two bundles or more; one is seen beside the baselines by evaluate.")
    real = [path.resolve() for path in bundles]
    for path in real:
        if real.count(path) > 1:
            raise TastemakerError(f"{path.name} was given twice: a bundle can't be compared with itself.")
    taken = {baseline.name for baseline in all_baselines(0)}
    depth = 1
    while len({"/".join(path.parts[-depth:]) for path in real} - taken) < len(real):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in real]
