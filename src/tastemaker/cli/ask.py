"""`tastemaker recommend` and `tastemaker similar`: questions to a bundle."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    import polars as pl

    from tastemaker.recommend import Recommender
    from tastemaker.slate import Slate

FRAMES_OF = 1000
"""Lists turned into one frame at once."""


def recommend(
    bundle: options.BundlePath,
    user: Annotated[str | None, typer.Option(help="Somebody's id.")] = None,
    history: Annotated[
        str | None,
        typer.Option(metavar="ID,ID,…", help="What somebody touched, oldest first; quoted as in CSV."),
    ] = None,
    users_file: Annotated[Path | None, typer.Option(help="Many ids, one a line.")] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="A newer log; it replaces what the bundle knows of people.")
    ] = None,
    filter: options.Filter = None,
    only_file: options.OnlyFile = None,
    exclude_file: options.ExcludeFile = None,
    k: options.Length = 10,
    out: options.Out = None,
    as_json: options.Json = False,
) -> None:
    """Recommend items to a user, to anyone with a history, or to many users."""
    _one_of({"--user": user, "--history": history, "--users-file": users_file})
    options.check_out(out)

    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    held = options.held(recommender, filter, only_file, exclude_file)
    log = None if interactions is None else options.log_for(recommender, interactions)
    if users_file is not None:
        known = recommender.bundle.histories if log is None else log
        many = options.ids_of(users_file, lambda id: known.user(id) is not None)
        slates: Iterable[tuple[str, Slate]] = zip(
            many, recommender.recommend_many(many, k, interactions=log, **held), strict=True
        )
    elif history is not None:
        slates = [("", recommender.recommend(history=_history(history, recommender), k=k, **held))]
    else:
        slates = [(str(user), recommender.recommend(user_id=user, k=k, interactions=log, **held))]
    _answer(slates, "user_id", "for {}", out, as_json, one=users_file is None)


def similar(
    bundle: options.BundlePath,
    title: Annotated[
        str | None, typer.Argument(help="A title, in either language; spelling is forgiven.")
    ] = None,
    item: Annotated[str | None, typer.Option(help="An item's id, exactly as in the file.")] = None,
    items_file: Annotated[Path | None, typer.Option(help="Many ids, one a line.")] = None,
    all_seasons: Annotated[
        bool, typer.Option("--all-seasons", help="Every season, not one entry a series.")
    ] = False,
    filter: options.Filter = None,
    only_file: options.OnlyFile = None,
    exclude_file: options.ExcludeFile = None,
    k: options.Length = 10,
    out: options.Out = None,
    as_json: options.Json = False,
) -> None:
    """List the items most like one item, or like each of many."""
    _one_of({"a title": title, "--item": item, "--items-file": items_file})
    options.check_out(out)

    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    held = options.held(recommender, filter, only_file, exclude_file)
    if items_file is not None:
        many = options.ids_of(items_file, recommender.catalogue.__contains__)
        slates = recommender.similar_many(many, k, all_seasons=all_seasons, **held)
    else:
        row = recommender.row(item) if item is not None else recommender.find(str(title))
        item_id = recommender.catalogue.ids[row]
        slates = iter([(item_id, recommender.similar(item_id=item_id, k=k, all_seasons=all_seasons, **held))])
    _answer(slates, "query_item_id", "like {}", out, as_json, one=items_file is None)


def _answer(
    slates: "Iterable[tuple[str, Slate]]", key: str, heading: str, out: Path | None, as_json: bool, one: bool
) -> None:
    import json

    from tastemaker.cli.show import console, slate_table

    if out is not None:
        rows = options.write_lists(out, _frames(_telling(slates), key))
        typer.echo(f"{rows:,} rows in {out}", err=True)
        return
    if as_json:
        answers = [{key: id} | slate.as_json() for id, slate in slates]
        typer.echo(json.dumps(answers[0] if one else answers, ensure_ascii=False, indent=2))
        return
    screen = console()
    for _, slate in _telling(slates):
        screen.print(slate_table(slate, heading.format(slate.query)))


def _telling(slates: "Iterable[tuple[str, Slate]]") -> "Iterator[tuple[str, Slate]]":
    """The same; what the asker should know goes to stderr, once, after the answer that it was said of."""
    told: set[str] = set()
    for id, slate in slates:
        yield id, slate
        for note in slate.notes:
            if note not in told:
                typer.echo(note, err=True)
        told.update(slate.notes)


def _frames(slates: "Iterable[tuple[str, Slate]]", key: str) -> "Iterator[pl.DataFrame]":
    """Frames of key, item_id, score, rank; many lists in one, so that memory is spent on columns."""
    import itertools

    import polars as pl

    schema = {key: pl.String, "item_id": pl.String, "score": pl.Float64, "rank": pl.Int32}
    empty = True
    slates = iter(slates)
    while block := list(itertools.islice(slates, FRAMES_OF)):
        rows = [(id, item.item_id, item.score, item.rank) for id, slate in block for item in slate]
        yield pl.DataFrame(rows, schema=schema, orient="row")
        empty = False
    if empty:
        yield pl.DataFrame(schema=schema)


def _history(text: str, recommender: "Recommender") -> list[str]:
    """Ids between commas; one that holds a comma itself is quoted, or is the whole text."""
    if text in recommender.catalogue:
        return [text]
    return [id for row in csv.reader([text], skipinitialspace=False) for id in row]


def _one_of(given: dict[str, object]) -> None:
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        got = f"got {' and '.join(named)}" if named else "got none of them"
        raise TastemakerError(f"Give one of {', '.join(given)}; {got}.")
