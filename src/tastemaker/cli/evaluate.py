"""`tastemaker evaluate`: how good a bundle is, beside the baselines, or on lists that people were shown."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import BundleError, TastemakerError

if TYPE_CHECKING:
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
    if test is not None and impressions is not None:
        raise TastemakerError("--test and --impressions are two questions: ask one at a time.")
    if test is None and impressions is None and interactions is not None:
        raise TastemakerError("--interactions ask a new question: give --test or --impressions too.")
    if test is not None and test.is_dir() and interactions is not None:
        raise TastemakerError("A split says itself what is known of people: leave --interactions out.")
    if test is None and impressions is None and exposure is None and folding is None and k is not None:
        raise TastemakerError(
            "-k asks a new question: give --test, --impressions, --exposure or --folding too."
        )
    if impressions is not None and (by is not None or exposure is not None):
        raise TastemakerError("--by and --exposure are of lists made anew: they don't go with --impressions.")
    if by is not None and test is None:
        raise TastemakerError("--by asks how people were served: give --test, what they did later.")
    if metrics_as is not None and test is None:
        raise TastemakerError("--metrics-as asks a new question: give --test, what people did later.")
    if impressions is not None and (folding is not None or negatives):
        raise TastemakerError("--folding and --negatives don't go with --impressions: ask them alone.")
    if impressions is None and (objective or plot is not None):
        raise TastemakerError(
            "--objective and --plot are of lists that people were shown: give --impressions."
        )

    if test is None and exposure is None and folding is None and (placement or weight or rules is not None):
        raise TastemakerError(
            "--placement, --weight and --rules make lists anew: give --test, --exposure or --folding to look "
            "at them."
        )

    if folder is not None and impressions is not None:
        raise TastemakerError("--report is of lists made anew: it doesn't go with --impressions.")
    options.check_out(plot, "--plot", (".svg", ".png", ".pdf"))
    if folder is not None or plot is not None:
        from tastemaker.pages import style

        style.check()
    if folder is not None:
        from tastemaker.evaluation.dossier.folder import check_folder

        check_folder(folder)

    from tastemaker.cli.show import console, progress
    from tastemaker.data.split_files import opened
    from tastemaker.evaluation.conventions import OURS, of
    from tastemaker.evaluation.judge import judged, judged_on, remembered
    from tastemaker.recommend import Recommender

    convention = OURS if metrics_as is None else of(metrics_as)
    recommender = options.ruled(Recommender.load(bundle), placement, weight, rules)
    if impressions is not None and recommender.ranker is None:
        raise BundleError(NO_RANKER)  # before a long file is read
    rows = None  # of the lists that were looked at, where some were
    history = None if interactions is None else options.log_for(recommender, interactions)
    parts: dict[str, PeopleReport | ExposureReport | Section] = {}
    report: Report | ShownReport | None = None
    exam: Marked | None = None
    if impressions is not None:
        from tastemaker.evaluation.shown import on_shown

        shown = options.shown_for(recommender, impressions)
        with progress() as told:
            report = on_shown(
                recommender, shown, history=history, objectives=objective or (), k=k or PLACES, report=told
            )
        if plot is not None:
            _draw(report, plot)
    elif test is not None:
        if test.is_dir():
            saved = opened(test, recommender.catalogue)
            exam = judged_on(recommender, saved, k=k, convention=convention)
        else:
            log = options.log_for(recommender, test)
            exam = judged(recommender, log, history=history, k=k, convention=convention)
        report, rows = exam.report, exam.ours.rows
        if by is not None:
            from tastemaker.evaluation.people import by_people

            parts["by"] = by_people(recommender, exam, by)
    elif exposure is None and folder is None and folding is None and not negatives:
        report = remembered(recommender)
    if exposure is not None:
        from tastemaker.evaluation.exposure import exposure as exposure_of

        parts["exposure"] = exposure_of(recommender, exposure, rows, k)
    if folding is not None:
        from tastemaker.evaluation.doctor.folding import PLACES as FIRST
        from tastemaker.evaluation.doctor.folding import examine_folding

        parts["folding"] = examine_folding(recommender, exam, folding, k or FIRST).section()
    if negatives:
        from tastemaker.evaluation.doctor.negatives import negatives_report

        parts["negatives"] = negatives_report(recommender, exam.fold if exam else None).section()
    if folder is not None:
        case = _report(recommender, exam, bundle, folder)
        report = case.report if report is None and exposure is None else report
    if as_json:
        values = {} if report is None else report.as_json()
        values |= {name: part.as_json() for name, part in parts.items()}
        typer.echo(json.dumps(values, ensure_ascii=False, indent=1))
    else:
        console().print(*([] if report is None else [report]), *parts.values(), sep="\n")


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
