"""What else is measured at the exam, while its lists are at hand, and kept beside its report: for whom and
what the model is good, and what rules cost and bring.
"""

from typing import TYPE_CHECKING, Any

from tastemaker.evaluation.judge import Marked
from tastemaker.evaluation.segments import segments
from tastemaker.evaluation.tradeoff import remembered_curves

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender


def measured(recommender: "Recommender", exam: Marked) -> dict[str, Any]:
    """`segments`, and `curves` where the recipe wants any, as JSON."""
    found = {"segments": segments(recommender, exam).as_json()}
    curves = remembered_curves(recommender, exam.fold, exam.report.split)
    return found if curves is None else found | {"curves": curves}
