"""Where `tune` looks: which knobs of a recipe move, and how far."""

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from tastemaker.errors import RecipeError
from tastemaker.recipe import Recipe

if TYPE_CHECKING:
    import optuna

TUNABLE = ("history", "loss", "negatives", "features")
"""Tables of a recipe that decide how a model of histories learns."""
FIXED = ("history.order",)
"""What in them decides what is asked on validation: numbers from before and after wouldn't compare."""
DIGITS = 3
"""That a number is tried with: a recipe is to be read by people, and no model is better by the fourth."""


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included; with `log` each doubling is as likely as the next."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def suggest(self, trial: "optuna.Trial", key: str) -> Any:
        if self.whole:
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log)
        value = trial.suggest_float(key, self.low, self.high, log=self.log)
        return min(self.high, max(self.low, float(f"{value:.{DIGITS}g}")))

    def holds(self, value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high and not (self.whole and value % 1)

    @property
    def ends(self) -> list[Any]:
        """What has to be a fair value of the knob for all between to be."""
        return [self.low, self.high]

    @property
    def written(self) -> Any:
        return {"low": self.low, "high": self.high, "log": self.log}

    def label(self, value: Any) -> Any:
        return value


@dataclass(frozen=True)
class Choices:
    """One of several values, in no order."""

    values: tuple[Any, ...]

    def suggest(self, trial: "optuna.Trial", key: str) -> Any:
        return json.loads(trial.suggest_categorical(key, [self.label(value) for value in self.values]))

    def holds(self, value: Any) -> bool:
        return self.label(value) in map(self.label, self.values)

    @property
    def ends(self) -> list[Any]:
        return list(self.values)

    @property
    def written(self) -> Any:
        return list(self.values)

    def label(self, value: Any) -> str:
        """As a study keeps it, which has no word for a list."""
        return json.dumps(value)


@dataclass(frozen=True)
class Space:
    """What may be tried, by knob: `history.dropout`."""

    knobs: Mapping[str, Range | Choices]

    def suggest(self, trial: "optuna.Trial") -> dict[str, Any]:
        """Settings for a trial."""
        return {key: knob.suggest(trial, key) for key, knob in self.knobs.items()}

    def labels(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What of `settings` lies in the space, as a study keeps it."""
        return {
            key: self.knobs[key].label(value) for key, value in settings.items() if self.holds(key, value)
        }

    def holds(self, key: str, value: Any) -> bool:
        return self.knobs[key].holds(value)

    def of(self, recipe: Recipe) -> dict[str, Any]:
        """What `recipe` says of the same knobs."""
        values = recipe.model_dump(mode="json")
        found = {}
        for key in self.knobs:
            table, _, name = key.partition(".")
            found[key] = values[table][name]
        return found

    def as_json(self) -> dict[str, Any]:
        return {key: knob.written for key, knob in self.knobs.items()}


def default_space(settled: Recipe, has_metadata: bool) -> Space:
    """Around what the log decided: half and double, or near by; `has_metadata`: of items, beside ids."""
    history = settled.history
    knobs: dict[str, Range | Choices] = {
        "history.learning_rate": Range(history.learning_rate / 4, history.learning_rate * 4, log=True),
        "history.dropout": Range(max(0.0, history.dropout - 0.25), min(0.8, history.dropout + 0.25)),
        "history.batch_size": _around(history.batch_size),
    }
    dims = _around(history.dim)
    if history.encoder == "transformer":
        dims = Choices(tuple(dim for dim in dims.values if dim % history.heads == 0))
    knobs["history.dim"] = dims
    if history.item_features and has_metadata:
        knobs["history.id_dropout"] = Range(0.0, max(0.4, history.id_dropout))
    if not history.reads_events:
        knobs["history.hidden"] = _with(list(history.hidden), [[64], [128], [256], [128, 128]])
        return Space(knobs)
    knobs["history.epochs"] = Range(max(1, history.epochs // 2), history.epochs * 3 // 2, whole=True)
    if history.encoder == "transformer":
        heads = [heads for heads in (1, 2, 4) if all(dim % heads == 0 for dim in dims.values)]
        knobs |= {
            "history.blocks": Range(1, max(3, history.blocks), whole=True),
            "history.heads": _with(history.heads, heads),
            "history.slow": Range(0.0, max(0.9, history.slow)),
            "history.norm": Choices(("before", "after")),
        }
    return Space(knobs)


def _around(value: int) -> Choices:
    return Choices(tuple(dict.fromkeys((max(2, value // 2), value, value * 2))))


def _with(value: Any, others: Sequence[Any]) -> Choices:
    return Choices(tuple(others) if value in others else (*others, value))


def read_space(path: Path, base: Recipe) -> Space:
    """A TOML file: a knob a line, as `{low, high, log}` or as a list of values.

    Raises: RecipeError, in one line, for what isn't a knob, what the knob doesn't take, and what isn't tuned.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"Can't read the space {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise RecipeError(f"Can't read the space {path}: it is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}.") from None
    return space_of(values, base)


def space_of(values: Mapping[str, Any], base: Recipe) -> Space:
    """The same, of plain values. Raises RecipeError."""
    knobs = {key: _knob(key, value, base) for key, value in _flat(values)}
    if not knobs:
        raise RecipeError('The space is empty: name a knob, for example "history.dim" = [64, 128].')
    return Space(knobs)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """`[history]` with `dim = …` under it says the same as `"history.dim" = …`."""
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and not {"low", "high"} & set(value):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _knob(key: str, value: Any, base: Recipe) -> Range | Choices:
    knob = _choices(key, value) if isinstance(value, list) else _range(key, value)
    for end in knob.ends:
        base.having({key: end})  # refuses what isn't a knob, and what it doesn't take
    if key.partition(".")[0] not in TUNABLE or key in FIXED:
        raise RecipeError(
            f"{key} isn't tuned: of a space, {', '.join(f'[{table}]' for table in TUNABLE)} count "
            f"(but {', '.join(FIXED)}); the rest says what is asked, or of whom."
        )
    return knob


def _choices(key: str, values: list[Any]) -> Choices:
    distinct = tuple(json.loads(label) for label in dict.fromkeys(map(json.dumps, values)))
    if not distinct:
        raise RecipeError(f"{key} has no values to choose from: give some, for example [64, 128].")
    return Choices(distinct)


def _range(key: str, value: Any) -> Range:
    example = "give { low = 0.1, high = 0.6 }, with log = true if wanted, or a list of values"
    if not isinstance(value, dict):
        raise RecipeError(f"{key} is {value!r}: {example}.")
    low, high, log = value.get("low"), value.get("high"), value.get("log", False)
    if (
        not set(value) <= {"low", "high", "log"}
        or not isinstance(log, bool)
        or isinstance(low, bool)
        or isinstance(high, bool)
        or not (isinstance(low, int | float) and isinstance(high, int | float))
        or not (math.isfinite(low) and math.isfinite(high))
    ):
        raise RecipeError(f"{key} is {value!r}: {example}.")
    if not low <= high:
        raise RecipeError(f"{key} goes from {low} to {high}: low is the smaller one.")
    if log and low <= 0:
        raise RecipeError(f"{key} begins at {low}: with log = true it begins above 0.")
    return Range(low, high, log, _is_whole(key))


def _is_whole(key: str) -> bool:
    """Whether the knob counts something; `{ low = 0, high = 1 }` doesn't say it."""
    table, _, name = key.partition(".")
    tables = Recipe.model_fields.get(table)
    field = getattr(tables.annotation, "model_fields", {}).get(name) if tables else None
    kinds = () if field is None else get_args(field.annotation) or (field.annotation,)
    return int in kinds and float not in kinds
