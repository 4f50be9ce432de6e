"""`tastemaker explore`: the catalogue as the model sees it, as a page to walk through."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from tastemaker.evaluation.map.chart import Chart


def explore(
    bundle: options.BundlePath,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A page, .html; its data, .json; or item_id, x, y and region, .csv or .parquet.",
        ),
    ] = None,
    projection: Annotated[
        Literal["auto", "pca", "umap"],
        typer.Option(help="How it is laid out; auto is umap where the extra `map` is installed."),
    ] = "auto",
    colour: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="By what at first: a column, year, popularity or region."),
    ] = None,
    align_to: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE|MAP", help="An older model or its map; this one is laid out like it."),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A picture for a paper: .png, .svg or .pdf (extra `plots`)."),
    ] = None,
    items_limit: Annotated[
        int, typer.Option(help="Items drawn at most; the page says where some are left out.", min=1)
    ] = 50_000,
    seed: Annotated[int, typer.Option(help="The same seed, the same map.", min=0)] = 0,
    as_json: options.Json = False,
) -> None:
    """Draw the catalogue as a map: one page that needs no network."""
    options.check_out(out, suffixes=(".html", ".json", ".csv", ".parquet"))
    options.check_out(png, "--png", (".png", ".svg", ".pdf"))
    if out is None and png is None and not as_json:
        raise TastemakerError("Say what to make: --out map.html, --png map.png or --json.")
    if align_to is not None and not align_to.exists():
        raise TastemakerError(f"--align-to {align_to}: there is nothing of that name.")
    if png is not None:
        from tastemaker.pages import style

        style.check()

    from tastemaker.cli.show import console, progress
    from tastemaker.evaluation.map import sheet
    from tastemaker.evaluation.map.chart import chart
    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    with progress() as report:

        def charted(path: Path) -> "Chart":
            other = Recommender.load(path)
            return chart(other, kind=projection, limit=items_limit, seed=seed, report=report)

        older = None if align_to is None else sheet.older(align_to, charted)
        made = chart(
            recommender,
            kind=projection,
            colour=colour,
            older=older,
            limit=items_limit,
            seed=seed,
            report=report,
        )
    if out is not None:
        _write(made, out)
        typer.echo(f"Wrote {out}", err=True)
    if png is not None:
        from tastemaker.evaluation.map.drawing import draw

        draw(made, png)
        typer.echo(f"Drew {png}", err=True)
    if as_json:
        typer.echo(json.dumps(made.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(made.section())


def _write(made: "Chart", out: Path) -> None:
    from tastemaker.evaluation.map import sheet

    if out.suffix == ".html":
        out.write_text(sheet.html(made), encoding="utf-8")
    elif out.suffix == ".json":
        out.write_text(json.dumps(sheet.contents(made), ensure_ascii=False, separators=(",", ":")), "utf-8")
    elif out.suffix == ".csv":
        made.frame().write_csv(out)
    else:
        made.frame().write_parquet(out)
