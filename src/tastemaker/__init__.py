"""Tastemaker: from a catalogue, and a log where there is one, to recommendations that are measured.

The public names. Importing this loads nothing heavy; TensorFlow is loaded by `train` alone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tastemaker.data import Dataset, read
    from tastemaker.errors import TastemakerError
    from tastemaker.evaluation.report import Report
    from tastemaker.recipe import Recipe
    from tastemaker.recommend import Recommender
    from tastemaker.slate import Recommendation, Slate
    from tastemaker.training import train
    from tastemaker.training.tuning import Tuning, tune

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "tastemaker.data",
    "read": "tastemaker.data",
    "TastemakerError": "tastemaker.errors",
    "Report": "tastemaker.evaluation.report",
    "Recipe": "tastemaker.recipe",
    "Recommender": "tastemaker.recommend",
    "Recommendation": "tastemaker.slate",
    "Slate": "tastemaker.slate",
    "Tuning": "tastemaker.training.tuning",
    "train": "tastemaker.training",
    "tune": "tastemaker.training.tuning",
}

__all__ = [
    "Dataset",
    "Recipe",
    "Recommendation",
    "Recommender",
    "Report",
    "Slate",
    "TastemakerError",
    "Tuning",
    "evaluate",
    "load",
    "read",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'tastemaker' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def load(path: Any) -> "Recommender":
    """Open a bundle. Raises BundleError when it is missing or damaged."""
    from tastemaker.recommend import Recommender

    return Recommender.load(path)


def evaluate(recommender: "Recommender", data: "Dataset") -> "Report":
    """The recommender beside the baselines, with 95 % intervals.

    On the data it was trained on, that is the exam held before it was trained on all of them; on
    other data, how well it foretells their events.
    """
    from tastemaker.errors import DataError
    from tastemaker.evaluation.judge import judge, remembered

    if data.fingerprint == recommender.bundle.manifest.data["fingerprint"]:
        return remembered(recommender)
    if data.interactions is None:
        raise DataError("There is nothing to foretell in these data: they hold no interactions.")
    return judge(recommender, data.interactions.renumbered(recommender.catalogue.rows(data.items.ids)))
