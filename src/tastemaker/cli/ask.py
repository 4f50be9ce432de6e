"""`tastemaker recommend` and `tastemaker similar`: questions to a bundle."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    import polars as pl

    from tastemaker.rank.wishes import Wishes
    from tastemaker.recommend import Recommender
    from tastemaker.slate import Slate


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
    objective: options.Objective = None,
    now: options.Now = None,
    device: options.Device = "",
    placement: options.Placement = "",
    weight: options.Weights = None,
    rules: options.Rules = None,
    country: options.Country = "",
    age: options.Age = None,
    impressions: options.Before = None,
    k: options.Length = 10,
    out: options.Out = None,
    as_json: options.Json = False,
) -> None:
    """Recommend items to a user, to anyone with a history, or to many users."""
    _one_of({"--user": user, "--history": history, "--users-file": users_file})
    options.check_out(out)

    import polars as pl

    from tastemaker.lists import frame_of
    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    showing = options.showing(
        recommender,
        filter=filter,
        only=only_file,
        exclude=exclude_file,
        now=now,
        placement=placement,
        weights=weight,
        rules=rules,
        country=country,
        age=age,
        impressions=impressions,
    )
    wishes: Wishes = {**showing, "objective": objective, "device": device}
    log = None if interactions is None else options.log_for(recommender, interactions)
    asked = [recommender.bundle.version, "" if log is None else log.fingerprint, f"{k} {wishes}"]
    if users_file is not None:
        known = recommender.bundle.histories if log is None else log
        many = options.ids_of(users_file, lambda id: known.user(id) is not None)
        if out is not None:
            for note in recommender.asked(wishes).limit.notes:
                typer.echo(note, err=True)
            items = pl.Series(recommender.catalogue.ids, dtype=pl.String)

            def answer(block: Sequence[str]) -> pl.DataFrame:
                return frame_of(
                    "user_id", block, recommender.ranked(block, k, interactions=log, **wishes), items
                )

            _write(out, many, answer, asked)
            return
        slates: Iterable[tuple[str, Slate]] = zip(
            many, recommender.recommend_many(many, k, interactions=log, **wishes), strict=True
        )
    elif history is not None:
        slates = [("", recommender.recommend(history=_history(history, recommender), k=k, **wishes))]
    else:
        slates = [(str(user), recommender.recommend(user_id=user, k=k, interactions=log, **wishes))]
    if out is not None:
        _write(out, [""], lambda _: _frame(_telling(slates), "user_id"), asked)
    else:
        _show(slates, "user_id", "for {}", as_json, one=users_file is None)


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
    now: options.Now = None,
    placement: options.Placement = "",
    weight: options.Weights = None,
    rules: options.Rules = None,
    country: options.Country = "",
    age: options.Age = None,
    k: options.Length = 10,
    out: options.Out = None,
    as_json: options.Json = False,
) -> None:
    """List the items most like one item, or like each of many."""
    _one_of({"a title": title, "--item": item, "--items-file": items_file})
    options.check_out(out)

    from tastemaker.recommend import Recommender

    recommender = Recommender.load(bundle)
    showing = options.showing(
        recommender,
        filter=filter,
        only=only_file,
        exclude=exclude_file,
        now=now,
        placement=placement,
        weights=weight,
        rules=rules,
        country=country,
        age=age,
        impressions=None,
    )
    if items_file is not None:
        ids = options.ids_of(items_file, recommender.catalogue.__contains__)
    else:
        row = recommender.row(item) if item is not None else recommender.find(str(title))
        ids = [recommender.catalogue.ids[row]]

    def answers(some: Sequence[str]) -> "Iterable[tuple[str, Slate]]":
        return recommender.similar_many(some, k, all_seasons=all_seasons, **showing)

    if out is not None:
        for id in ids:
            recommender.row(id)  # all of them, before the first answer
        asked = [recommender.bundle.version, f"{k} {all_seasons} {showing}"]
        _write(out, ids, lambda block: _frame(_telling(answers(block)), "query_item_id"), asked)
    else:
        _show(answers(ids), "query_item_id", "like {}", as_json, one=items_file is None)


def _show(slates: "Iterable[tuple[str, Slate]]", key: str, heading: str, as_json: bool, one: bool) -> None:
    import json

    from tastemaker.cli.show import console, slate_table

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


def _write(
    out: Path, ids: Sequence[str], answer: "Callable[[Sequence[str]], pl.DataFrame]", asked: Sequence[str]
) -> None:
    from tastemaker.cli.show import progress
    from tastemaker.lists import write_lists

    with progress() as report:
        rows = write_lists(out, ids, answer, asked, report)
    typer.echo(f"{rows:,} rows in {out}", err=True)


def _frame(slates: "Iterable[tuple[str, Slate]]", key: str) -> "pl.DataFrame":
    """Columns key, item_id, score, rank."""
    import polars as pl

    schema = {key: pl.String, "item_id": pl.String, "score": pl.Float64, "rank": pl.Int32}
    rows = [(id, item.item_id, item.score, item.rank) for id, slate in slates for item in slate]
    return pl.DataFrame(rows, schema=schema, orient="row")


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
