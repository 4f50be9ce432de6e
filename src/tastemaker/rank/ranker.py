"""Puts candidates in order: the second network, as a bundle keeps it, run without TensorFlow.

Takes one person's candidates, gives them sorted. What the network sees is computed here as it was for its
lessons, a request at a time, so that the two can't differ by a bit.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from tastemaker.bundle import Bundle
from tastemaker.data.interactions import Interactions
from tastemaker.errors import BundleError, ObjectiveError
from tastemaker.features.lessons import Head
from tastemaker.features.moments import Found, Moment, Moments
from tastemaker.features.scaling import Scaling
from tastemaker.rank.calibration import Calibration, calibration_from_json
from tastemaker.rank.directions import Directions
from tastemaker.rank.objective import Objective
from tastemaker.rank.wishes import NO_OCCASION, Occasion
from tastemaker.recipe import Recipe
from tastemaker.retrieve.candidates import Candidates
from tastemaker.retrieve.nearest import Nearest
from tastemaker.retrieve.series import Series
from tastemaker.retrieve.sources import NAMES
from tastemaker.retrieve.tower import Tower
from tastemaker.trace import NO_TRACE, Trace

Floats = npt.NDArray[np.float32]

CHANCES = ("click", "completion", "like")
"""Heads that give a chance."""
FURTHEST = 80.0
"""Of an exponent: e to it is still a float32."""


class RankerNote(BaseModel):
    """What a bundle says of its ranker; `ranker.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["shown", "found"]
    """shown: learnt from lists that people were shown. found: from lists that retrieval found, and what
    people chose later; it has never seen a real impression"""
    heads: tuple[Head, ...]
    features: tuple[str, ...]
    devices: tuple[str, ...] = ()
    objective: str
    scaling: dict[str, list[float]]
    calibrations: dict[str, dict[str, Any]] = {}
    """by head"""
    examination: tuple[float, ...] = ()
    """chance that each place is looked at over that of the first, as learnt beside the network; nothing is
    served by it. Empty where none was learnt"""


class Sheet(NamedTuple):
    """What the network sees of one request.

    numbers: (n, F) as `Moments` gives them.
    query: (D,)
    items: (n, D)
    """

    numbers: Floats
    query: Floats
    items: Floats


class View:
    """What a ranker sees, computed from one bundle; many threads may ask at once.

    Args:
        rotation: (D, D) turns this bundle's vectors into those that the network has learnt from; None where
            it only hears of angles.
        devices: that it tells apart.
    """

    def __init__(
        self,
        bundle: Bundle,
        nearest: Nearest,
        series: Series,
        devices: tuple[str, ...] = (),
        rotation: Floats | None = None,
    ) -> None:
        self._bundle, self._nearest = bundle, nearest
        self.devices = devices
        self.directions = Directions(bundle.arrays["item_vectors"], rotation)
        ranking = Recipe.of(bundle.manifest.recipe).ranking
        self.moments = Moments(
            bundle.catalogue,
            bundle.histories,
            series=series.numbers,
            pairs=bundle.pairs,
            vectors=self.directions,
            half_lives_days=ranking.half_lives_days,
            sources=NAMES,
            devices=devices,
        )

    @property
    def vectors(self) -> Floats:
        """(N, D) of all items, of length 1."""
        return self.directions.whole

    def sheet(
        self,
        log: Interactions,
        user: int,
        found: Candidates,
        occasion: Occasion = NO_OCCASION,
    ) -> Sheet:
        """Of `found` (n,) for somebody of a log."""
        own = slice(log.offsets[user], log.offsets[user + 1])
        rows, times, weights = log.rows[own], log.times[own], log.weights[own]
        now = self._moment(times if log.is_clock else times[:0], occasion.now)
        if not log.is_clock:  # a history as it was typed has an order, and no times
            times = np.full(len(rows), np.nan)
        elif not np.isnan(now):
            before = times < now
            rows, times, weights = rows[before], times[before], weights[before]
        query = self.directions.turned(self._nearest.asked_by(log, user)[1][0, :-1])
        items = self.directions.take(found.rows)
        is_from = ~np.isnan(found.said)
        by_source = {name: is_from[:, place] for place, name in enumerate(found.names)}
        moment = Moment(rows, times, now, occasion.device, weights)
        numbers = self.moments.of(moment, Found(found.rows, found.scores, by_source), query, items)
        return Sheet(numbers, query, items)

    def _moment(self, times: npt.NDArray[np.float64], now: float | None) -> float:
        """When it is, for somebody whose events have `times` (n,); NaN where nobody can tell."""
        log = self._bundle.histories
        if not log.is_clock:
            return np.nan
        if now is not None:
            return now
        return float(np.nextafter(times[-1] if len(times) else self._newest, np.inf))

    @cached_property
    def _newest(self) -> float:
        times = self._bundle.histories.times
        return float(times.max()) if len(times) else 0.0


class Ranker:
    """The second network of one bundle; many threads may ask at once.

    Raises: BundleError when what the bundle says of it can't be read.
    """

    def __init__(self, bundle: Bundle, nearest: Nearest, series: Series) -> None:
        try:
            self.note = RankerNote.model_validate(bundle.ranker)
            self._scaling = Scaling.from_json(self.note.scaling)
            self._calibrations = {
                head: calibration_from_json(values) for head, values in self.note.calibrations.items()
            }
            self.objective = Objective.parse(self.note.objective, self.note.heads)
            self._tower = Tower(bundle.towers["ranker"])
        except (ValidationError, ValueError, TypeError, KeyError, ObjectiveError) as error:
            raise BundleError(f"ranker.json is damaged: {str(error).splitlines()[0]}") from None
        self._made_of = bundle, nearest, series

    @cached_property
    def view(self) -> View:
        """Made when first asked for: a catalogue's columns are read for it."""
        bundle, nearest, series = self._made_of
        rotation = bundle.arrays.get("ranker/rotation") if "item" in self._tower.inputs else None
        view = View(
            bundle, nearest, series, self.note.devices, None if rotation is None else np.asarray(rotation)
        )
        if view.moments.names != self.note.features:
            raise BundleError(
                "This version tells a ranker other things of a candidate than the one that trained this "
                "bundle: train it anew, or answer with the version that made it."
            )
        return view

    def ordered(
        self,
        log: Interactions,
        user: int,
        found: Candidates,
        occasion: Occasion = NO_OCCASION,
        trace: Trace = NO_TRACE,
    ) -> Candidates:
        """The same candidates, best first by the objective; ties as retrieval had them.

        Args:
            log, user: somebody with a history.
            trace: told what was seen, to be compared with what is made of it later.
        """
        sheet = self.view.sheet(log, user, found, occasion)
        if trace is not NO_TRACE:
            trace.seen = found, sheet
        heads = self.heads(sheet)
        return found.sorted_by((occasion.objective or self.objective)(heads))

    def heads(self, sheet: Sheet) -> dict[str, Floats]:
        """(n,) each: what is foretold of every candidate, chances calibrated."""
        raw = self._tower(
            numbers=self._scaling(sheet.numbers),
            query=np.broadcast_to(sheet.query, sheet.items.shape),
            item=sheet.items,
        )
        return told(self.note.heads, raw, self._calibrations)


def told(heads: tuple[Head, ...], raw: Floats, calibrations: Mapping[str, Calibration]) -> dict[str, Floats]:
    """(n,) each: what the network's outputs (n, H) mean. Chances; seconds of watching, `watch_time` of
    whoever is shown it, `dwell` of whoever chooses it."""
    meant: dict[str, Floats] = {}
    for place, head in enumerate(heads):
        output = raw[:, place].astype(np.float64)
        if head in calibrations:
            value = calibrations[head](output)
        elif head in CHANCES:
            value = 1 / (1 + np.exp(np.clip(-output, -FURTHEST, FURTHEST)))
        elif head == "watch_time":
            value = np.exp(np.clip(output, -FURTHEST, FURTHEST))
        else:
            value = np.expm1(np.clip(output, 0, FURTHEST))
        meant[head] = np.asarray(value, np.float32)
    return meant
