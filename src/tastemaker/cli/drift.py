"""`tastemaker drift`: whether what a bundle is asked today is still what it was asked before."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tastemaker.cli import options


def drift(
    bundle: options.BundlePath,
    before: Annotated[Path, typer.Option(help="A log of the time that all was well.", show_default=False)],
    after: Annotated[Path, typer.Option(help="A log of now.", show_default=False)],
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
    options.check_out(plot, "--plot", (".svg",))
    if plot is not None:
        from tastemaker.pages import style

        style.check()

    import numpy as np

    from tastemaker.cli.show import console, progress
    from tastemaker.data import read_new_log
    from tastemaker.evaluation.drift.report import drift as drifted
    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    older = None if against is None else Recommender.load(against)
    columns = recommender.recipe.data.columns
    windows = [read_new_log(path, recommender.catalogue, columns) for path in (before, after)]
    with progress() as told:
        found = drifted(
            recommender,
            windows[0],
            windows[1],
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
