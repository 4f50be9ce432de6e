"""`tastemaker drift`: whether what a bundle is asked today is still what it was asked before."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import DataError, TastemakerError

if TYPE_CHECKING:
    import polars as pl

    from tastemaker.recommend import Recommender


def drift(
    bundle: options.BundlePath,
    before: Annotated[
        Path | None,
        typer.Option(
            help="A log of the time that all was well. [default: the newest that the bundle learnt from, as "
            "long a time as the other]",
            show_default=False,
        ),
    ] = None,
    after: Annotated[Path | None, typer.Option(help="A log of now, or", show_default=False)] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="where a service keeps its events, an SQLite file or postgresql://…: those since the bundle "
            "was made.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="An older bundle, to hold vectors and lists against."),
    ] = None,
    k: options.Length = 10,
    swaps: Annotated[int, typer.Option(help="Draws behind each chance.", min=199)] = 999,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 1,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the distances.")] = None,
    as_json: options.Json = False,
) -> None:
    """Raise alarms where two windows of a log differ by more than chance; exit status 1 if there is one."""
    if (after is None) == (store is None):
        raise TastemakerError("What happens now? Give --after or --store, one of the two.")
    options.check_out(plot, "--plot", (".svg",))
    if plot is not None:
        from tastemaker.pages import style

        style.check()

    import numpy as np

    from tastemaker.cli.show import console, progress
    from tastemaker.data import read_new_log
    from tastemaker.evaluation.drift.report import drift as drifted
    from tastemaker.evaluation.drift.windows import learnt
    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    older = None if against is None else Recommender.load(against)
    columns = recommender.recipe.data.columns
    source = _since_made(recommender, store) if store is not None else after
    now = read_new_log(source, recommender.catalogue, columns if store is None else None)
    well = (
        learnt(recommender, now[0])
        if before is None
        else read_new_log(before, recommender.catalogue, columns)
    )
    with progress() as told:
        found = drifted(
            recommender,
            well,
            now,
            np.random.default_rng(seed),
            older=older,
            k=k,
            swaps=swaps,
            report=told,
        )
    section = found.section(pictures=plot is not None)
    if plot is not None:
        plot.write_text(section.pictures[0].svg, encoding="utf-8")
        typer.echo(f"The distances are drawn in {plot}", err=True)
    if as_json:
        typer.echo(json.dumps(section.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(section)
    if found.raised:
        raise typer.Exit(1)


def _since_made(recommender: "Recommender", store: str) -> "pl.DataFrame":
    """What people did since the bundle was made. Raises DataError where nobody did anything."""
    from datetime import datetime

    from tastemaker.serve.store.export import gathered

    made = datetime.fromisoformat(recommender.bundle.manifest.created).timestamp()
    found = gathered(store, made).interactions
    if found.is_empty():
        raise DataError("Nobody has done anything yet since this model was made.")
    return found.select("user_id", "item_id", "timestamp")
