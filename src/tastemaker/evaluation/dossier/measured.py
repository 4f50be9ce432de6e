"""What is measured elsewhere and stands in the report too: segments, exposure, folding, negatives, leaks."""

from tastemaker.data.leaks import leaks as leaks_of
from tastemaker.errors import DataError
from tastemaker.evaluation.doctor.folding import examine_folding
from tastemaker.evaluation.doctor.negatives import negatives_report
from tastemaker.evaluation.dossier.case import Case
from tastemaker.evaluation.exposure import exposure as exposure_of
from tastemaker.evaluation.segments import Segments
from tastemaker.evaluation.segments import segments as segments_of
from tastemaker.pages.section import Section

NO_LISTS = "The lists of that exam are gone: give --test, a log of later events."


def segments(case: Case) -> Section | None:
    """For whom and for what it is good; as measured in training where no exam is held now.

    Raises: DataError where nothing of it is left.
    """
    if case.exam is None:
        remembered = (case.recommender.bundle.evaluation or {}).get("segments")
        if remembered is None:
            raise DataError(NO_LISTS)
        return Segments.from_json(remembered).section()
    return segments_of(case.recommender, case.exam, case.exam.rival).section()


def leaks(case: Case) -> Section | None:
    """Whether the question tells its answer; a catalogue asked by its series has none to tell.

    Raises: DataError where only an exam's report is left.
    """
    if case.is_catalogue:
        return None
    if case.exam is None:
        raise DataError(NO_LISTS)
    bundle = case.recommender.bundle
    return leaks_of(case.exam.fold, bundle.catalogue, case.exam.protocol, bundle.users).section()


def exposure(case: Case) -> Section | None:
    """What the lists show of each group of the column that tells most apart."""
    column = case.recommender.facts.telling_column
    if column is None:
        return None
    return exposure_of(case.recommender, column, case.lists.rows).section()


def folding(case: Case) -> Section | None:
    """By community, or of a catalogue alone by the column that tells most apart."""
    # A catalogue's exam asks for the same series, which says nothing of groups.
    return examine_folding(case.recommender, None if case.is_catalogue else case.exam).section()


def negatives(case: Case) -> Section | None:
    """What right answers were set against, of a model of histories."""
    if case.is_catalogue:
        return None
    return negatives_report(case.recommender, case.exam.fold if case.exam else None).section()
