"""`tastemaker raters`: a blind study of two models with a handful of people."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tastemaker.evaluation.raters.asking import Ask, Model
    from tastemaker.recommend import Recommender

app = typer.Typer(no_args_is_help=True, help="Ask people which of two models is better, blind.")


@app.command("page")
def make_page(
    a: Annotated[str, typer.Argument(help="A bundle.", show_default=False)],
    b: Annotated[
        str,
        typer.Argument(
            help="Another of the same catalogue, or a baseline: popularity, item_knn, ease, markov, tfidf or "
            "random.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the page and its key.", show_default=False)],
    ask: Annotated[
        Literal["people", "titles"] | None,
        typer.Option(help="Lists for people, or lists like titles [default: people, where there are any]"),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="People's ids, or items' ids or titles, one a line, instead of a draw."),
    ] = None,
    count: Annotated[int, typer.Option(help="Questions to draw.", min=1)] = 30,
    k: Annotated[int, typer.Option("-k", help="Length of the lists.", min=1)] = 5,
    repeats: Annotated[int, typer.Option(help="Questions asked again, sides swapped.", min=0)] = 3,
    checks: Annotated[int, typer.Option(help="Questions with a list drawn by chance.", min=0)] = 2,
    seed: Annotated[
        int | None, typer.Option(help="For the same study again; who knows it can work out the sides.", min=0)
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write rate.html, for raters, and key.json, which they must not see."""
    from tastemaker.cli.show import progress
    from tastemaker.evaluation.raters import study
    from tastemaker.evaluation.raters.making import make
    from tastemaker.recommend import Recommender

    for name in (study.PAGE, study.KEY):
        if (out / name).exists():
            raise TastemakerError(f"{out} holds a study already: give another folder, or take it away first.")
    first = Recommender.load(a)
    asked: Ask = ask or ("people" if first.bundle.histories.size else "titles")
    names = None
    if queries is not None:
        known = first.catalogue.__contains__ if asked == "titles" else _knows(first)
        names = options.ids_of(queries, known)
    sides = _names(a, b)
    with progress() as report:
        made = make(
            first,
            _model(a, sides[0], first, asked),
            _model(b, sides[1], first, asked),
            ask=asked,
            names=names,
            count=count,
            k=k,
            repeats=repeats,
            checks=checks,
            seed=seed,
            report=report,
        )
    study.write(out, made.key, made.html)
    kinds = [each.kind for each in made.key.questions]
    if as_json:
        told = {"study": made.key.study, "page": str(out / study.PAGE), "key": str(out / study.KEY)}
        counts = {"questions": kinds.count("question"), "repeats": kinds.count("repeat")}
        counts |= {"checks": kinds.count("check"), "identical": made.key.identical}
        typer.echo(json.dumps(told | counts, ensure_ascii=False))
        return
    typer.echo(
        f"Wrote {out / study.PAGE}: {kinds.count('question')} questions about {asked}, "
        f"{kinds.count('repeat')} asked again with sides swapped, {kinds.count('check')} checks."
    )
    if made.key.identical:
        typer.echo(f"{made.key.identical} more were left out, because both gave the same list.")
    typer.echo(f"Give raters that file alone: {out / study.KEY} says which side is whose.")
    typer.echo(f"Then: tastemaker raters read {out} answers-*.json")


@app.command("read")
def read_answers(
    study: Annotated[Path, typer.Argument(help="The folder of the study.", show_default=False)],
    answers: Annotated[list[Path], typer.Argument(help="What raters sent back.", show_default=False)],
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw it: .svg, .png or .pdf (extra `plots`).")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say which model raters found better, how sure that is, and how far they agree."""
    from tastemaker.pages import style

    options.check_out(plot, "--plot", style.SUFFIXES)
    if plot is not None:
        style.check()

    from tastemaker.cli.show import console
    from tastemaker.evaluation.raters import reading
    from tastemaker.evaluation.raters.answers import read_answers as sheets_of
    from tastemaker.evaluation.raters.study import Key

    key = Key.read(study)
    found = reading.read(key, sheets_of(answers, key))
    if plot is not None:
        from tastemaker.evaluation.raters.told import drawing

        style.write(drawing(found), plot)
        typer.echo(f"Drawn in {plot}", err=True)
    section = found.section()
    if as_json:
        typer.echo(json.dumps(section.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(section)


def _model(given: str, name: str, first: "Recommender", ask: "Ask") -> "Model":
    from tastemaker.evaluation.raters import asking
    from tastemaker.recommend import Recommender

    if Path(given).exists():
        return asking.model(name, Recommender.load(given), first)
    return asking.baseline(given, first, ask)


def _knows(first: "Recommender") -> "Callable[[str], bool]":
    return lambda id: first.bundle.histories.user(id) is not None


def _names(a: str, b: str) -> tuple[str, str]:
    """The folders' last names, or as much as tells them apart."""
    if Path(a).resolve() == Path(b).resolve():
        raise TastemakerError(f"{a} and {b} are the same bundle: there is nothing to compare.")
    short = Path(a).name or a, Path(b).name or b
    return short if short[0] != short[1] else (a, b)
