"""An older bundle that training goes on from: what of it fits newer data, and what it must not be asked.

A bundle has learnt all of its own log, held back as its exam may once have been. So what a model that goes
on from it is asked for, in an exam or to choose by, is among the events that the older one never knew; of
the others it would only show its memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tastemaker.bundle import Bundle
from tastemaker.data import Dataset
from tastemaker.data.catalogue import PAD, Catalogue, Rows
from tastemaker.data.interactions import Interactions
from tastemaker.data.protocols import choose
from tastemaker.data.split import Fold, Which, hold_out_last
from tastemaker.errors import RecipeError, TrainingError
from tastemaker.features.encode import Encoder
from tastemaker.features.kin import Kin
from tastemaker.features.matching import match
from tastemaker.features.schema import Encoded
from tastemaker.model.problem import Floats, Start
from tastemaker.recipe import Recipe
from tastemaker.recommend import Recommender
from tastemaker.training.pairing import Kind, Pairing, kind_of
from tastemaker.training.settings import in_order

SHAPE = (
    *("encoder", "dim", "hidden", "activation", "length", "blocks", "heads", "slow", "slow_width", "norm"),
    *("gaps", "tied", "optimizer"),
)
"""Knobs of `[history]` without which nothing of an older model would fit."""

UNSEEN = "/ngrams"
"""Ending of the items' fields that a model of histories isn't shown."""

ENOUGH = 200
"""Users that a cut in time has to leave for validation, as `split` wants them for the exam; and those
without whom what they would choose is mostly chance, so that the older bundle's choice stands."""

Counts = npt.NDArray[np.int64]
News = Callable[[Interactions], Which]
"""(E,) which events of a log the older bundle hasn't learnt."""


@dataclass(frozen=True)
class Older:
    """A bundle to go on from."""

    bundle: Bundle

    @classmethod
    def of(cls, recommender: Recommender) -> "Older":
        """Raises TrainingError where it is of a kind that nothing can go on from."""
        manifest = recommender.bundle.manifest
        preset = manifest.recipe.get("preset")
        if manifest.kind != "history" or preset != "default":
            what = "was made from a catalogue alone" if manifest.kind == "content" else f"has preset {preset}"
            raise TrainingError(
                f"A warm start goes on from a model of histories, and the older bundle {what}: train from "
                "scratch."
            )
        return cls(recommender.bundle)

    @property
    def name(self) -> str:
        return self.bundle.version

    def settled(self, recipe: Recipe, data: Dataset) -> Recipe:
        """What the recipe names, and for the rest what the older bundle was made with.

        Raises: RecipeError where it names another shape; TrainingError where nothing of the bundle fits the
            data, or nothing in them is new.
        """
        before = Recipe.of(self.bundle.manifest.recipe)
        log = data.interactions
        if log is None:
            raise TrainingError("A warm start goes on learning from histories: give a file of interactions.")
        for knob in ("preset", *(f"history.{knob}" for knob in SHAPE)):
            asked, was = _named(recipe, knob), _named(before, knob)
            if asked not in (None, was, "auto"):
                raise RecipeError(
                    f"{knob} is {_shown(asked)}, and the older bundle was trained with {_shown(was)}: a warm "
                    "start keeps its shape. Leave it out, or train from scratch."
                )
        named = recipe.model_dump(exclude_unset=True, exclude={"data"})
        for knob in SHAPE:  # "auto" included
            named.get("history", {}).pop(knob, None)
        flat = {
            f"{table}.{key}" if key else table: value
            for table, values in named.items()
            for key, value in (values.items() if isinstance(values, dict) else [("", values)])
        }
        found = before.having(flat).model_copy(update={"data": recipe.data})
        if found.split.strategy in ("cold_item", "user_holdout", "cold_user"):
            raise RecipeError(
                f"split.strategy is {found.split.strategy}, which asks as if some of them were new, and the "
                "older bundle has learnt who did what: set split.strategy=auto, or train from scratch."
            )
        self._check(found, data, log)
        return found

    def _check(self, recipe: Recipe, data: Dataset, log: Interactions) -> None:
        here, there = in_order(log, recipe), in_order(self.bundle.histories, recipe)
        if here != there:
            words = {True: "an order in time", False: "no order in time"}
            raise TrainingError(
                f"These histories have {words[here]}, and the older bundle learnt from some with "
                f"{words[there]}: train from scratch."
            )
        if not (self._rows(data.items)[np.unique(log.rows)] != PAD).any():
            raise TrainingError(
                f"None of the items in this log is known to the older bundle: ids look like "
                f"{_some(data.items.ids)} here, and like {_some(self.bundle.catalogue.ids)} there. Give the "
                "same ids, or train from scratch."
            )
        if not self.news(data.items)(log).any():
            raise TrainingError(
                "There is nothing new to learn: the older bundle knows every event of this log. Keep it, or "
                "train from scratch."
            )

    # --- what it knows ----------------------------------------------------------------------

    @cached_property
    def _counts(self) -> Counts:
        return self.bundle.histories.counts(self.bundle.catalogue.size)

    def _rows(self, items: Catalogue) -> Rows:
        """(N,) rows that the items have there; PAD where they are missing, or nobody had touched them."""
        rows = self.bundle.catalogue.rows(items.ids)
        return np.where((rows != PAD) & (self._counts[rows] > 0), rows, PAD).astype(np.int32)

    def news(self, items: Catalogue) -> News:
        """Says of a log of these items which events the older bundle hasn't learnt: who did what, by ids,
        whenever it was."""
        known, rows = self.bundle.histories, self._rows(items)
        keys = np.unique(known.users.astype(np.int64) * self.bundle.catalogue.size + known.rows)

        def new(log: Interactions) -> Which:
            places = (known.user(name) for name in log.user_ids)
            users = np.array([PAD if place is None else place for place in places], np.int64)
            user, row = users[log.users], rows[log.rows]
            found = np.isin(user * self.bundle.catalogue.size + row, keys)
            return np.asarray(~(found & (user != PAD) & (row != PAD)))

        return new

    def note(self, items: Catalogue, log: Interactions) -> str:
        """What was gone on from, in a line."""
        rows = self._rows(items)
        kept = int((rows != PAD).sum())
        gone = int((self._counts > 0).sum()) - kept
        touched = int((rows[np.unique(log.rows)] == PAD).sum())
        events = int(self.news(items)(log).sum())
        of_items = f"{kept:,} items kept, {touched:,} new with events, {gone:,} gone"
        return f"from {self.name}: {of_items}; {events:,} of {log.size:,} events new to it"

    # --- what may be asked ------------------------------------------------------------------

    def exam(self, log: Interactions, items: Catalogue, recipe: Recipe) -> tuple[Fold, str]:
        """What a model that goes on from it may be asked for, and a sentence on why.

        A cut in time counts as fair only where the older bundle knows nothing that is later; else it is each
        user's last event, where that is new.
        """
        news = self.news(items)
        fold, why, strategy, _ = choose(log, recipe.split, recipe.seed)
        new = news(fold.targets)
        leaked = f"{int((~new).sum()):,} of {len(new):,} targets are known to the older bundle"
        if recipe.split.strategy != "auto":
            asked = fold._replace(targets=fold.targets.where(new))
            return asked, why if new.all() else f"{why} {leaked} and aren't asked for.{self._strangers(log)}"
        if strategy == "global_time":
            known = self.bundle.histories
            newest = known.times.max(initial=-np.inf) if known.is_clock else -np.inf
            if not new.all() or newest >= fold.targets.times.min(initial=np.inf):
                why = "a cut in time would ask for days that the older bundle knows"
            elif _asked(hold_out_last(fold.train, news(fold.train))) < ENOUGH:
                why = "a cut in time would leave too few new events to choose by"
            else:
                return fold, f"{why} The older bundle knows nothing that late.{self._strangers(log)}"
        else:
            why = why.partition(", because ")[2].removesuffix(".")
        fold = hold_out_last(log, news(log))
        told = (
            f"leave_one_out: the last event of those {_asked(fold):,} users is to be found of whom it is new"
        )
        return fold, f"{told} to the older bundle, because {why}.{self._strangers(log)}"

    def _strangers(self, log: Interactions) -> str:
        """A warning where nothing can be said of who is who."""
        if any(self.bundle.histories.user(name) is not None for name in log.user_ids):
            return ""
        told = "if they had other ids in its log, it may have learnt what is asked"
        return f" The older bundle knows none of these users: {told}."

    # --- what is taken over -----------------------------------------------------------------

    @property
    def pairing(self) -> Pairing | None:
        """What was counted beside its network, and how much it counted."""
        if self.bundle.pairs is None:
            return None
        manifest = self.bundle.manifest
        return Pairing(manifest.pair_ridge, manifest.pair_weight, self._kind == "even_ease")

    def keeps_pairing(self, log: Interactions, recipe: Recipe, asked: int) -> bool:
        """Whether `pairing` stands where so many users would be asked about another.

        Nearly everybody was asked about this one, and now only who did something new. They choose anew where
        they are `ENOUGH`, where the recipe has a say, and where a bundle of an earlier version doesn't tell
        its ridge.
        """
        knobs, kind = recipe.history, kind_of(log, recipe)
        ridge = None if self.bundle.pairs is None else self.bundle.manifest.pair_ridge
        has_a_say = (
            kind != self._kind or knobs.pair_weight is not None or knobs.pair_ridge not in (None, ridge)
        )
        is_told = self.bundle.pairs is None or kind == "following" or ridge is not None
        return asked < ENOUGH and not has_a_say and is_told

    @property
    def _kind(self) -> Kind:
        return kind_of(self.bundle.histories, Recipe.of(self.bundle.manifest.recipe))

    def start(
        self,
        items: Catalogue,
        counts: Counts,
        encoders: Mapping[str, Encoder],
        item_features: Encoded | None,
        user_features: Encoded | None,
    ) -> Start:
        """Its tables for other items and vocabularies.

        Args:
            items: N.
            counts: (N,) events of each that will be learnt from.
            encoders: of items and users, as fitted now.
            item_features, user_features: what is seen of them.
        Raises: TrainingError where users have other columns than they had.
        """
        older = {name: Encoder.from_json(values) for name, values in self.bundle.encoders.items()}
        self._check_users(user_features, encoders.get("users"), older.get("users"))
        rows = self._rows(items)
        arrays = self.bundle.arrays
        scored = np.asarray(arrays["item_vectors"], np.float32)
        tied = bool(Recipe.of(self.bundle.manifest.recipe).history.tied)
        inputs = np.asarray(arrays["item_inputs"], np.float32) if "item_inputs" in arrays else None
        if tied and inputs is not None:  # the vectors as they are learnt, neither shortened nor scaled
            scored, inputs = np.concatenate([inputs, scored[:, -1:]], axis=1), None
        tables = scored if inputs is None else np.concatenate([scored, inputs], axis=1)
        placed = self._placed(tables, rows, counts, item_features)
        of_items = match(item_features, encoders.get("items"), older.get("items"), UNSEEN)
        of_users = match(user_features, encoders.get("users"), older.get("users"))
        width = scored.shape[1]
        return Start(
            name=self.name,
            vectors=placed[:, :width],
            inputs=None if inputs is None else placed[:, width:],
            items=rows,
            features=of_items.features,
            numbers=of_items.numbers,
            user_features=of_users.features,
            originals=self.bundle.originals,
            learning=self.bundle.learning,
        )

    def _placed(self, tables: Floats, rows: Rows, counts: Counts, features: Encoded | None) -> Floats:
        """(N, V) rows of the older tables; new ones foretold from their metadata, or else the mean."""
        is_known = rows != PAD
        placed = np.empty((len(rows), tables.shape[1]), np.float32)
        placed[is_known] = tables[rows[is_known]]
        placed[~is_known] = placed[is_known].mean(0)
        if features is not None and (counts[~is_known] > 0).any():
            kin = Kin(features, np.where(is_known, self._counts[np.maximum(rows, 0)], 0))
            lesson = kin.learn(placed[kin.known])
            placed[kin.new] = lesson.mean + lesson.of(kin.near(kin.new))
        return placed

    def _check_users(self, seen: Encoded | None, now: Encoder | None, before: Encoder | None) -> None:
        told = [
            [] if encoder is None else sorted({part.column for part in encoder.parts})
            for encoder in (now if seen is not None else None, before)
        ]
        if told[0] != told[1] or (now and before and seen and now.dense_names != before.dense_names):
            here, there = (", ".join(columns) or "nothing" for columns in told)
            raise TrainingError(
                f"Of users {here} is known here, and the older bundle was trained with {there}: give the "
                "same columns, or train from scratch."
            )


def _named(recipe: Recipe, knob: str) -> object:
    """The value of a knob that a recipe names, or None."""
    table: object = recipe
    for key in knob.split("."):
        if key not in getattr(table, "model_fields_set", ()):
            return None
        table = getattr(table, key)
    return table


def _shown(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _asked(fold: Fold) -> int:
    return int((np.diff(fold.targets.offsets) > 0).sum())


def _some(ids: list[str]) -> str:
    return ", ".join(repr(id) for id in ids[:2])
