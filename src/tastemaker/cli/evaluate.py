"""`tastemaker evaluate`: how good a bundle is, beside the baselines, or on lists that people were shown."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.errors import BundleError, TastemakerError

if TYPE_CHECKING:
    from tastemaker.data.interactions import Interactions
    from tastemaker.evaluation.conventions import Convention
    from tastemaker.evaluation.dossier import Case
    from tastemaker.evaluation.exposure import ExposureReport
    from tastemaker.evaluation.judge import Marked
    from tastemaker.evaluation.people import PeopleReport
    from tastemaker.evaluation.report import Report
    from tastemaker.evaluation.shown import ShownReport
    from tastemaker.pages.section import Section
    from tastemaker.recommend import Recommender

PLACES = 5
"""Of each list, looked at where nobody says how many."""
NO_RANKER = (
    "This bundle has no ranker, so lists that were shown can't be put in another order by it: train it with "
    "--impressions, or with --set ranking.use=always."
)

ANEW = {"test", "exposure", "folding"}
"""Options that have lists made anew."""
APART: tuple[tuple[set[str], set[str], str], ...] = (
    ({"test"}, {"impressions"}, "--test and --impressions are two questions: ask one at a time."),
    (
        {"by", "exposure"},
        {"impressions"},
        "--by and --exposure are of lists made anew: they don't go with --impressions.",
    ),
    (
        {"folding", "negatives"},
        {"impressions"},
        "--folding and --negatives don't go with --impressions: ask them alone.",
    ),
    ({"folder"}, {"impressions"}, "--report is of lists made anew: it doesn't go with --impressions."),
)
"""Any of the first can't be asked with any of the second, and why."""
NEEDS: tuple[tuple[set[str], set[str], str], ...] = (
    (
        {"interactions"},
        {"test", "impressions"},
        "--interactions ask a new question: give --test or --impressions too.",
    ),
    (
        {"k"},
        ANEW | {"impressions"},
        "-k asks a new question: give --test, --impressions, --exposure or --folding too.",
    ),
    ({"by"}, {"test"}, "--by asks how people were served: give --test, what they did later."),
    ({"metrics_as"}, {"test"}, "--metrics-as asks a new question: give --test, what people did later."),
    (
        {"objective", "plot"},
        {"impressions"},
        "--objective and --plot are of lists that people were shown: give --impressions.",
    ),
    (
        {"reranking"},
        ANEW,
        "--placement, --weight and --rules make lists anew: give --test, --exposure or --folding to look at "
        "them.",
    ),
)
"""Any of the first can't be asked without one of the second, and why."""


def evaluate(
    bundle: options.BundlePath,
    test: Annotated[
        Path | None,
        typer.Option(help="What happened later: the log to be foretold, or a folder made by `data split`."),
    ] = None,
    impressions: Annotated[
        Path | None,
        typer.Option(help="What people were shown later: what an objective would have done to it."),
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="What is known of people when asked; else what the bundle knows.")
    ] = None,
    k: Annotated[
        int | None, typer.Option("-k", help="Length of the lists; of impressions, places looked at.", min=1)
    ] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(metavar="FORMULA", help="Of impressions: another order to try. May be repeated."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg",
            help="Of impressions: draw how far clicks can be believed; other chances go beside it.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Of --test: marks by groups of people, by a column of the users file or by activity.",
        ),
    ] = None,
    exposure: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="What lists show of each group of items, e.g. language or popularity_tier; without --test, "
            "the lists of everybody the bundle knows.",
        ),
    ] = None,
    metrics_as: Annotated[
        str | None,
        typer.Option(
            metavar="LIBRARY",
            help="Of --test: define the metrics as recbole, rectools, trec_eval or ranx do.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FOLDER",
            help="Write all that is known of how good it is there, as a page and as JSON (extra `plots`).",
        ),
    ] = None,
    folding: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|community",
            help="Whether groups that share nobody are folded into each other: by a column of categories, or "
            "by communities found in the log.",
        ),
    ] = None,
    negatives: Annotated[
        bool, typer.Option("--negatives", help="What right answers were set against in training.")
    ] = False,
    placement: options.Placement = "",
    weight: options.Weights = None,
    rules: options.Rules = None,
    as_json: options.Json = False,
) -> None:
    """Show how good the model is: on later events, on lists people were shown, or as measured in training."""
    _check_asked(
        test=test,
        impressions=impressions,
        interactions=interactions,
        k=k,
        objective=objective or None,
        plot=plot,
        by=by,
        exposure=exposure,
        metrics_as=metrics_as,
        folder=folder,
        folding=folding,
        negatives=negatives,
        reranking=bool(placement or weight or rules is not None),
    )
    options.check_out(plot, "--plot", (".svg", ".png", ".pdf"))
    if folder is not None or plot is not None:
        from tastemaker.pages import style

        style.check()
    if folder is not None:
        from tastemaker.evaluation.dossier.folder import check_folder

        check_folder(folder)

    from tastemaker.cli.show import console
    from tastemaker.evaluation.conventions import OURS, of
    from tastemaker.evaluation.judge import remembered
    from tastemaker.recommend import Recommender

    convention = OURS if metrics_as is None else of(metrics_as)
    recommender = options.ruled(Recommender.load(bundle), placement, weight, rules)
    if impressions is not None and recommender.ranker is None:
        raise BundleError(NO_RANKER)  # before a long file is read
    history = None if interactions is None else options.log_for(recommender, interactions)
    report: Report | ShownReport | None = None
    exam: Marked | None = None
    if impressions is not None:
        report = _on_shown(recommender, impressions, history, objective or (), k or PLACES, plot)
    elif test is not None:
        exam = _judged(recommender, test, history, k, convention)
        report = exam.report
    elif exposure is None and folder is None and folding is None and not negatives:
        report = remembered(recommender)
    parts = _parts(recommender, exam, k, by, exposure, folding, negatives)
    if folder is not None:
        case = _report(recommender, exam, bundle, folder)
        report = case.report if report is None and exposure is None else report
    if as_json:
        values = {} if report is None else report.as_json()
        values |= {name: part.as_json() for name, part in parts.items()}
        typer.echo(json.dumps(values, ensure_ascii=False, indent=1))
    else:
        console().print(*([] if report is None else [report]), *parts.values(), sep="\n")


def _check_asked(**asked: Any) -> None:
    """Refuse options that don't belong together, before anything is read. Raises TastemakerError."""
    given = {name for name, value in asked.items() if value is not None and value is not False}
    for some, others, why in APART:
        if given & some and given & others:
            raise TastemakerError(why)
    for some, others, why in NEEDS:
        if given & some and not given & others:
            raise TastemakerError(why)
    if {"test", "interactions"} <= given and asked["test"].is_dir():
        raise TastemakerError("A split says itself what is known of people: leave --interactions out.")


def _judged(
    recommender: "Recommender",
    test: Path,
    history: "Interactions | None",
    k: int | None,
    convention: "Convention",
) -> "Marked":
    """The exam on a log of later events, or on a saved split."""
    from tastemaker.data.split_files import opened
    from tastemaker.evaluation.judge import judged, judged_on

    if test.is_dir():
        saved = opened(test, recommender.catalogue)
        return judged_on(recommender, saved, k=k, convention=convention)
    log = options.log_for(recommender, test)
    return judged(recommender, log, history=history, k=k, convention=convention)


def _on_shown(
    recommender: "Recommender",
    impressions: Path,
    history: "Interactions | None",
    objectives: Sequence[str],
    k: int,
    plot: Path | None,
) -> "ShownReport":
    """What objectives would have done to lists that were shown; drawn where `plot` says so."""
    from tastemaker.cli.show import progress
    from tastemaker.evaluation.shown import on_shown

    shown = options.shown_for(recommender, impressions)
    with progress() as told:
        report = on_shown(recommender, shown, history=history, objectives=objectives, k=k, report=told)
    if plot is not None:
        _draw(report, plot)
    return report


def _parts(
    recommender: "Recommender",
    exam: "Marked | None",
    k: int | None,
    by: str | None,
    exposure: str | None,
    folding: str | None,
    negatives: bool,
) -> "dict[str, PeopleReport | ExposureReport | Section]":
    """What was asked for beside the exam, by its name in JSON."""
    parts: dict[str, PeopleReport | ExposureReport | Section] = {}
    if by is not None and exam is not None:
        from tastemaker.evaluation.people import by_people

        parts["by"] = by_people(recommender, exam, by)
    if exposure is not None:
        from tastemaker.evaluation.exposure import exposure as exposure_of

        parts["exposure"] = exposure_of(recommender, exposure, None if exam is None else exam.ours.rows, k)
    if folding is not None:
        from tastemaker.evaluation.doctor.folding import PLACES as FIRST
        from tastemaker.evaluation.doctor.folding import examine_folding

        parts["folding"] = examine_folding(recommender, exam, folding, k or FIRST).section()
    if negatives:
        from tastemaker.evaluation.doctor.negatives import negatives_report

        parts["negatives"] = negatives_report(recommender, None if exam is None else exam.fold).section()
    return parts


def _report(recommender: "Recommender", exam: "Marked | None", bundle: Path, folder: Path) -> "Case":
    """Write all that is known into `folder`."""
    from tastemaker.cli.show import progress
    from tastemaker.evaluation.dossier import Case, dossier
    from tastemaker.evaluation.dossier.folder import PAGE, write

    with progress() as told:
        case = Case.of(recommender, exam, bundle)
        write(dossier(case, report=told), folder)
    typer.echo(f"The report is {folder / PAGE}", err=True)
    return case


def _draw(report: "ShownReport", plot: Path) -> None:
    """A file for each chance: the one that was asked for, of the first, others with their name beside it."""
    from tastemaker.pages import style

    for number, (head, found) in enumerate(report.chances.items()):
        path = plot if number == 0 else plot.with_name(f"{plot.stem}-{head}{plot.suffix}")
        style.write(found.figure(f"{head}: foretold, and what happened"), path)
        typer.echo(f"{head} is drawn in {path}", err=True)
