"""`tastemaker items`: what comes, changes and goes after training."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from tastemaker.data.report import FileReport
    from tastemaker.recommend import Recommender

app = typer.Typer(no_args_is_help=True, help="Put items into a bundle, and take them out, without training.")

NewBundle = Annotated[
    Path | None, typer.Option(help="Where the new bundle goes; without it, in the place of the old one.")
]


@app.command()
def put(
    bundle: options.BundlePath,
    items: Annotated[Path, typer.Option(help="New and changed items, with columns of the catalogue.")],
    out: NewBundle = None,
    as_json: options.Json = False,
) -> None:
    """Put items in; one with a known id takes that one's place."""
    before = _opened(bundle, out)
    after = before.with_items(items)
    if after.change is not None and after.change.report is not None:
        _tell(after.change.report)
    _answer(after, out or bundle, as_json)


@app.command()
def remove(
    bundle: options.BundlePath,
    item: Annotated[
        list[str] | None, typer.Option(help="An item's id, exactly as in the file; may be given again.")
    ] = None,
    items_file: Annotated[Path | None, typer.Option(help="Many ids, one a line.")] = None,
    out: NewBundle = None,
    as_json: options.Json = False,
) -> None:
    """Take items out, and what people did with them."""
    if bool(item) == (items_file is not None):
        raise TastemakerError("Give one of --item, --items-file.")
    before = _opened(bundle, out)
    ids = item or options.ids_of(Path(str(items_file)), before.catalogue.__contains__)
    _answer(before.without(ids), out or bundle, as_json)


def _opened(bundle: Path, out: Path | None) -> "Recommender":
    from tastemaker.bundle import check_target
    from tastemaker.recommend import Recommender

    check_target(bundle if out is None else out)
    return Recommender.load(bundle)


def _tell(report: "FileReport") -> None:
    """What was repaired, refused or is worth a look, on stderr."""
    for what, findings in (
        ("repaired", report.repaired),
        ("look at", report.suspicious),
        ("refused", report.reasons),
    ):
        for finding in findings:
            typer.echo(f"{report.name}: {what} {finding}", err=True)


def _answer(after: "Recommender", path: Path, as_json: bool) -> None:
    import json

    assert after.change is not None
    counts = after.change.counts
    after.save(path)
    if as_json:
        typer.echo(json.dumps(counts | {"items": after.catalogue.size, "bundle": str(path)}, indent=2))
        return
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing"
    typer.echo(f"{told}; {path} has {after.catalogue.size:,} items")
