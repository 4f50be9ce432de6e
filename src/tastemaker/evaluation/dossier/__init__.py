"""All that is known of how good a bundle is, as parts in order: what it came to first, what it rests on last.

Whoever measures something makes a `Section` of it and adds a line to `PARTS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tastemaker.errors import TastemakerError
from tastemaker.evaluation.dossier import bias, examples, made, measured, summary
from tastemaker.evaluation.dossier.case import Case, Lists
from tastemaker.evaluation.dossier.standing import main_contest, standing, verdict_of
from tastemaker.pages.section import Section
from tastemaker.progress import Progress, Report, silent

__all__ = ["PARTS", "Case", "Dossier", "Lists", "Part", "dossier"]

NO_EXAM = (
    "No exam was held: there were too few events, or too few series. Give --test, a log of later events."
)


@dataclass(frozen=True)
class Part:
    """One part to be made.

    Attributes:
        key: of its section.
        make: of a case; None where the question doesn't arise. What it raises as a TastemakerError is why
            there is no such part, and stands in its place.
        needs_exam: at least a remembered one.
    """

    key: str
    title: str
    make: Callable[[Case], Section | None]
    needs_exam: bool = False


PARTS: tuple[Part, ...] = (
    Part("standing", "Beside the baselines", standing, needs_exam=True),
    Part("protocol", "How it was asked", summary.protocol, needs_exam=True),
    Part("leaks", "Leaks of the split", measured.leaks, needs_exam=True),
    Part("segments", "For whom, and for what", measured.segments, needs_exam=True),
    Part("folding", "Folding", measured.folding),
    Part("popularity", "What popularity explains", bias.popularity),
    Part("kinship", "Language and kind", bias.kinship),
    Part("exposure", "What is shown of what there is", measured.exposure),
    Part("examples", "Examples, good and bad", examples.examples, needs_exam=True),
    Part("neighbours", "What is like what", examples.neighbours),
    Part("data", "The data", summary.data),
    Part("curves", "Training curves", made.curves),
    Part("negatives", "Negatives", measured.negatives),
    Part("cost", "Time and memory", made.cost),
    Part("card", "Model card", made.model_card),
    Part("recipe", "Recipe", made.recipe),
)


@dataclass(frozen=True)
class Dossier:
    """Attributes:
    title: what it is of.
    verdict: how good that is, in a sentence.
    tiles: figures to be seen first: number, what of, and what beside it.
    """

    title: str
    verdict: str
    tiles: tuple[tuple[str, str, str], ...]
    sections: tuple[Section, ...]
    version: str
    created: str
    made: str

    @property
    def alarms(self) -> list[Section]:
        """What could be wrong."""
        return [section for section in self.sections if section.verdict == "alarm"]

    def as_json(self) -> dict[str, Any]:
        """Plain values that `json.dumps` takes."""
        return {
            "title": self.title,
            "verdict": self.verdict,
            "alarms": [section.key for section in self.alarms],
            "model_version": self.version,
            "created": self.created,
            "made": self.made,
            "sections": {section.key: section.as_json() for section in self.sections},
            "shown": {section.key: section.shown() for section in self.sections},
        }


def dossier(
    case: Case,
    parts: Sequence[Part] = PARTS,
    *,
    more: Sequence[Section] = (),
    now: datetime | None = None,
    report: Report = silent,
) -> Dossier:
    """Make every part; one that can't be made says why in its place.

    Args:
        more: sections that somebody has made already, put behind those on quality.
        now: when it is made.
    """
    sections = []
    for number, part in enumerate(parts):
        report(Progress("report", number, len(parts), note=part.title))
        section = _made(part, case)
        if section is not None:
            sections.append(section)
        if part.key == "protocol":
            sections += more
    report(Progress("report", len(parts), len(parts)))
    bundle = case.recommender.bundle
    what = "a catalogue alone" if case.is_catalogue else "what people did"
    return Dossier(
        f"A recommender of {bundle.catalogue.size:,} items, made from {what}",
        NO_EXAM if case.report is None else verdict_of(case.report),
        tuple(_tiles(case)),
        tuple(sections),
        bundle.version,
        bundle.manifest.created,
        (datetime.now(UTC) if now is None else now).isoformat(timespec="seconds"),
    )


def _made(part: Part, case: Case) -> Section | None:
    if part.needs_exam and case.report is None:
        return _missing(part, NO_EXAM)
    try:
        section = part.make(case)
    except TastemakerError as error:
        return _missing(part, str(error))
    # Links and alarms go by the key that is written down here.
    return None if section is None else replace(section, key=part.key)


def _missing(part: Part, why: str) -> Section:
    return Section(part.key, part.title, why, {"is_missing": True})


def _tiles(case: Case) -> list[tuple[str, str, str]]:
    report = case.report
    tiles = []
    contest = None if report is None else main_contest(report)
    if report is not None and contest is not None:
        ours, theirs = (report.line(name).marks[contest.metric] for name in (contest.ours, contest.theirs))
        if ours.mean is not None and theirs.mean is not None:
            beside = f"{contest.theirs} {theirs.mean:.4f}"
            tiles.append((f"{ours.mean:.4f}", f"NDCG@{report.k}", beside))
            hits = report.line(contest.ours).marks.get("hit_rate")
            if hits is not None and hits.mean is not None:
                tiles.append((f"{hits.mean:.0%}", "found something", "hit rate"))
        whom = "titles asked" if case.is_catalogue else "people asked"
        tiles.append((f"{report.users_asked:,}", whom, f"{report.users_left_out:,} left out"))
    bundle = case.recommender.bundle
    beside = f"{bundle.histories.size:,} events" if bundle.histories.size else "a catalogue alone"
    return [*tiles, (f"{bundle.catalogue.size:,}", "items", beside)]
