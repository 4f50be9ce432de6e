"""What a tuning found: how it went, which knobs mattered, and how sure the best trial is.

It reads the study of a folder and tries nothing; a search may be running meanwhile.
"""

import importlib.util
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tastemaker.errors import TrainingError
from tastemaker.pages.section import Picture, Section, Table
from tastemaker.training.study import NAME, STUDY

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENOUGH = 10
"""Trials that ran to their end, before anything is said of knobs."""
TOP = 0.25
"""Share of the trials that are called good where knobs are weighed."""
NEAR = 0.01
"""Of the best value: trials that come so close are as good, for all that one validation can tell."""
SLICES = 4
"""Knobs that get a panel."""
SHOWN = 5


@dataclass(frozen=True)
class Tried:
    """A trial that has ended.

    Attributes:
        state: complete, pruned or failed.
        value: validation NDCG@10; of a pruned one that of its last epoch; None of a failed.
    """

    number: int
    state: str
    value: float | None
    is_base: bool
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Tuned:
    """Attributes:
    importance: of each knob, how far good trials lie elsewhere than others, adding up to 1 (PED-ANOVA:
        Watanabe et al., IJCAI 2023); empty where too few trials ran to their end.
    log_knobs: those that are searched by doublings.
    """

    trials: tuple[Tried, ...]
    importance: Mapping[str, float]
    log_knobs: frozenset[str]

    @property
    def complete(self) -> list[Tried]:
        return [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]

    @property
    def ranked(self) -> list[Tried]:
        """Complete trials, the best first, equal ones in the order in which they came."""
        return sorted(self.complete, key=lambda trial: (-_value(trial), trial.number))

    @property
    def near(self) -> int:
        """Other trials that come within NEAR of the best."""
        best = _value(self.ranked[0])
        return sum(_value(trial) >= (1 - NEAR) * best for trial in self.complete) - 1

    def as_json(self) -> dict[str, Any]:
        return {
            "trials": [asdict(trial) for trial in self.trials],
            "importance": dict(self.importance),
            "best": self.ranked[0].number,
            "near": self.near,
        }

    def section(self, with_picture: bool = False) -> Section:
        """For a terminal, a report and JSON."""
        ranked = self.ranked
        best = ranked[0]
        base = next((trial for trial in self.complete if trial.is_base), None)
        lead = f"Trial {best.number} is the best of {len(self.trials)}: validation NDCG@10 {best.value:.4f}"
        lead += f", of the recipe it began with {base.value:.4f}." if base is not None else "."
        knobs = list(best.settings)
        rows = [
            [str(each.number), f"{each.value:.4f}", *(str(each.settings.get(knob)) for knob in knobs)]
            for each in ranked[:SHOWN]
        ]
        tables = [Table("The best trials", ["trial", "NDCG@10", *map(_short, knobs)], rows, strong=[0])]
        if self.importance:
            weights = [[knob, f"{share:.0%}"] for knob, share in self.importance.items()]
            tables.append(Table("What made good trials good", ["knob", "importance"], weights))
        pictures = []
        if with_picture:
            from tastemaker.pages import style

            pictures = [
                Picture(style.svg(drawing(self)), lead, "Trials, knobs, and the knobs that mattered.")
            ]
        return Section(
            "tuned", "What tuning found", lead, self.as_json(), "", tables, pictures, self._notes(ranked)
        )

    def _notes(self, ranked: Sequence[Tried]) -> list[str]:
        pruned = sum(trial.state == "pruned" for trial in self.trials)
        failed = sum(trial.state == "failed" for trial in self.trials)
        notes = [f"{len(ranked)} trials ran to their end, {pruned} were cut short, {failed} failed."]
        if len(ranked) > 1:
            gap = _value(ranked[0]) - _value(ranked[1])
            notes.append(
                f"It is {gap:.4f} ahead of trial {ranked[1].number}, and {self.near} others come within "
                f"{NEAR:.0%} of it. All were marked on the same validation part, which chose it too: whether "
                "it is better on events that no trial saw isn't known here. Train both and compare them."
            )
        if not self.importance:
            notes.append(f"Fewer than {ENOUGH} trials ran to their end: too few to say which knobs matter.")
        return notes


def read_tuned(folder: Path) -> Tuned:
    """The study of a folder.

    Raises: TrainingError where there is none, nothing in it ended well, or optuna isn't installed.
    """
    path = folder / STUDY
    if not path.is_file():
        raise TrainingError(f"{folder} holds no {STUDY}: give the folder of a tuning.")
    if importlib.util.find_spec("optuna") is None:
        raise TrainingError(
            "Reading a study takes optuna, which isn't installed: pip install 'tastemaker[train]'."
        )
    import optuna
    from sqlalchemy.exc import DBAPIError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
        try:
            study = optuna.load_study(study_name=NAME, storage=storage)
            found = tuned_of(study)
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except DBAPIError as error:
        raise TrainingError(f"{path} can't be opened as a study: {error.orig}.") from None
    except KeyError:
        raise TrainingError(f"{path} holds a study that `tastemaker tune` didn't make.") from None
    if not found.complete:
        raise TrainingError(f"No trial of {folder} has run to its end yet.")
    return found


def tuned_of(study: "optuna.Study") -> Tuned:
    """What a study holds so far, wherever it is kept."""
    ended = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    states = {"COMPLETE": "complete", "PRUNED": "pruned"}
    trials = tuple(
        Tried(
            trial.number,
            states.get(trial.state.name, "failed"),
            trial.value,
            "base" in trial.user_attrs,
            trial.user_attrs.get("settings", {}),
        )
        for trial in ended
    )
    log_knobs = {
        name for trial in ended for name, knob in trial.distributions.items() if getattr(knob, "log", False)
    }
    return Tuned(trials, _importance(ended), frozenset(log_knobs))


def _importance(ended: "Sequence[optuna.trial.FrozenTrial]") -> dict[str, float]:
    """By knob, the weightiest first. A trial outside of the space is left out: it has no place in it."""
    import optuna

    complete = [trial for trial in ended if trial.state.name == "COMPLETE"]
    knobs = set().union(*(trial.params for trial in complete)) if complete else set()
    whole = [trial for trial in complete if set(trial.params) == knobs]
    if len(whole) < ENOUGH or len(knobs) < 2:
        return {}
    inside = optuna.create_study(direction="maximize")
    inside.add_trials(whole)
    with warnings.catch_warnings():  # it is experimental, and says so
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP)
        found = optuna.importance.get_param_importances(inside, evaluator=evaluator)
    return {} if any(math.isnan(share) for share in found.values()) else dict(found)


def drawing(tuned: Tuned) -> "Figure":
    """Trials over time with the best so far, what each knob weighs, and the value over the weightiest."""
    from tastemaker.pages import style

    knobs = list(tuned.importance) or list(tuned.ranked[0].settings)
    slices = knobs[:SLICES]
    columns = 3 if len(slices) > 1 else 2
    rows = math.ceil((2 + len(slices)) / columns)
    figure, panels = style.figure(3.6 * columns, 3.1 * rows, rows, columns)
    _course(tuned, panels[0])
    _weights(tuned, panels[1])
    for panel, knob in zip(panels[2:], slices, strict=False):
        _slice(tuned, knob, panel)
    for panel in panels[2 + len(slices) :]:
        panel.set_visible(False)
    return figure


def _course(tuned: Tuned, panel: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    from tastemaker.pages import style

    best, numbers, highest = -math.inf, [], []
    for trial in tuned.complete:
        best = max(best, _value(trial))
        numbers.append(trial.number)
        highest.append(best)
    panel.step(numbers, highest, where="post", color=style.OURS, label="best so far")
    panel.plot(numbers, [_value(trial) for trial in tuned.complete], "o", color=style.RIVAL, label="complete")
    pruned = [trial for trial in tuned.trials if trial.state == "pruned" and trial.value is not None]
    if pruned:
        places = [trial.number for trial in pruned], [_value(trial) for trial in pruned]
        panel.plot(*places, "x", color=style.ALARM, label="cut short")
    panel.set_xlabel("trial")
    panel.set_title("Validation NDCG@10")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend(fontsize=8)


def _weights(tuned: Tuned, panel: "Axes") -> None:
    from tastemaker.pages import style

    panel.set_title("What made good trials good")
    if not tuned.importance:
        panel.text(0.5, 0.5, "too few trials to say", ha="center", transform=panel.transAxes)
        panel.set_axis_off()
        return
    names, shares = list(tuned.importance)[::-1], list(tuned.importance.values())[::-1]
    bars = panel.barh([_short(name) for name in names], shares, color=style.OURS)
    panel.bar_label(bars, [f"{share:.0%}" for share in shares], padding=3, fontsize=8)
    panel.set_xlim(0, 1.18 * max(shares))
    panel.grid(axis="y", visible=False)
    panel.set_xticks([])


def _slice(tuned: Tuned, knob: str, panel: "Axes") -> None:
    from tastemaker.pages import style

    tried = [trial for trial in tuned.complete if knob in trial.settings]
    values = [trial.settings[knob] for trial in tried]
    heights = [_value(trial) for trial in tried]
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    places: list[Any] = values
    if not are_numbers:
        names = sorted({json.dumps(value) for value in values})
        places = [names.index(json.dumps(value)) for value in values]
        panel.set_xticks(range(len(names)), [name.strip('"') for name in names], fontsize=8)
    elif knob in tuned.log_knobs:
        panel.set_xscale("log")
    shades = panel.scatter(
        places, heights, c=[trial.number for trial in tried], cmap="Blues", vmin=-len(tuned.trials) / 2
    )
    shades.set_edgecolor(style.RIVAL)
    best = tried.index(tuned.ranked[0])
    panel.plot(places[best], heights[best], "o", markersize=11, fillstyle="none", color=style.ALARM)
    panel.set_title(_short(knob))


def _value(trial: Tried) -> float:
    return trial.value or 0.0


def _short(knob: str) -> str:
    return knob.partition(".")[2] or knob
