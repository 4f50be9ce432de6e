"""The default model of histories in training: examples in, steps learnt, arrays and towers out."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from tastemaker.data.interactions import Interactions
from tastemaker.errors import TrainingError
from tastemaker.features.batches import Examples, Sets, Stretches, Window
from tastemaker.model.checkpoint import State, under
from tastemaker.model.entry import BagEntry, Entry, SequenceEntry
from tastemaker.model.export import to_keras, to_litert
from tastemaker.model.history import QueryTower
from tastemaker.model.items import Items
from tastemaker.model.losses import Loss, bpr, gbce, softmax, triplet
from tastemaker.model.negatives import Mixture, Weighted, drawn_count, mixed
from tastemaker.model.network import Network
from tastemaker.model.problem import Floats, Learned, Problem, Top, Users, in_blocks, ranking, unit
from tastemaker.model.sequence import SequenceTower
from tastemaker.model.warm import go_on, remembered
from tastemaker.model.work import Bench, Work
from tastemaker.recipe import NegativesRecipe

HARD_QUERIES = 2048
"""Queries that the hard negatives of an epoch are found for, and how many each brings."""
HARD_EACH = 20


class Student:
    """Learns one problem from one log; a `loop.Learner`.

    Args:
        problem: what is to be learnt.
        log: the training part.
        examples: what can be learnt from it.
    """

    def __init__(self, problem: Problem, log: Interactions, examples: Examples) -> None:
        recipe, seed = problem.recipe.history, problem.recipe.seed
        self.problem, self.log, self.examples = problem, log, examples
        items = Items(
            known=(log.counts(problem.items) > 0).astype(np.float32),
            dim=recipe.dim,
            encoded=problem.item_features,
            id_dropout=recipe.id_dropout,
            optimizer=recipe.optimizer,
            rng=np.random.default_rng([seed, 0]),
            tied=recipe.tied,
        )
        self.tower, entry = _way_in(problem)
        count = drawn_of(problem)
        loss = loss_of(problem, count)
        self._stretches = Stretches(examples, recipe.batch_size) if recipe.reads_events else None
        # A loss that can't grade several answers to one history at once gets a history for each.
        by_person = not problem.in_order and loss.sets is not None
        self._sets = Sets(examples, recipe.batch_size) if by_person else None
        self.model = Network(
            entry,
            items,
            problem.user_features,
            loss,
            problem.recipe.loss,
            problem.learning_rate,
            recipe.optimizer,
        )
        if problem.start is not None:
            go_on(self.model, self.tower.whole, problem.start)
        self._mixture = None if count is None else self._mixed(count, problem.recipe.negatives)
        self._bench = Bench(items, log, self._mixture)

    def _mixed(self, count: int, recipe: NegativesRecipe) -> Mixture:
        self._hard: Weighted | None = Weighted(np.zeros(self.problem.items)) if recipe.hard else None
        mixture = mixed(recipe, count, self.log, self.examples, self._hard, self.problem.impressions)
        drawn = recipe.in_batch or any(count for _, count in mixture.sources)
        if not drawn and self.problem.recipe.loss.kind != "gbce":
            raise TrainingError("[negatives] draws nothing, so there is nothing to tell the right item from.")
        return mixture

    # --- what the loop asks for -------------------------------------------------------------

    def deal(self, rng: np.random.Generator) -> Sequence[npt.NDArray[np.int64]]:
        if self._stretches is not None:
            return self._stretches.deal(rng)
        if self._sets is not None:
            return self._sets.deal(rng)
        size = self.problem.recipe.history.batch_size
        return np.split(rng.permutation(self.examples.events), range(size, len(self.examples.events), size))

    def lay_out(self, examples: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[int, Work]:
        if self._stretches is not None:
            batch = self._stretches.batch(examples)
        else:
            batch = (self._sets or self.examples).batch(examples, rng)
        return len(batch.labels), self._bench.lay_out(batch, self.problem.people(batch.owners), rng)

    def learn(self, work: Work, done: float) -> float:
        recipe = self.problem.recipe.history
        rate = 1.0
        if recipe.decay == "linear":
            rate = min(1.0, done / recipe.warm_up) if recipe.warm_up else 1.0
            rate *= max(0.0, 1 - done / self.problem.epochs)
        return self.model.learn(work, rate)

    def begin_epoch(self, epoch: int) -> None:
        """Find the hard negatives anew, from the second epoch on: before, all are equally hard."""
        if self._mixture is None or self._hard is None or not epoch:
            return
        rng = np.random.default_rng([self.problem.recipe.seed, 3, epoch])
        batch = self.examples.batch(rng.choice(self.examples.events, HARD_QUERIES), rng)
        inputs, answers = self._vectors()
        people, often = self.problem.people(batch.users), np.zeros(self.problem.items)
        is_new = self.model.items.known == 0  # what nobody has touched is no negative
        each = min(HARD_EACH, self.problem.items)
        for part in in_blocks(HARD_QUERIES, self.problem.items):
            scores = self._ask(inputs, batch.history.part(part), people[part]) @ answers.T
            scores[:, is_new] = -np.inf
            for query, user in enumerate(batch.users[part]):
                scores[query, self.log.of(int(user))] = -np.inf
            hardest = np.argpartition(-scores, each - 1, axis=1)[:, :each]
            often += np.bincount(hardest.ravel(), minlength=self.problem.items)
        self._hard.weigh(np.where(is_new, 0, often))  # which stand there where all others are seen

    def state(self) -> State:
        mixture = {} if self._mixture is None else self._mixture.state()
        return self.model.state() | {f"mixture/{name}": array for name, array in mixture.items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self.model.restore(state)
        if self._mixture is not None:
            self._mixture.restore(under("mixture/", state))

    # --- what comes of it -------------------------------------------------------------------

    def live(self) -> Top:
        """The model as it stands, ranking."""
        inputs, answers = self._vectors()
        return ranking(
            self.problem,
            self.examples.scale,
            answers,
            lambda window, people: self._ask(inputs, window, people),
        )

    def taken_out(self, epochs: int) -> Learned:
        """Arrays and towers, as a bundle wants them."""
        inputs, answers = self._vectors()
        arrays = {"item_vectors": answers, "neighbour_vectors": unit(answers[:, :-1])}
        if not np.array_equal(answers[:, :-1], inputs):
            arrays["item_inputs"] = inputs
        towers: dict[str, keras.Model] = {"query_tower": self.tower.whole}
        metadata = self.model.items.tower()
        if metadata is not None:
            towers["item_tower"] = metadata
        return Learned(
            arrays=arrays,
            towers={
                name: to_litert(tower, alone=name == "query_tower" and self._stretches is not None)
                for name, tower in towers.items()
            },
            originals={name: to_keras(tower) for name, tower in towers.items()},
            scale=self.examples.scale,
            epochs=epochs,
            examples=len(self.examples.events),
            learning=remembered(self.model),
        )

    def _vectors(self) -> tuple[Floats, Floats]:
        """(N, D) what histories are made of, and (N, D + 1) what queries are multiplied with."""
        items = self.model.items
        vectors = items.everything()
        answers = self.model.answers(vectors)
        if items.has_ids and not items.known.all():  # foretold after training; until then, they are like any
            known = items.known > 0
            for table in (vectors, answers):
                table[~known] = table[known].mean(0)
        return items.inputs(vectors), answers

    def _ask(self, inputs: Floats, window: Window, people: Users) -> Floats:
        queries = self.model.queries(inputs, window, people)
        return np.concatenate([queries, np.ones((len(queries), 1), np.float32)], axis=1)


def _way_in(problem: Problem) -> tuple[QueryTower | SequenceTower, Entry]:
    recipe = problem.recipe.history
    if recipe.reads_events:
        sequences = SequenceTower(
            recipe.length,
            recipe.dim,
            encoder=recipe.encoder,
            blocks=recipe.blocks,
            heads=recipe.heads,
            slow=recipe.slow,
            width=recipe.slow_width,
            before=recipe.norm == "before",
            dropout=recipe.dropout,
            gaps=recipe.gaps is True,
            user=problem.user_features,
        )
        return sequences, SequenceEntry(sequences)
    bags = QueryTower(
        recipe.length,
        recipe.dim,
        recipe.hidden,
        recipe.activation,
        recipe.dropout,
        encoder="mean" if recipe.encoder == "mean" else "recency",
        in_order=problem.in_order,
        user=problem.user_features,
    )
    return bags, BagEntry(bags)


def drawn_of(problem: Problem) -> int | None:
    """Negatives drawn a batch, or None for the whole catalogue."""
    return drawn_count(problem.recipe, problem.items)


def loss_of(problem: Problem, drawn: int | None) -> Loss:
    """The row loss that the recipe names."""
    recipe = problem.recipe.loss
    if recipe.kind == "triplet":
        return triplet(recipe.margin)
    if recipe.kind == "bpr":
        return bpr()
    if recipe.kind == "gbce":
        return gbce(1.0 if drawn is None else min(1.0, drawn / problem.items), recipe.calibration)
    return softmax()
