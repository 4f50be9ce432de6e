"""Everything Tastemaker raises on purpose, in one tree.

A message is one line: what is wrong, what came, and what to do. The command line prints it and
ends with status 2; the service answers with a 4xx.
"""

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str]) -> str:
    """What somebody may have meant who wrote `name`, or what there is."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(known)}."


class TastemakerError(Exception):
    """A mistake in what was asked, or in what was given; never a defect of ours."""


class RecipeError(TastemakerError):
    """A recipe that can't be read, or knobs that contradict one another."""


class DataError(TastemakerError):
    """A file that can't be read, or whose content can't be used."""


class BundleError(TastemakerError):
    """A bundle that is missing, damaged, or of a format this version doesn't know."""


class UnknownItemError(TastemakerError):
    """No item of the catalogue answers to that id or title."""


class AmbiguousTitleError(TastemakerError):
    """Several items answer equally well to that title.

    Attributes:
        candidates: the titles that tie, best first.
    """

    def __init__(self, message: str, candidates: list[str]) -> None:
        super().__init__(message)
        self.candidates = candidates


class FilterError(TastemakerError):
    """A filter that can't be read, or that speaks of a column there isn't."""


class ObjectiveError(TastemakerError):
    """An objective that can't be read, or that speaks of a head there isn't."""


class TrainingError(TastemakerError):
    """Training can't start, or stopped without a usable model."""


class StoreError(TastemakerError):
    """A store of events that can't be reached, is full or is damaged; or one that this version can't read."""


class RegistryError(TastemakerError):
    """A registry of models that is missing or damaged, or a version that it doesn't hold."""


class KeysError(TastemakerError):
    """A file of API keys that can't be read, or a key that isn't in it."""
