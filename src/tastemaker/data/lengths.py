"""How long things last, as far as a catalogue tells."""

import numpy as np
import numpy.typing as npt

from tastemaker.data.catalogue import Catalogue
from tastemaker.data.names import UNITS, plain_name
from tastemaker.recipe import Role

STEMS = {"duration": 1.0, "length": 1.0, "runtime": 60.0}
"""What a number column is called that says how long an item lasts, and in how many seconds where its name
has no unit: a runtime is one of films, in minutes wherever films are listed."""
NAMES = STEMS | {f"{stem}_{unit}": seconds for stem in STEMS for unit, seconds in UNITS.items()}


def lengths_s(catalogue: Catalogue) -> npt.NDArray[np.float32] | None:
    """(N,) seconds that each item lasts, NaN where unknown; None if a catalogue doesn't tell.

    By the first number column of such a name. A length of 0 or less is unknown.
    """
    for name in catalogue.by_role(Role.NUMBER):
        unit = NAMES.get(plain_name(name))
        if unit is not None:
            told = np.array([np.nan if cell is None else cell for cell in catalogue.frame[name]], np.float64)
            return np.where(told > 0, told * unit, np.nan).astype(np.float32)
    return None
