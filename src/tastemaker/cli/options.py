"""Options that several commands share, and the files that answers are written to."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from tastemaker.data.impressions import Impressions as ShownLists
    from tastemaker.data.interactions import Interactions as InteractionLog
    from tastemaker.data.report import FileReport
    from tastemaker.rank.wishes import Showing
    from tastemaker.recipe import BusinessRule
    from tastemaker.recommend import Recommender
    from tastemaker.retrieve.limits import Held

BundlePath = Annotated[Path, typer.Argument(help="A bundle made by `tastemaker train`.", show_default=False)]
Items = Annotated[Path | None, typer.Option(help="The catalogue: CSV, Parquet or JSON Lines.")]
Interactions = Annotated[Path | None, typer.Option(help="The log: who touched what, and when.")]
Users = Annotated[Path | None, typer.Option(help="What is known of users beside their ids.")]
Impressions = Annotated[
    Path | None,
    typer.Option(
        help="What users were shown: a ranker learns from it, and what was passed over can be a negative."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A knob of the recipe, e.g. history.epochs=10."),
]
Length = Annotated[int, typer.Option("-k", help="Length of the list.", min=1)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Out = Annotated[Path | None, typer.Option(help="Write the lists here: a .csv or .parquet file.")]
Filter = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="What an item must be, e.g. 'language == \"Korean\" and year(released) >= 2020'."
    ),
]
OnlyFile = Annotated[Path | None, typer.Option(help="Ids of the only items to choose from, one a line.")]
Now = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="When it is asked for: a date, a time, or seconds since 1970 [default: the newest event]",
    ),
]
Device = Annotated[str, typer.Option(help="On what it will be shown, as the impressions call it.")]
Objective = Annotated[
    str | None,
    typer.Option(
        metavar="FORMULA", help="What to sort by instead of ranking.objective, e.g. 'click^0.5 * watch_time'."
    ),
]
Placement = Annotated[str, typer.Option(help="Where on a site, as [reranking.placements] call it.")]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weight", metavar="RULE=STRENGTH", help="How strong a rule is, e.g. diversity=0.3. May be repeated."
    ),
]
Rules = Annotated[
    Path | None,
    typer.Option(
        "--rules", metavar="FILE", help="Rules of the business instead of the recipe's: .toml or .json."
    ),
]
Country = Annotated[str, typer.Option(help="Where it is shown, for rules that ask.")]
Age = Annotated[float | None, typer.Option(help="Of the viewer in years, for rules that ask.")]
Before = Annotated[
    Path | None, typer.Option("--impressions", help="What people were shown before, for rules that ask.")
]
ExcludeFile = Annotated[Path | None, typer.Option(help="Ids of items to leave out, one a line.")]


_ID_LINE = re.compile(r'"(?P<quoted>(?:[^"]|"")*)"(?=\r?\n|\Z)\r?\n?|(?P<plain>[^\n]*?)(?:\r?\n|\Z)')


def ids_of(path: Path, is_known: Callable[[str], bool], *, may_be_empty: bool = False) -> list[str]:
    """One id a line, exactly as it stands there.

    A line in quotes is read as CSV writes it, unless it is known with its quotes.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TastemakerError(f"{path} is not UTF-8 text: it should hold one id a line.") from None
    except OSError as error:
        raise TastemakerError(f"Can't read {path}: {error.strerror}.") from None
    ids = []
    for line in _ID_LINE.finditer(text):
        quoted = line["quoted"]
        is_plain = quoted is None or is_known(f'"{quoted}"')
        ids.append(line[0].rstrip("\r\n") if is_plain else quoted.replace('""', '"'))
    ids = [id for id in ids if id.strip()]
    if not ids and not may_be_empty:
        raise TastemakerError(f"{path} is empty: it should hold one id a line.")
    return ids


def held(recommender: "Recommender", filter: str | None, only: Path | None, exclude: Path | None) -> "Held":
    """What was asked for, with the ids read from their files."""
    known = recommender.catalogue.__contains__
    return {
        "filter": filter,
        "only": None if only is None else ids_of(only, known, may_be_empty=True),
        "exclude": [] if exclude is None else ids_of(exclude, known, may_be_empty=True),
    }


def showing(
    recommender: "Recommender",
    *,
    filter: str | None,
    only: Path | None,
    exclude: Path | None,
    now: str | None,
    placement: str,
    weights: Sequence[str] | None,
    rules: Path | None,
    country: str,
    age: float | None,
    impressions: Path | None,
) -> "Showing":
    """What was asked for, as keywords; those that nobody asked for are left out."""
    shown = None if impressions is None else shown_for(recommender, impressions)
    others: dict[str, object] = {
        "now": moment(now),
        "placement": placement,
        "weights": strengths(weights or ()),
    }
    others |= {"country": country, "age": age, "impressions": shown}
    others["rules"] = None if rules is None else rules_of(recommender, rules, placement)
    wished = {name: value for name, value in others.items() if value not in (None, "", {})}
    return cast("Showing", {**held(recommender, filter, only, exclude), **wished})


def rules_of(recommender: "Recommender", path: Path, placement: str = "") -> "Sequence[BusinessRule]":
    """The rules in a file; what the one who wrote them should know is told on stderr."""
    from tastemaker.recipe import read_rules

    rules = read_rules(path)
    chain = recommender.reranker.chain(placement, None, rules)
    for remark in () if chain is None else chain.remarks:
        typer.echo(remark, err=True)
    return rules


def ruled(
    recommender: "Recommender", placement: str, weights: Sequence[str] | None, rules: Path | None
) -> "Recommender":
    """The same with the rules of a placement, or with others, in all that it answers."""
    if not (placement or weights or rules is not None):
        return recommender
    recipe = recommender.recipe.reranking
    if rules is not None:
        recipe = recipe.model_copy(update={"rules": tuple(rules_of(recommender, rules, placement))})
    recommender.recipe.model_copy(update={"reranking": recipe}).placement(placement)  # or it says no
    return recommender.with_rules(recipe.at(placement).weighed(strengths(weights or ())))


def strengths(texts: Sequence[str]) -> dict[str, float]:
    """Of rules, as they were typed: `diversity=0.3`."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise TastemakerError(f"--weight {text}: write a rule and a number, diversity=0.3.") from None
    return found


def moment(text: str | None) -> float | None:
    """Seconds since 1970 of a time as it was typed; without a zone it is UTC."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds):
        return seconds
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise TastemakerError(
            f"--now {text}: that is no time. Give one such as 2024-05-17, 2024-05-17T20:30 or 1715977800."
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def log_for(recommender: "Recommender", path: Path) -> "InteractionLog":
    """A log against a bundle's catalogue; what had to be left out is told on stderr."""
    from tastemaker.data import read_log

    log, report = read_log(path, recommender.catalogue, recommender.recipe.data.columns)
    _tell_rejected(path, report)
    return log


def shown_for(recommender: "Recommender", path: Path) -> "ShownLists":
    """Impressions against a bundle's catalogue; what had to be left out is told on stderr."""
    from tastemaker.data import read_impressions

    shown, report = read_impressions(path, recommender.catalogue, recommender.recipe.data.columns)
    _tell_rejected(path, report)
    return shown


def _tell_rejected(path: Path, report: "FileReport") -> None:
    if report.rejected.height:
        reasons = "; ".join(f"{finding.what}: {finding.count:,}" for finding in report.reasons)
        typer.echo(
            f"{path}: {report.rejected.height:,} of {report.read:,} rows left out ({reasons})", err=True
        )


def check_out(
    path: Path | None, option: str = "--out", suffixes: tuple[str, ...] = (".csv", ".parquet")
) -> None:
    """Refuse a file name before any work is done for it."""
    if path is None:
        return
    if path.suffix not in suffixes:
        raise TastemakerError(f"{option} {path}: the name should end in {' or '.join(suffixes)}.")
    if path.is_dir():
        raise TastemakerError(f"{option} {path} is a folder: give a file name.")
    if not path.absolute().parent.is_dir():
        raise TastemakerError(f"{option} {path}: there is no folder {path.parent}.")
