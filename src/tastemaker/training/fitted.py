"""One part of a log with the features fitted on it: what learns from it, and what comes of that."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tastemaker.data import Dataset
from tastemaker.data.catalogue import PAD
from tastemaker.data.interactions import Interactions
from tastemaker.features.encode import Encoder
from tastemaker.features.kin import Kin
from tastemaker.features.newcomers import Newcomers
from tastemaker.features.schema import Encoded
from tastemaker.features.users import encode_users
from tastemaker.progress import Report, Trail
from tastemaker.recipe import Recipe
from tastemaker.training.impressions import passed_over
from tastemaker.training.pairing import Pairing
from tastemaker.training.parts import Parts
from tastemaker.training.settings import in_order
from tastemaker.training.warm import UNSEEN, Older

Floats = npt.NDArray[np.float32]

if TYPE_CHECKING:
    from tastemaker.model.problem import Learned


@dataclass(frozen=True)
class Fitted:
    """What is learnt from.

    Attributes:
        part: of the log.
        problem: a `model.problem.Problem`.
        encoders: as a bundle keeps them.
        kin: of the items by what is known of them; None where nothing is, and where no item is new.
    """

    part: Interactions
    problem: Any
    encoders: dict[str, Any]
    kin: Kin | None

    @classmethod
    def of(
        cls,
        data: Dataset,
        log: Interactions,
        part: Interactions,
        recipe: Recipe,
        older: Older | None = None,
    ) -> "Fitted":
        """Fit features on `part` of `log`, which says who there is at all.

        Args:
            older: the bundle to go on from.
        """
        from tastemaker.model.problem import Problem

        encoders: dict[str, Encoder] = {}
        item_features = user_features = None
        user_rows = np.full(log.user_count, PAD, np.int32)
        if recipe.history.item_features:
            # What tells kin by name is for a catalogue alone.
            features = recipe.features.model_copy(update={"names": False, "sounds": False})
            encoder = Encoder.fit(data.items, features, rows=np.unique(part.rows))
            # N-grams multiply the cost of every step by ten; a name's words say nearly as much here.
            item_features = _seen(encoder.encode(data.items).without(UNSEEN))
            encoders["items"] = encoder
        if data.users is not None:
            active = data.users.rows([part.user_ids[user] for user in np.unique(part.users)])
            encoder = Encoder.fit(data.users, recipe.features, rows=active[active != PAD])
            user_features = _seen(encode_users(encoder, data.users))
            user_rows = data.users.rows(log.user_ids)
            encoders["users"] = encoder
        counts = part.counts(data.items.size)
        start = None
        if older is not None:
            start = older.start(data.items, counts, encoders, item_features, user_features)
        problem = Problem(
            items=data.items.size,
            item_features=item_features,
            user_features=user_features,
            user_rows=user_rows,
            in_order=in_order(log, recipe),
            recipe=recipe,
            impressions=None if data.impressions is None else passed_over(data.impressions.shown, log, part),
            start=start,
        )
        kin = None
        if item_features is not None and recipe.preset == "default" and not counts.all():
            kin = Kin(item_features, counts)
        return cls(part, problem, {name: encoder.as_json() for name, encoder in encoders.items()}, kin)

    @property
    def epochs(self) -> int:
        """Of a training, at most."""
        return int(self.problem.epochs)

    def learn(self, epochs: int, stage: str, report: Report, trail: Trail, validate: Any = None) -> "Learned":
        """Train for `epochs` at most; `validate` as `model.learn` takes it."""
        from tastemaker.model.learn import learn

        return learn(
            self.problem, self.part, epochs, stage=stage, report=report, validate=validate, trail=trail
        )

    def parts(
        self, learned: "Learned", pairing: Pairing | None = None, newcomers: Newcomers | None = None
    ) -> Parts:
        """What a bundle is made of: the network, counted pairs, and what nobody has touched foretold."""
        parts = Parts(
            kind="history",
            arrays=lengthened(learned.arrays, self.problem.recipe.retrieval.norm_power),
            encoders=self.encoders,
            length=self.problem.length,
            towers=learned.towers,
            originals=learned.originals,
            learning=learned.learning,
            scale=learned.scale,
            pairs=None if pairing is None else pairing.count(self.part, self.problem.items),
            pair_weight=0.0 if pairing is None else pairing.weight,
            pair_ridge=None if pairing is None else pairing.ridge,
        )
        return parts if newcomers is None else self.with_new(parts, newcomers)

    def with_new(self, parts: Parts, newcomers: Newcomers) -> Parts:
        """The same with the items foretold that nobody has touched."""
        parts = replace(parts, spread=newcomers.spread)
        if self.kin is None:
            return parts
        pairs = None if parts.pairs is None else newcomers.pairs(self.kin, parts.pairs)
        return replace(parts, arrays=newcomers.arrays(self.kin, parts.arrays), pairs=pairs)


def lengthened(arrays: dict[str, Floats], norm_power: float) -> dict[str, Floats]:
    """The same with ‖x‖^norm_power as the length of each item vector x that queries meet.

    Then the product is ‖q‖ ‖x‖^norm_power cos(q, x). One factor for all keeps the mean length, so that scores
    stay about as large beside those of counted pairs. What the query tower sees of an item stays as it is,
    and so does what items are compared with one another by.
    """
    if norm_power == 1:
        return arrays
    vectors = arrays["item_vectors"]
    lengths = np.linalg.norm(vectors, axis=1)
    powered = np.where(lengths > 0, lengths, 1) ** norm_power * (lengths > 0)
    factor = lengths.sum() / max(powered.sum(), 1e-12)
    scaled = vectors * (factor * powered / np.where(lengths > 0, lengths, 1))[:, None]
    kept = {"item_inputs": vectors[:, :-1]}
    return kept | arrays | {"item_vectors": np.asarray(scaled, np.float32)}


def _seen(encoded: Encoded) -> Encoded | None:
    return None if encoded.is_empty else encoded
