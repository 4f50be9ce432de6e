"""`tastemaker train`: files in, a bundle out."""

from pathlib import Path
from typing import Annotated

import typer

from tastemaker.cli import options


def train(
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.", show_default=False)],
    recipe: Annotated[Path | None, typer.Argument(help="A recipe file (TOML).")] = None,
    items: options.Items = None,
    interactions: options.Interactions = None,
    users: options.Users = None,
    impressions: options.Impressions = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where a service kept its events, an SQLite file or postgresql://…: instead of "
            "--interactions and --impressions.",
        ),
    ] = None,
    settings: options.Settings = None,
    warm_start: Annotated[
        Path | None, typer.Option(help="An older bundle to go on from, on newer data.", show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, even after an interruption.")] = False,
    tensorboard: Annotated[Path | None, typer.Option(help="Write curves for TensorBoard here.")] = None,
    mlflow: Annotated[str | None, typer.Option(help="Log to MLflow at this tracking address.")] = None,
    as_json: options.Json = False,
) -> None:
    """Train a model from files and write it as a bundle.

    When it is cut off, the same command goes on where it stood.
    """
    import json
    import shutil

    from tastemaker.bundle import check_target
    from tastemaker.cli.show import console, progress
    from tastemaker.data import read
    from tastemaker.errors import TastemakerError
    from tastemaker.evaluation.report import Report
    from tastemaker.progress import Trail
    from tastemaker.recipe import Recipe
    from tastemaker.recommend import Recommender
    from tastemaker.training import check_ready
    from tastemaker.training import train as learn

    chosen = Recipe.read(recipe, settings or ())
    check_target(out)
    check_ready(chosen)
    older = None if warm_start is None else Recommender.load(warm_start)
    if store is None:
        data = read(items, interactions, users, chosen.data, impressions)
    else:
        from tastemaker.serve.store.export import gathered

        if interactions is not None or impressions is not None:
            raise TastemakerError("Give either --store, or --interactions and --impressions.")
        kept = gathered(store)
        if not kept.interactions.height:
            raise TastemakerError(f"Nobody has chosen anything yet in the store {store}.")
        data = read(
            items,
            kept.interactions.drop("watch_time", "recommendation_id"),
            users,
            chosen.data,
            kept.impressions if kept.impressions.height else None,
        )
    screen = console()
    if not as_json:
        screen.print(data.report)
    checkpoints = out.absolute().parent / f".{out.name}.training"
    if fresh:
        shutil.rmtree(checkpoints, ignore_errors=True)
    with progress() as report:
        recommender = learn(data, chosen, report, Trail(checkpoints, tensorboard, mlflow), older)
    recommender.save(out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    bundle = recommender.bundle
    if as_json:
        told = bundle.manifest.model_dump(mode="json", include={"kind", "data", "training", "metrics"})
        typer.echo(
            json.dumps(told | {"bundle": str(out), "evaluation": bundle.evaluation}, ensure_ascii=False)
        )
        return
    if bundle.evaluation is not None:
        screen.print(Report.from_json(bundle.evaluation))
    if bundle.rejected is not None and bundle.rejected.height:
        screen.print(f"{bundle.rejected.height:,} refused rows are in {out / 'rejected.csv'}")
    screen.print(f"Wrote {out}: {bundle.manifest.kind} model of {bundle.catalogue.size:,} items.")
