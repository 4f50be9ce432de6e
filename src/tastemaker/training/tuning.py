"""Looks for better settings of a recipe, by the validation part that training itself stops by."""

import importlib.util
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tastemaker.data import Dataset
from tastemaker.errors import RecipeError, TrainingError
from tastemaker.progress import Report, silent
from tastemaker.recipe import Recipe, Role
from tastemaker.training.histories import Choice, Watch, on_validation
from tastemaker.training.impressions import check_impressions
from tastemaker.training.settings import settled
from tastemaker.training.space import Space, default_space, read_space, space_of
from tastemaker.training.study import RECIPE, opened

if TYPE_CHECKING:
    import optuna

WARM_UP = 4
"""Epochs at most that no trial is cut short in; a quarter of all where that is fewer."""

SpaceSource = str | Path | Mapping[str, Any] | None
"""A TOML file, plain values, or what the log decides."""
Try = Callable[[Recipe, Watch], Choice | None]
"""What a recipe comes to on validation; None where nobody can be asked."""


@dataclass(frozen=True)
class Trial:
    """One that has ended.

    Attributes:
        number: from 0, over all calls with the same folder.
        state: complete, pruned or failed.
        value: validation NDCG@10; of a pruned one that of its last epoch, without pairs; None of a failed.
        settings: knobs of the space, as they were tried.
        seconds: that it took.
        note: why it failed, or whose twin it is.
        best: the best value so far, None before there is one.
        best_number: whose.
    """

    number: int
    state: str
    value: float | None
    settings: Mapping[str, Any]
    seconds: float
    note: str
    best: float | None
    best_number: int | None


@dataclass(frozen=True)
class Tuning:
    """What came of it.

    Attributes:
        recipe: the base with the best settings.
        value: their validation NDCG@10. The best of many is lucky too: what it is worth, `train` measures.
        number: of the best trial.
        base_value: of the base recipe as it stands.
        trials: a row a trial: number, state, value, epochs, seconds, note, and a column a knob.
    """

    recipe: Recipe
    value: float
    number: int
    base_value: float
    trials: pl.DataFrame


def tune(
    data: Dataset,
    recipe: Recipe | None = None,
    *,
    trials: int,
    out: str | Path | None = None,
    space: SpaceSource = None,
    timeout: float | None = None,
    report: Report = silent,
    tell: Callable[[Trial], None] = lambda trial: None,
    made_by: str = "tastemaker.tune",
) -> Tuning:
    """Try settings, the recipe's own first, and keep those with the highest validation NDCG@10.

    What is held back for the exam is not looked at. Trials come one after another; the same data, recipe,
    space and seed give the same ones, in one call or in several.

    Args:
        trials: to be added.
        out: folder for the study and the best recipe so far; a second call goes on. None keeps nothing.
        space: which knobs, and how far: a TOML file, or `{"history.dropout": {"low": 0.1, "high": 0.6},
            "history.dim": [64, 128]}`; None goes half and double around what the log decides.
        timeout: seconds after which no trial begins.
        report: told how far the running trial is.
        tell: told of each trial that has ended.
        made_by: for the head of the recipe that is written.
    Raises:
        TrainingError: there is no log, or nobody in it to ask; the recipe itself can't be trained; the folder
            holds a study of something else; Optuna or TensorFlow is missing.
        RecipeError: the space names what is no knob, or values that it doesn't take.
    """
    recipe = Recipe() if recipe is None else recipe
    log = data.interactions
    check_asked(recipe, trials, space, timeout)
    if log is None:
        raise TrainingError(
            "Tuning needs to know what people did: a catalogue alone has no validation to tune by. Give a "
            "file of interactions."
        )
    decided = settled(recipe, log)
    where = _given(space, recipe) or default_space(decided, _has_metadata(data))
    check_impressions(data, recipe, report)

    def attempt(tried: Recipe, watch: Watch) -> Choice | None:
        return on_validation(
            data, log, settled(tried, log), lambda now: report(now._replace(stage="trial")), watch
        )

    made_for = {"data": data.fingerprint, "recipe": _named(recipe), "space": where.as_json()}
    warm_up = min(WARM_UP, decided.history.epochs // 4)
    with opened(None if out is None else Path(out), made_for, warm_up) as study:
        search = Search(study, where, recipe, decided, attempt)
        keep = partial(_write, None if out is None else Path(out), made_by, data.fingerprint)
        search.run(trials, timeout, tell, keep)
        return search.found()


def check_asked(recipe: Recipe, trials: int, space: SpaceSource = None, timeout: float | None = None) -> None:
    """What can be said before any data are read. Raises TrainingError or RecipeError, as `tune` does."""
    if trials < 1:
        raise TrainingError(f"trials is {trials}: give 1 or more.")
    if timeout is not None and not timeout > 0:
        raise TrainingError(f"timeout is {timeout:g} seconds: give more than 0.")
    if recipe.preset != "default":
        raise TrainingError(f"preset {recipe.preset} is a tutorial as it stands: there is nothing to tune.")
    _given(space, recipe)
    if importlib.util.find_spec("optuna") is None:
        raise TrainingError("Tuning needs Optuna, which isn't installed: pip install 'tastemaker[train]'.")


def _given(space: SpaceSource, recipe: Recipe) -> Space | None:
    if space is None:
        return None
    return space_of(space, recipe) if isinstance(space, Mapping) else read_space(Path(space), recipe)


def _has_metadata(data: Dataset) -> bool:
    return any(column.role not in (Role.ID, Role.IGNORED) for column in data.items.columns)


def _named(recipe: Recipe) -> dict[str, Any]:
    """What makes it another recipe; where the files lie doesn't."""
    values = recipe.model_dump(mode="json", exclude_unset=True)
    for key in ("items", "interactions", "users", "impressions"):
        values.get("data", {}).pop(key, None)
    return {table: value for table, value in values.items() if value != {}}


class Search:
    """Trials of a study, one after another.

    Args:
        base: the recipe; decided: with what it leaves open settled by the log.
        attempt: what a recipe comes to.
    """

    def __init__(
        self, study: "optuna.Study", space: Space, base: Recipe, decided: Recipe, attempt: Try
    ) -> None:
        self.study, self.space, self.base, self.attempt = study, space, base, attempt
        self.decided = space.of(decided)

    def run(
        self,
        trials: int,
        timeout: float | None,
        tell: Callable[[Trial], None],
        keep: Callable[[Tuning], None],
    ) -> None:
        started = time.monotonic()
        for done in range(trials):
            if done and timeout is not None and time.monotonic() - started >= timeout:
                return
            number = self._one()
            if self._best() is not None:
                keep(self.found())
            tell(self._told(number))

    def found(self) -> Tuning:
        best = self._best()
        assert best is not None  # the base comes first, and what stops it is raised
        base = next(
            trial for trial in self._ended() if "base" in trial.user_attrs and trial.value is not None
        )
        assert best.value is not None
        assert base.value is not None
        recipe = self.base.having(best.user_attrs["settings"])
        return Tuning(recipe, best.value, best.number, base.value, self._frame())

    def _one(self) -> int:
        """One more trial. Returns its number."""
        import optuna
        from optuna.trial import TrialState

        trials = self.study.get_trials(deepcopy=False)
        states = {trial.state for trial in trials if "base" in trial.user_attrs}
        if not states & {TrialState.COMPLETE, TrialState.WAITING}:
            self.study.enqueue_trial(self.space.labels(self.decided), user_attrs={"base": True})
        # A trial's chance is its own, so that two calls try what one would have tried.
        chance = np.random.SeedSequence([self.base.seed, len(trials)]).generate_state(1)[0]
        self.study.sampler = optuna.samplers.TPESampler(seed=int(chance))
        trial = self.study.ask()
        is_base = "base" in trial.user_attrs
        try:
            self._try(trial, is_base)
        except optuna.TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except (TrainingError, RecipeError) as error:
            self._failed(trial, str(error))
            if is_base:
                raise
        except BaseException as stopped:
            self._failed(trial, "interrupted" if isinstance(stopped, KeyboardInterrupt) else repr(stopped))
            raise
        return trial.number

    def _try(self, trial: "optuna.Trial", is_base: bool) -> None:
        import optuna

        if is_base:  # as it stands, even where it lies outside of the space
            settings = dict(self.decided)
            for key, value in settings.items():
                if self.space.holds(key, value):
                    self.space.knobs[key].suggest(trial, key)
        else:
            settings = self.space.suggest(trial)
        trial.set_user_attr("settings", settings)
        for twin in self._ended():
            if twin.state.name == "COMPLETE" and twin.user_attrs["settings"] == settings:
                trial.set_user_attr("epochs", twin.user_attrs["epochs"])
                trial.set_user_attr("note", f"the same as trial {twin.number}")
                self.study.tell(trial, twin.value)
                return
        epochs = 0

        def watch(value: float) -> None:
            nonlocal epochs
            trial.report(value, epochs)
            epochs += 1
            if not is_base and trial.should_prune():
                raise optuna.TrialPruned

        choice = self.attempt(self.base.having(settings), watch)
        if choice is None:
            raise TrainingError(
                "Nobody in the log has enough events to be asked: there is nothing to tune by."
            )
        trial.set_user_attr("epochs", choice.epochs)
        trial.set_user_attr("pairs", choice.pairs)
        self.study.tell(trial, choice.value)

    def _failed(self, trial: "optuna.Trial", why: str) -> None:
        from optuna.trial import TrialState

        trial.set_user_attr("note", why)
        self.study.tell(trial, state=TrialState.FAIL)

    def _ended(self) -> "list[optuna.trial.FrozenTrial]":
        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.state.is_finished()]

    def _best(self) -> "optuna.trial.FrozenTrial | None":
        """The first of the best."""
        done = [trial for trial in self._ended() if trial.state.name == "COMPLETE"]
        return max(done, key=lambda trial: (trial.value or 0.0, -trial.number), default=None)

    def _told(self, number: int) -> Trial:
        trial = next(trial for trial in self._ended() if trial.number == number)
        best = self._best()
        return Trial(
            number,
            _state(trial),
            trial.value,
            trial.user_attrs.get("settings", {}),
            _seconds(trial),
            trial.user_attrs.get("note", ""),
            None if best is None else best.value,
            None if best is None else best.number,
        )

    def _frame(self) -> pl.DataFrame:
        rows = []
        for trial in self._ended():
            known = trial.user_attrs
            row = {"number": trial.number, "state": _state(trial), "value": trial.value}
            row |= {"epochs": known.get("epochs"), "seconds": _seconds(trial), "note": known.get("note", "")}
            settings = known.get("settings", {})
            rows.append(row | {key: settings.get(key) for key in self.space.knobs})
        return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def _state(trial: "optuna.trial.FrozenTrial") -> str:
    return {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")


def _seconds(trial: "optuna.trial.FrozenTrial") -> float:
    return 0.0 if trial.duration is None else round(trial.duration.total_seconds(), 1)


def _write(folder: Path | None, made_by: str, fingerprint: str, tuning: Tuning) -> None:
    """The best recipe so far, whole or not at all."""
    if folder is None:
        return
    recipe = tuning.recipe
    if "data" in recipe.model_fields_set:
        there = os.path.realpath(folder)
        files = {
            f"data.{name}": _from(there, path)
            for name in ("items", "interactions", "users", "impressions")
            if (path := getattr(recipe.data, name)) is not None
        }
        recipe = recipe.having(files)
    head = [
        f"made by: {' '.join(made_by.split())}",
        f"validation NDCG@10: {tuning.value:.4f} in trial {tuning.number} (of the recipe it began with: "
        f"{tuning.base_value:.4f})",
        f"trials: {tuning.trials.height}",
        f"data: {fingerprint}",
    ]
    text = "".join(f"# {line}\n" for line in head) + "\n" + recipe.as_toml() + "\n"
    partial_path = folder / f".{RECIPE}.partial"
    partial_path.write_text(text, encoding="utf-8")
    os.replace(partial_path, folder / RECIPE)


def _from(folder: str, path: Path) -> str:
    """As the recipe in `folder` names a file: by the way there from it."""
    there = os.path.realpath(path)
    try:
        return os.path.relpath(there, folder)
    except ValueError:  # on another drive
        return there
